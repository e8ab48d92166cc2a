//! Ways to a server, and what is said where none leads there. No text names the host, the role or the password.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use hostler_capability::{Error, Mode};
use hostler_configuration::PostgresResource;
use hostler_policy::sql::PostgresGrant;
use hostler_postgres::{Environment, PostgresCapability};

use crate::{
    context::{Fixture, ask, capability},
    server::{PASSWORD, Server, resource},
};

async fn open(resource: PostgresResource) -> Result<(), Error> {
    open_in(Environment::default(), resource).await
}

async fn open_in(environment: Environment, resource: PostgresResource) -> Result<(), Error> {
    let capability = PostgresCapability::new(environment);
    let run = Fixture::new(&capability, resource, PostgresGrant::default(), Mode::Check);
    let database = run.try_open().await?;
    assert_same!(ask(&database, "SELECT 1").await, Ok(vec!["1".into()]));
    Ok(())
}

/// The whole of an error, as a plugin or an operator could see it.
fn words(error: &Error) -> String {
    let text = format!("{error:?}");
    for secret in ["127.0.0.1", "localhost", "hostler", PASSWORD, "wrong one"] {
        let text = text.replace("hostler doctor", "").replace("hostler roles", "");
        assert!(!text.contains(secret), "{text} names {secret}");
    }
    text
}

