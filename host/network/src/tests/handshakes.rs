use std::{
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    process::{Child, Command, Stdio},
};

use hostler_capability::{Error, Mode};
use hostler_configuration::EndpointResource;
use hostler_world::network::{Handshake, Starttls};
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::support::{Authority, Run, acceptor, endpoint, get, listener, run, tls_server, unavailable};
use crate::examine;

fn looking(authority: &Authority, port: u16, host: &str) -> Run {
    let root_certificates = Some(authority.file());
    run(Mode::Check, EndpointResource { root_certificates, ..endpoint(format!("tls://{host}:{port}")) }, &[])
}

async fn look(run: &Run, name: Option<&str>) -> Handshake {
    run.client.tls_handshake("shop", None, name.map(str::to_owned), Starttls::None).await.expect("a handshake")
}

#[tokio::test]
async fn a_good_certificate_is_shown_and_verified() {
    let authority = Authority::new();
    let port = tls_server(authority.acceptor(&["localhost", "127.0.0.1"], |_| {})).await;
    for host in ["localhost", "127.0.0.1"] {
        let shown = look(&looking(&authority, port, host), None).await;
        assert_eq!(shown.verified, Ok(()), "{host}");
        assert_eq!((shown.chain.len(), shown.protocol.as_str()), (2, "TLSv1.3"));
        assert!(
            shown.cipher_suite.starts_with("TLS_AES_") || shown.cipher_suite.starts_with("TLS_CHACHA20_"),
            "{}",
            shown.cipher_suite
        );
        assert!(shown.chain.iter().all(|certificate| certificate[0] == 0x30), "DER");
    }
}

#[tokio::test]
async fn a_bad_certificate_is_shown_with_what_is_wrong_with_it() {
    let authority = Authority::new();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let key = KeyPair::generate().expect("a key");
    let own = own.self_signed(&key).expect("a certificate");
    let cases = [
        (
            authority.acceptor(&["localhost"], |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1)),
            "the certificate has expired",
        ),
        (
            authority.acceptor(&["localhost"], |params| params.not_before = rcgen::date_time_ymd(4000, 1, 1)),
            "the certificate is not valid yet",
        ),
        (authority.acceptor(&["shop.example"], |_| {}), "the certificate is for another name"),
        (acceptor(vec![own.der().clone()], &key), "the issuer is not trusted"),
    ];
    for (acceptor, problem) in cases {
        let port = tls_server(acceptor).await;
        let open = looking(&authority, port, "localhost");
        let shown = look(&open, None).await;
        assert_eq!(shown.verified, Err(problem.to_owned()));
        assert!(!shown.chain.is_empty());
        // What may be looked at is not spoken to.
        let root_certificates = Some(authority.file());
        let resource = EndpointResource { root_certificates, ..endpoint(format!("https://localhost:{port}")) };
        let words = unavailable(run(Mode::Check, resource.clone(), &[]).client.http("shop", get("/")).await.map(drop));
        assert_eq!(words, format!("endpoint.shop: {problem}"));
        assert_eq!(examine("shop", &resource).await.problem.as_deref(), Some(problem));
    }
}

