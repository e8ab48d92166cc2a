//! The one place that opens a connection.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use hostler_configuration::PasswordFound;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage, config::SslMode};

use crate::{
    destination::{Destination, Role},
    errors::{ConnectError, Names, connecting},
    places::Place,
    session::{Encryption, SETTINGS, Session},
    tls,
    wanted::Mode,
};

/// From PostgreSQL 14 on the server can notice by itself that nobody waits for an answer any more: a host that was
/// killed leaves no long statement behind.
const CHECK_SINCE: u32 = 140_000;

/// Opens a session for a run, on the first of the resource's servers that will do.
///
/// # Errors
/// Why the last one would not.
pub(crate) async fn connect(
    resource: &str,
    destination: &Destination,
    owner: &Arc<str>,
    application: &str,
) -> Result<Session, ConnectError> {
    let rounds: &[Role] = match destination.role {
        Role::PreferStandby => &[Role::Standby, Role::Any],
        ref other => std::slice::from_ref(other),
    };
    let mut last = None;
    for role in rounds {
        for place in &destination.places {
            let opened = one(resource, destination, place, *role, owner, application);
            match tokio::time::timeout(destination.timeout, opened).await {
                Ok(Ok(session)) => return Ok(session),
                // The password is the same everywhere: asking the next server would only lock the role out sooner.
                Ok(Err(error @ (ConnectError::Refused { .. } | ConnectError::Configuration { .. })))
                    if *role == Role::Any && !is_passing(&error) =>
                {
                    return Err(error);
                }
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = Some(ConnectError::Silent { resource: resource.into(), limit: destination.timeout }),
            }
        }
    }
    Err(last.unwrap_or_else(|| ConnectError::Configuration {
        resource: resource.into(),
        problem: "it names no server".into(),
    }))
}

fn is_passing(error: &ConnectError) -> bool {
    matches!(error, ConnectError::Refused { code, .. } if code.starts_with("57P") || code == "53300")
}

async fn one(
    resource: &str,
    destination: &Destination,
    place: &Place,
    role: Role,
    owner: &Arc<str>,
    application: &str,
) -> Result<Session, ConnectError> {
    let found = destination.password(place);
    let loose = found == PasswordFound::Loose;
    let mut names = Names {
        resource: resource.into(),
        user: destination.user.clone(),
        database: destination.database.clone(),
        secrets: destination.secrets(),
    };
    let mut config = configuration(destination, place, application);
    if let PasswordFound::Password(password) = found {
        config.password(&password);
        names.secrets.push(password);
    }
    let names = Arc::new(names);
    let failed = |error: tokio_postgres::Error| connecting(resource, &error, loose);
    // As libpq: a socket of this machine needs no encryption, whatever the mode.
    let session = if destination.tls.mode == Mode::Disable || place.is_socket() {
        config.ssl_mode(SslMode::Disable);
        let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
        Session::start(client, connection, names, Encryption::None, owner.clone())
    } else {
        let connector = tls::connector(&destination.tls)
            .map_err(|problem| ConnectError::Configuration { resource: resource.into(), problem })?;
        config.ssl_mode(if destination.tls.mode == Mode::Prefer { SslMode::Prefer } else { SslMode::Require });
        let (client, connection) = config.connect(connector.clone()).await.map_err(failed)?;
        Session::start(client, connection, names, Encryption::Rustls(connector), owner.clone())
    };
    check_for_client(&session);
    wanted(resource, &session, role).await?;
    Ok(session)
}

/// Has the server look, now and then, whether anybody still waits for its answer. Sent, and not waited for: servers on
/// systems that cannot tell refuse it, and nothing else depends on it.
pub(crate) fn check_for_client(session: &Session) {
    if session.version >= CHECK_SINCE {
        let set = session.client.batch_execute("SET client_connection_check_interval = '2s'");
        let _ = set.now_or_never();
    }
}

/// Whether the server is of the wanted role.
async fn wanted(resource: &str, session: &Session, role: Role) -> Result<(), ConnectError> {
    if role == Role::Any {
        return Ok(());
    }
    let answer = session.client.simple_query("SELECT pg_catalog.pg_is_in_recovery()").await;
    let messages = answer.map_err(|error| connecting(resource, &error, false))?;
    let recovering = messages
        .iter()
        .any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.try_get(0).ok().flatten() == Some("t")));
    if recovering == (role == Role::Standby) {
        return Ok(());
    }
    Err(ConnectError::Unreachable {
        resource: resource.into(),
        problem: "none of its servers is what its target_session_attrs wants".into(),
    })
}

fn configuration(destination: &Destination, place: &Place, application: &str) -> Config {
    let mut config = Config::new();
    config
        .user(&destination.user)
        .dbname(&destination.database)
        .port(place.port)
        .application_name(application)
        .options(options(&destination.options))
        .channel_binding(destination.binding)
        .keepalives(destination.keepalives.0)
        .keepalives_idle(destination.keepalives.1.unwrap_or(Duration::from_secs(60)));
    if place.is_socket() {
        config.host_path(&place.host);
    } else {
        config.host(&place.host);
        if let Some(address) = place.address {
            config.hostaddr(address);
        }
    }
    if destination.tls.direct {
        config.ssl_negotiation(tokio_postgres::config::SslNegotiation::Direct);
    }
    config
}

/// The operator's options, and after them the host's, so that these hold.
fn options(own: &str) -> String {
    let mut options = own.to_owned();
    for (name, value) in SETTINGS {
        options.push_str(" -c ");
        options.push_str(name);
        options.push('=');
        options.push_str(value);
    }
    options
}