fn file(directory: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).expect("it is written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_database_says_of_itself() {
    let server = Server::start();
    let run = Fixture::new(&capability(), server.resource(), PostgresGrant::default(), Mode::Check);
    let info = run.open().await.info();
    assert!(info.version >= 150_000, "{info:?}");
    assert_eq!((info.database.as_str(), info.in_recovery), ("shop", false));
    let row = server.administrator().await.query_one("SELECT system_identifier FROM pg_control_system()", &[]).await;
    assert_eq!(info.system_identifier, row.expect("it is read").get::<_, i64>(0).to_string());
    let revoked = "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC";
    server.administrator().await.batch_execute(revoked).await.expect("it is revoked");
    let run = Fixture::new(&capability(), server.resource(), PostgresGrant::default(), Mode::Check);
    assert_eq!(run.open().await.info().system_identifier, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_come_from_each_place_that_libpq_knows() {
    let server = Server::start();
    let directory = tempfile::tempdir().expect("a directory");
    let tcp = format!("host=127.0.0.1 port={} dbname=shop user=hostler", server.port);
    let path = |name: &str, text: &str, mode| file(directory.path(), name, text, mode);

    open(resource(&format!("{tcp} password='{PASSWORD}'"))).await.expect("the password is right");
    let uri = format!("postgresql://hostler:correct%20horse@127.0.0.1:{}/shop", server.port);
    open(resource(&uri)).await.expect("the password is right");

    let own = |file| PostgresResource { password_file: Some(file), ..resource(&tcp) };
    open(own(path("own", &format!("{PASSWORD}\n"), 0o600))).await.expect("the password is right");

    let line = format!("127.0.0.1:{}:shop:hostler:{PASSWORD}\n", server.port);
    let passfile = path("pgpass", &line, 0o600);
    open(resource(&format!("{tcp} passfile={}", passfile.display()))).await.expect("the password is right");
    let environment = Environment { password_file: Some(passfile), ..Environment::default() };
    open_in(environment, resource(&tcp)).await.expect("the password is right");
    path(".pgpass", &line, 0o600);
    let home = Environment { home: Some(directory.path().into()), ..Environment::default() };
    open_in(home.clone(), resource(&tcp)).await.expect("the password is right");

    path(".pgpass", &line, 0o644);
    let loose = open_in(home, resource(&tcp)).await.expect_err("others may read it");
    assert!(words(&loose).contains("chmod 600"), "{loose:?}");
    let none = open(resource(&tcp)).await.expect_err("there is none");
    assert!(words(&none).contains("set password_file"), "{none:?}");
    let wrong = open(own(path("wrong", "wrong one", 0o600))).await.expect_err("it is wrong");
    assert!(matches!(&wrong, Error::Failed(failure) if failure.code == "28P01" && failure.hint.is_some()), "{wrong:?}");
    assert!(words(&wrong).contains("postgres.main refused the connection: the password is wrong"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_file_leads_there_too() {
    let server = Server::start();
    let directory = tempfile::tempdir().expect("a directory");
    let text =
        format!("[other]\nhost=nowhere\n[shop]\nhost={}\nport={}\nuser=nobody\n", server.path().display(), server.port);
    let services = file(directory.path(), "services", &text, 0o644);
    let dsn = "service=shop user=hostler dbname=shop";
    open(PostgresResource { service_file: Some(services.clone()), ..resource(dsn) }).await.expect("it is found");
    let environment = Environment { service_file: Some(services), ..Environment::default() };
    open_in(environment, resource(dsn)).await.expect("it is found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_found_before_anything_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let loose = file(directory.path(), "loose", "secret", 0o644);
    for (resource, wanted) in [
        (resource("host=x sslcrl=y user=u"), "the keyword sslcrl"),
        (resource("host=x user=u sslmode=verify-sometimes"), "its sslmode"),
        (
            PostgresResource { password_file: Some(loose), ..resource("host=x user=u") },
            "its mode is 0644): chmod 600 /",
        ),
        (
            PostgresResource { password_file: Some("/nowhere/at/all".into()), ..resource("user=u") },
            "its password_file /nowhere/at/all does not exist: create",
        ),
        (resource("host=x user=u sslmode=verify-ca sslrootcert=/nowhere/ca"), "its sslrootcert /nowhere/ca does not"),
        (resource("service=none user=u"), "service"),
        (resource("host"), "byte 0"),
    ] {
        let (context, _) = crate::context::context("run-1", Mode::Check, hostler_capability::Limits::default());
        let binding = hostler_capability::Binding {
            request: "database".into(),
            many: false,
            targets: vec![hostler_capability::Target {
                name: "main".into(),
                resource: hostler_capability::Resource::Postgres(resource),
            }],
            grant: hostler_capability::Grant::Postgres(PostgresGrant::default()),
        };
        let problem = hostler_postgres::Run::new(&capability(), &[binding], &context).err().expect("it is wrong");
        let problem = problem.to_string();
        assert!(problem.starts_with("postgres.main: ") && problem.contains(wanted), "{problem}");
        assert!(!problem.contains("secret"), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_says_so() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let down = open(resource(&format!("host=localhost port={free} user=hostler"))).await.expect_err("nobody is there");
    assert!(matches!(&down, Error::Unavailable(_)) && words(&down).contains("nothing listens there"), "{down:?}");
    let socket = open(resource("host=/nowhere user=hostler")).await.expect_err("nobody is there");
    assert!(
        matches!(&socket, Error::Unavailable(_)) && words(&socket).contains("no server has its socket"),
        "{socket:?}"
    );
    let name = open(resource("host=no.such.host.invalid user=hostler")).await.expect_err("nobody has that name");
    assert!(!words(&name).contains("no.such.host"), "{name:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_or_hangs_up_is_given_up() {
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a port");
    let dsn =
        format!("host=127.0.0.1 port={} user=hostler connect_timeout=1", hanging.local_addr().expect("it").port());
    let began = Instant::now();
    let hang = open(resource(&dsn)).await.expect_err("it says nothing");
    assert!(began.elapsed() < Duration::from_secs(3));
    assert!(matches!(&hang, Error::Unavailable(_)) && words(&hang).contains("within 1 s"), "{hang:?}");

    for (answer, wanted) in [(&b""[..], "closed the connection at once"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "")] {
        let rude = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = rude.local_addr().expect("it").port();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = rude.accept().expect("somebody comes");
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(answer);
        });
        let dsn = format!("host=127.0.0.1 port={port} user=hostler sslmode=disable connect_timeout=2");
        let error = open(resource(&dsn)).await.expect_err("it is no server");
        assert!(matches!(&error, Error::Unavailable(_)) && words(&error).contains(wanted), "{error:?}");
        thread.join().expect("it ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_no_is_quoted_by_its_code_alone() {
    let server = Server::start();
    let dsn = |change: &str| server.dsn().replace("dbname=shop", change);
    for (dsn, code) in
        [(dsn("dbname=nothing"), "3D000"), (server.dsn().replace("user=hostler", "user=stranger"), "28000")]
    {
        match open(resource(&dsn)).await {
            Err(Error::Failed(failure)) => {
                assert_eq!(failure.code, code);
                assert!(!failure.message.contains("stranger") && !failure.message.contains("nothing"), "{failure:?}");
            }
            other => panic!("{dsn}: {other:?}"),
        }
    }
    server.administrator().await.batch_execute("ALTER ROLE hostler CONNECTION LIMIT 0").await.expect("it is altered");
    assert!(matches!(open(server.resource()).await, Err(Error::Failed(failure)) if failure.code == "53300"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_servers_the_first_that_will_do_is_taken() {
    let server = Server::start();
    let directory = server.path().display();
    let two = |more: &str| format!("host=/nowhere,{directory} port={} dbname=shop user=hostler {more}", server.port);
    open(resource(&two(""))).await.expect("the second is there");
    open(resource(&two("target_session_attrs=read-write"))).await.expect("it takes writes");
    open(resource(&two("target_session_attrs=prefer-standby"))).await.expect("any will do then");
    let standby = open(resource(&two("target_session_attrs=standby"))).await.expect_err("none is a standby");
    assert!(words(&standby).contains("target_session_attrs"), "{standby:?}");
}