#[tokio::test]
async fn another_server_name_is_the_plugins_to_ask_for() {
    let authority = Authority::new();
    let port = tls_server(authority.acceptor(&["shop.example"], |_| {})).await;
    let open = looking(&authority, port, "localhost");
    assert_eq!(look(&open, Some("shop.example")).await.verified, Ok(()));
    assert_eq!(look(&open, Some("other.example")).await.verified, Err("the certificate is for another name".into()));
    let wrong = open.client.tls_handshake("shop", None, Some("not a name".into()), Starttls::None).await;
    assert!(matches!(wrong, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_said_so() {
    let (listening, port) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listening.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let authority = Authority::new();
    let open = looking(&authority, port, "127.0.0.1");
    let result = open.client.tls_handshake("shop", None, None, Starttls::None).await;
    assert_eq!(unavailable(result), "endpoint.shop: the server does not speak TLS");
}

/// A mail server up to the point where TLS begins.
async fn mail_server(
    acceptor: Option<tokio_rustls::TlsAcceptor>,
    greeting: &'static [&'static str],
    answer: fn(&str) -> &'static str,
) -> u16 {
    let (listening, port) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listening.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                for line in greeting {
                    stream.write_all(line.as_bytes()).await.expect("it is read");
                }
                let mut stream = BufReader::new(stream);
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                        return;
                    }
                    stream.get_mut().write_all(answer(line.trim_end()).as_bytes()).await.expect("it is read");
                    if line.contains("STARTTLS") {
                        if let Some(acceptor) = acceptor {
                            let _ = acceptor.accept(stream.into_inner()).await;
                        }
                        return;
                    }
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn mail_servers_go_over_to_tls() {
    let authority = Authority::new();
    let acceptor = || Some(authority.acceptor(&["localhost"], |_| {}));
    let smtp = mail_server(acceptor(), &["220-mail\r\n", "220 ready\r\n"], |line| match line {
        "STARTTLS" => "220 go\r\n",
        _ => "250-mail\r\n250-PIPELINING\r\n250 STARTTLS\r\n",
    });
    let imap = mail_server(acceptor(), &["* OK ready\r\n"], |_| "* note\r\na1 OK go\r\n");
    for (port, starttls) in [(smtp.await, Starttls::Smtp), (imap.await, Starttls::Imap)] {
        let open = looking(&authority, port, "localhost");
        let shown = open.client.tls_handshake("shop", None, None, starttls).await.expect("a handshake");
        assert_eq!(shown.verified, Ok(()), "{starttls:?}");
    }
}

#[tokio::test]
async fn mail_servers_without_tls_or_with_words_before_it_are_not_shaken_hands_with() {
    let authority = Authority::new();
    let without = mail_server(None, &["220 ready\r\n"], |_| "250 PIPELINING\r\n").await;
    let smuggling =
        mail_server(authority.acceptor(&["localhost"], |_| {}).into(), &["220 ready\r\n"], |line| match line {
            "STARTTLS" => "220 go\r\n250 smuggled\r\n",
            _ => "250 STARTTLS\r\n",
        })
        .await;
    let refusing = mail_server(None, &["* OK ready\r\n"], |_| "a1 BAD no\r\n").await;
    for (port, starttls, words) in [
        (without, Starttls::Smtp, "the server offers no TLS"),
        (smuggling, Starttls::Smtp, "the server said more before TLS began"),
        (refusing, Starttls::Imap, "the server offers no TLS"),
        (refusing, Starttls::Smtp, "the server does not speak SMTP"),
    ] {
        let open = looking(&authority, port, "localhost");
        let result = open.client.tls_handshake("shop", None, None, starttls).await;
        assert_eq!(unavailable(result), format!("endpoint.shop: {words}"));
    }
}

/// PostgreSQL with TLS or without, on a port of its own.
struct Postgres(Child, #[allow(dead_code, reason = "removed with the server")] tempfile::TempDir);

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

async fn postgres(authority: &Authority, tls: bool) -> (Postgres, u16) {
    let bin = "/usr/lib/postgresql/15/bin";
    let directory = tempfile::Builder::new().prefix("hostler-postgres-").tempdir().expect("a directory");
    let (certificate, key) = authority.certificate(&["localhost"], |_| {});
    let pem = |kind: &str, der: &[u8]| {
        let made = Command::new("openssl")
            .args([kind, "-inform", "DER", "-outform", "PEM"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut made = made.expect("openssl");
        std::io::Write::write_all(&mut made.stdin.take().expect("a pipe"), der).expect("it is read");
        made.wait_with_output().expect("it ends").stdout
    };
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its owner's");
        path
    };
    let certificate = write("server.crt", &pem("x509", &certificate));
    let key = write("server.key", key.serialize_pem().as_bytes());
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let run = |program: &str| {
        if !root {
            return Command::new(format!("{bin}/{program}"));
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(format!("{bin}/{program}"));
        command
    };
    if root {
        let id = String::from_utf8(Command::new("id").args(["-u", "postgres"]).output().expect("id").stdout)
            .expect("a number");
        let id: u32 = id.trim().parse().expect("a number");
        for path in [directory.path(), certificate.as_path(), key.as_path()] {
            chown(path, Some(id), None).expect("root may");
        }
    }
    let data = directory.path().join("data");
    let made = run("initdb")
        .args(["-A", "trust", "--no-sync", "-D"])
        .arg(&data)
        .stdout(Stdio::null())
        .status()
        .expect("initdb");
    assert!(made.success());
    let port = listener().await.1;
    let path = |name: &str, path: &Path| format!("{name}={}", path.display());
    let child = run("postgres")
        .arg("-D")
        .arg(&data)
        .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F", "-k"])
        .arg(directory.path())
        .args([
            "-c",
            if tls { "ssl=on" } else { "ssl=off" },
            "-c",
            &path("ssl_cert_file", &certificate),
            "-c",
            &path("ssl_key_file", &key),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("postgres");
    let server = Postgres(child, directory);
    for _ in 0..400 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return (server, port);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the server never listened");
}

#[tokio::test]
async fn postgresql_goes_over_to_tls_and_says_where_it_cannot() {
    let authority = Authority::new();
    let (_server, port) = postgres(&authority, true).await;
    let open = looking(&authority, port, "localhost");
    let shown = open.client.tls_handshake("shop", None, None, Starttls::Postgres).await.expect("a handshake");
    assert_eq!(shown.verified, Ok(()));
    assert_eq!(shown.protocol, "TLSv1.3");
    let (_server, port) = postgres(&authority, false).await;
    let open = looking(&authority, port, "localhost");
    let result = open.client.tls_handshake("shop", None, None, Starttls::Postgres).await;
    assert_eq!(unavailable(result), "endpoint.shop: the server offers no TLS");
}
