//! What servers send when TLS begins: the truth about a certificate, since it is what clients get, whatever lies on disk.

use hostler_sdk::network::{Endpoint, Handshake, Starttls};
use hostler_sdk::prelude::*;

use crate::Settings;
use crate::place::Place;
use shared_certificates::Certificate;

pub(crate) async fn look(endpoint: &Endpoint, settings: &Settings) -> Result<Place, TaskError> {
    let name = endpoint.name();
    let server_name = settings.server_names.get(name).map(String::as_str);
    let protocol = starttls(settings.starttls.get(name).map(String::as_str))?;
    let handshake = endpoint.tls_handshake(server_name, protocol).await?;
    Metric::gauge("tls_handshake_duration_seconds", Duration::from_milliseconds(handshake.duration_ms).as_seconds())
        .label("endpoint", name)
        .report();
    judge(name, &handshake, server_name, settings.private.iter().any(|private| private == name))
}

fn starttls(protocol: Option<&str>) -> Result<Starttls, TaskError> {
    match protocol {
        None => Ok(Starttls::None),
        Some("postgres") => Ok(Starttls::Postgres),
        Some("smtp") => Ok(Starttls::Smtp),
        Some("imap") => Ok(Starttls::Imap),
        Some(_) => Err(TaskError::new("`starttls` names a protocol that is none of postgres, smtp and imap")
            .remedy("correct `starttls` in the task's settings")),
    }
}

/// What a handshake tells about the server.
pub(crate) fn judge(
    name: &str,
    handshake: &Handshake,
    server_name: Option<&str>,
    private: bool,
) -> Result<Place, TaskError> {
    let subject = format!("endpoint {name}");
    let chain: Result<Vec<Certificate>, String> = handshake.chain.iter().map(|der| Certificate::read(der)).collect();
    let chain = chain
        .map_err(|damage| TaskError::new(format!("the server sent something else than certificates: {damage}")))?;
    let Some(leaf) = chain.first() else { return Err(TaskError::new("the server sent no certificate")) };
    let mismatched = server_name.filter(|host| !leaf.covers(host));
    if let Some(host) = mismatched {
        let names = if leaf.names.is_empty() { "no host name".into() } else { leaf.names.join(", ") };
        finding!(
            Severity::Critical,
            "name-mismatch",
            subject.as_str(),
            "it sends a certificate that is not for {host}"
        )
        .detail(format!("The certificate is for {names}."))
        .remedy(format!("let the server send a certificate for {host}, or correct `server_names`"))
        .report();
    }
    if let (Err(reason), false, None) = (&handshake.verified, private, mismatched) {
        finding!(Severity::Critical, "not-trusted", subject.as_str(), "what it sends does not verify: {reason}")
            .detail(format!("{}, signed by {}; sent: {}.", leaf.title, leaf.issuer_title, counted(chain.len(), "certificate")))
            .remedy("let the server send a whole chain that a known authority signed; where the authority is your own, name the endpoint in `private`")
            .report();
    }
    Ok(Place { called: vec![name.into()], subject, chain, served: true })
}

/// Whether the server sends what lies on disk under its name: a renewed certificate serves nobody before it is loaded.
pub(crate) fn compare(served: &Place, on_disk: &[Place], host: Option<&String>) {
    let Some(sent) = served.chain.first() else { return };
    let wanted = |called: &String| served.called.contains(called) || Some(called) == host;
    let same_name: Vec<(&Place, &Certificate)> = on_disk
        .iter()
        .filter(|place| place.called.iter().any(wanted))
        .filter_map(|place| Some((place, place.leaf()?)))
        .collect();
    if same_name.iter().any(|(_, leaf)| leaf.der == sent.der) {
        return;
    }
    if let Some((place, leaf)) = same_name.first() {
        finding!(
            Severity::Warning,
            "not-reloaded",
            served.subject.as_str(),
            "it sends serial {}, and {} has serial {}",
            sent.serial,
            place.subject,
            leaf.serial
        )
        .detail(format!("Sent: until {}. On disk: until {}.", sent.not_after, leaf.not_after))
        .remedy("reload the server, so that it sends the certificate on disk")
        .report();
    }
}

/// A setting for an endpoint that is not bound does nothing: likely a slip of the pen.
pub(crate) fn unknown_names(settings: &Settings, endpoints: &[Endpoint]) {
    let named = settings.server_names.keys().chain(settings.starttls.keys()).chain(&settings.private);
    for name in named.filter(|name| endpoints.iter().all(|endpoint| endpoint.name() != name.as_str())) {
        finding!(
            Severity::Unknown,
            "endpoint-unknown",
            name.as_str(),
            "the settings name this endpoint, and it is not bound to the task"
        )
        .remedy("bind it, or correct `server_names`, `starttls` and `private`")
        .report();
    }
}
