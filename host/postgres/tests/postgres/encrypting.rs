//! TLS, in each mode, with certificates that are right, wrong and their own.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use hostler_capability::{Error, Mode};
use hostler_policy::sql::PostgresGrant;

use crate::{
    context::{Fixture, ask, capability},
    server::{PASSWORD, Server, give, resource},
};

fn openssl(directory: &Path, arguments: &str) {
    let status = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(directory)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .expect("the tests need openssl");
    assert!(status.success(), "openssl {arguments}");
}

struct Certificates(tempfile::TempDir);

impl Certificates {
    /// Two authorities, a server's certificate for localhost by the first, a client's too, and one of its own.
    fn make() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        for name in ["authority", "stranger"] {
            openssl(path, &format!("req -x509 {key} -days 2 -subj /CN={name} -keyout {name}.key -out {name}.crt"));
        }
        for (name, subject, more) in [
            ("server", "/CN=server", "subjectAltName=DNS:localhost"),
            ("client", "/CN=hostler", "keyUsage=digitalSignature"),
        ] {
            openssl(path, &format!("req -new {key} -subj {subject} -keyout {name}.key -out {name}.csr"));
            fs::write(path.join("extensions"), more).expect("it is written");
            openssl(
                path,
                &format!(
                    "x509 -req -in {name}.csr -CA authority.crt -CAkey authority.key -days 2 -extfile extensions -out {name}.crt"
                ),
            );
        }
        openssl(
            path,
            &format!(
                "req -x509 {key} -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout own.key -out own.crt"
            ),
        );
        Self(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A server with one of them.
    fn server(&self, name: &str) -> Server {
        Server::with("ssl = on\nssl_cert_file = 'tls.crt'\nssl_key_file = 'tls.key'\nssl_ca_file = 'ca.crt'", |data| {
            for (from, to) in [
                (format!("{name}.crt"), "tls.crt"),
                (format!("{name}.key"), "tls.key"),
                ("authority.crt".into(), "ca.crt"),
            ] {
                let to = data.join(to);
                fs::copy(self.path(&from), &to).expect("it is copied");
                fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).expect("its mode");
                give(&to);
            }
        })
    }
}

/// Whether the session is encrypted, or why there is none.
async fn encrypted(server: &Server, host: &str, more: &str) -> Result<bool, Error> {
    let dsn = format!(
        "host={host} hostaddr=127.0.0.1 port={} dbname=shop user=hostler password='{PASSWORD}' {more}",
        server.port
    );
    let grant = PostgresGrant { read: vec!["pg_catalog.pg_stat_ssl".into()], ..PostgresGrant::default() };
    let run = Fixture::new(&capability(), resource(&dsn), grant, Mode::Check);
    let database = run.try_open().await?;
    let answer = ask(&database, "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()").await?;
    Ok(answer == ["true"])
}

fn problem(answer: Result<bool, Error>) -> String {
    let text = match answer {
        Err(Error::Unavailable(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(!text.contains("127.0.0.1") && !text.contains("wrong.example") && !text.contains("localhost"), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_checks_what_it_says() {
    let certificates = Certificates::make();
    let server = certificates.server("server");
    let authority = format!("sslrootcert={}", certificates.shown("authority.crt"));
    let stranger = format!("sslrootcert={}", certificates.shown("stranger.crt"));

    assert_same!(encrypted(&server, "localhost", "sslmode=disable").await, Ok(false));
    assert_same!(encrypted(&server, "localhost", "").await, Ok(true), "what is there is used");
    assert_same!(encrypted(&server, "wrong.example", "sslmode=require").await, Ok(true), "whoever it is");
    assert_same!(encrypted(&server, "wrong.example", &format!("sslmode=verify-ca {authority}")).await, Ok(true));
    assert_same!(encrypted(&server, "localhost", &format!("sslmode=verify-full {authority}")).await, Ok(true));
    let tls13 = format!("sslmode=verify-full ssl_min_protocol_version=TLSv1.3 {authority}");
    assert_same!(encrypted(&server, "localhost", &tls13).await, Ok(true));

    let wrong_name = encrypted(&server, "wrong.example", &format!("sslmode=verify-full {authority}")).await;
    assert!(problem(wrong_name).contains("does not name the host"));
    for mode in ["require", "verify-ca", "verify-full"] {
        let wrong_root = encrypted(&server, "localhost", &format!("sslmode={mode} {stranger}")).await;
        assert!(problem(wrong_root).contains("none of the certificates in sslrootcert"), "{mode}");
    }
    let no_root = encrypted(&server, "localhost", "sslmode=verify-full").await;
    assert!(problem(no_root).contains("sslrootcert=FILE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_its_own_is_its_own_root() {
    let certificates = Certificates::make();
    let server = certificates.server("own");
    let own = format!("sslmode=verify-full sslrootcert={}", certificates.shown("own.crt"));
    assert_same!(encrypted(&server, "localhost", &own).await, Ok(true));
    assert!(problem(encrypted(&server, "wrong.example", &own).await).contains("does not name the host"));
    let other = format!("sslmode=verify-ca sslrootcert={}", certificates.shown("authority.crt"));
    problem(encrypted(&server, "localhost", &other).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_good_enough_only_where_that_is_said() {
    let server = Server::start();
    assert_same!(encrypted(&server, "localhost", "sslmode=prefer").await, Ok(false));
    assert!(problem(encrypted(&server, "localhost", "sslmode=require").await).contains("has no TLS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_shows_its_certificate() {
    let certificates = Certificates::make();
    let server = certificates.server("server");
    let hba = "local all all trust\nhostssl all hostler 127.0.0.1/32 cert\n";
    fs::write(server.data().join("pg_hba.conf"), hba).expect("it is written");
    server.administrator().await.execute("SELECT pg_reload_conf()", &[]).await.expect("it reloads");
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let (certificate, key) = (certificates.shown("client.crt"), certificates.shown("client.key"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("its mode");
    let shown = format!("sslmode=require sslcert={certificate} sslkey={key}");
    assert_same!(encrypted(&server, "localhost", &shown).await, Ok(true));
    assert!(encrypted(&server, "localhost", "sslmode=require").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_goes_the_same_way() {
    let certificates = Certificates::make();
    let server = certificates.server("server");
    let administrator = server.administrator().await;
    let dsn = format!(
        "host=localhost hostaddr=127.0.0.1 port={} dbname=shop user=hostler password='{PASSWORD}' sslmode=verify-full sslrootcert={}",
        server.port,
        certificates.shown("authority.crt")
    );
    let capability = capability();
    let grant = PostgresGrant { functions: vec!["public.pause".into()], ..PostgresGrant::default() };
    let run = Fixture::new(&capability, resource(&dsn), grant, Mode::Check);
    let database = run.open().await;
    let call = ask(&database, "SELECT public.pause(60)");
    assert!(tokio::time::timeout(std::time::Duration::from_millis(400), call).await.is_err());
    capability.settle(std::time::Duration::from_secs(5)).await;
    assert_eq!(crate::server::at_work(&administrator).await, 0);
}
