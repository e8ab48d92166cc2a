use std::{
    os::unix::fs::PermissionsExt,
    pin::Pin,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use hostler_capability::{Error, Mode};
use hostler_configuration::EndpointResource;
use hostler_world::network::HttpRequest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wasmtime::{
    Engine, Store, StoreContextMut,
    component::{Source, StreamConsumer, StreamReader, StreamResult},
};

use super::support::{Authority, Run, endpoint, get, listener, run, unavailable};
use crate::client::Answered;

/// Takes all that a body has.
struct Collector(Arc<Mutex<Vec<u8>>>);

impl<D> StreamConsumer<D> for Collector {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<D>,
        source: Source<'_, u8>,
        _: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        self.0.lock().expect("nobody panicked").extend_from_slice(source.remaining());
        let count = source.remaining().len();
        source.mark_read(count);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// Reads a body as a store hands it to a plugin.
async fn read(answered: Answered) -> (Vec<u8>, Result<(), Error>) {
    let mut configuration = wasmtime::Config::new();
    configuration.wasm_component_model_async(true);
    let mut store = Store::new(&Engine::new(&configuration).expect("an engine"), ());
    let taken = Arc::new(Mutex::new(Vec::new()));
    let collector = Collector(taken.clone());
    let Answered { body, completed, .. } = answered;
    let ended = store
        .run_concurrent(async |accessor| {
            accessor.with(|mut access| StreamReader::new(&mut access, body)?.pipe(&mut access, collector))?;
            completed.await
        })
        .await
        .expect("the store runs")
        .expect("it ends");
    // The last chunk is handed over after the sender is gone.
    store
        .run_concurrent(async |_| tokio::time::sleep(std::time::Duration::from_millis(50)).await)
        .await
        .expect("the store runs");
    let taken = taken.lock().expect("nobody panicked").clone();
    (taken, ended)
}

/// Answers each connection with the same bytes, and keeps what was asked.
async fn server(answer: &'static [u8]) -> (u16, Arc<Mutex<Vec<String>>>) {
    let (listening, port) = listener().await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listening.accept().await {
            let request = request(&mut stream).await;
            kept.lock().expect("nobody panicked").push(request);
            let _ = stream.write_all(answer).await;
        }
    });
    (port, asked)
}

async fn request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).await.unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&chunk[..count]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
        if count == 0 || length.is_none_or(|length| body.len() >= length.parse().expect("a number")) {
            return text;
        }
    }
}

fn at(mode: Mode, port: u16, methods: &[&str]) -> Run {
    run(mode, endpoint(format!("http://127.0.0.1:{port}/health")), methods)
}

async fn answered(run: &Run, call: HttpRequest) -> Answered {
    match run.client.http("shop", call).await {
        Ok(Some(answered)) => answered,
        Ok(None) => panic!("it was planned"),
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_get_is_sent_below_the_prefix_and_its_answer_read() {
    let (port, asked) = server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello").await;
    let open = at(Mode::Check, port, &[]);
    let mut call = get("/live?full=1");
    call.headers = vec![("Accept".into(), b"text/plain".to_vec())];
    let answer = answered(&open, call).await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers.contains(&("x-a".into(), b"b".to_vec())));
    let (body, ended) = read(answer).await;
    assert_eq!((body.as_slice(), ended.is_ok()), (b"hello".as_slice(), true));
    let asked = asked.lock().expect("nobody panicked")[0].clone();
    assert!(asked.starts_with("GET /health/live?full=1 HTTP/1.1\r\n"), "{asked}");
    assert!(
        asked.contains(&format!("host: 127.0.0.1:{port}\r\n")) && asked.contains("accept: text/plain\r\n"),
        "{asked}"
    );
    assert!(asked.contains("user-agent: hostler/"), "{asked}");
    assert!(open.lines().contains("Done shop | http GET"), "{}", open.lines());
    assert_eq!(open.context.usage.read().1, 5);
}

#[tokio::test]
async fn chunks_head_and_a_body_that_breaks_off_are_told_apart() {
    let (port, _) =
        server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n").await;
    let (body, ended) = read(answered(&at(Mode::Check, port, &[]), get("")).await).await;
    assert_eq!((body.as_slice(), ended.is_ok()), (b"abcdefg".as_slice(), true));

    let (port, _) = server(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n").await;
    let mut call = get("");
    call.method = "HEAD".into();
    let (body, ended) = read(answered(&at(Mode::Check, port, &[]), call).await).await;
    assert!(body.is_empty() && ended.is_ok());

    let (port, _) = server(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    let open = at(Mode::Check, port, &[]);
    let (body, ended) = read(answered(&open, get("")).await).await;
    assert_eq!(body, b"half");
    assert!(
        matches!(&ended, Err(Error::Unavailable(words)) if words == "endpoint.shop: the answer broke off"),
        "{ended:?}"
    );
    assert!(open.context.troubles_and_notes().0.is_empty(), "it was read");

    // One that nobody asks about makes the verdict unknown.
    let answer = answered(&open, get("")).await;
    drop(answer.completed);
    drop(answer.body);
    let answer = answered(&open, get("")).await;
    drop(answer.completed);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(
        open.context.troubles_and_notes().0.iter().any(|trouble| trouble.contains("http GET of endpoint.shop failed"))
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_does_not_tell_the_address() {
    let (target, _) = server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let (listening, port) = listener().await;
    tokio::spawn(async move {
        for location in [
            format!("http://127.0.0.1:{port}/health/in?x"),
            format!("http://127.0.0.1:{target}/"),
            format!("http://127.0.0.1:{port}"),
        ] {
            let (mut stream, _) = listening.accept().await.expect("it comes");
            request(&mut stream).await;
            let answer = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.expect("it is read");
        }
    });
    let open = at(Mode::Check, port, &[]);
    for location in ["/health/in?x".to_owned(), format!("http://127.0.0.1:{target}/"), "/".to_owned()] {
        let answer = answered(&open, get("")).await;
        assert_eq!(answer.status, 302);
        assert!(
            answer.headers.contains(&("location".into(), location.clone().into_bytes())),
            "{location} {:?}",
            answer.headers
        );
    }
}

#[tokio::test]
async fn a_change_is_planned_in_check_mode_and_needs_its_method_granted() {
    let (port, asked) = server(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let post = || HttpRequest { method: "POST".into(), body: b"{\"a\":1}".to_vec(), ..get("/jobs?token=secret") };
    let check = at(Mode::Check, port, &["GET", "POST"]);
    assert!(check.client.http("shop", post()).await.is_ok_and(|answer| answer.is_none()));
    assert!(asked.lock().expect("nobody panicked").is_empty());
    let plan = check.context.plan();
    let effect = &plan.effects().next().expect("one").effect;
    assert_eq!((effect.operation.as_str(), effect.object.as_str()), ("http POST", "endpoint.shop/jobs"));

    let Err(Error::Denied(denial)) = at(Mode::Apply, port, &["GET"]).client.http("shop", post()).await.map(drop) else {
        panic!("it is not granted")
    };
    assert!(denial.rule.contains("methods = [\"POST\"]"));
    assert!(asked.lock().expect("nobody panicked").is_empty());

    let apply = at(Mode::Apply, port, &["POST"]);
    assert_eq!(answered(&apply, post()).await.status, 204);
    let asked = asked.lock().expect("nobody panicked")[0].clone();
    assert!(asked.starts_with("POST /health/jobs?token=secret ") && asked.ends_with("\r\n\r\n{\"a\":1}"), "{asked}");
    assert_eq!(apply.context.plan().effects().next().expect("one").outcome, "applied");
    assert!(!apply.lines().contains("secret"), "parameters stay out of the record");
}

#[tokio::test]
async fn an_answer_that_refuses_a_change_is_not_called_applied() {
    let (port, _) = server(b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n").await;
    let apply = at(Mode::Apply, port, &["DELETE"]);
    assert_eq!(answered(&apply, HttpRequest { method: "DELETE".into(), ..get("/x") }).await.status, 409);
    assert!(apply.context.plan().effects().next().expect("one").outcome.starts_with("failed"));
}

#[tokio::test]
async fn what_the_policy_refuses_is_never_sent() {
    let (port, asked) = server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let open = at(Mode::Apply, port, &[]);
    for path in ["/../admin", "/%2e%2e/admin", "//admin", "/a b"] {
        assert!(matches!(open.client.http("shop", get(path)).await, Err(Error::Denied(_))), "{path}");
    }
    for (name, value) in [("Host", "other"), ("Transfer-Encoding", "chunked"), ("X-HTTP-Method-Override", "DELETE")] {
        let call = HttpRequest { headers: vec![(name.into(), value.into())], ..get("/") };
        assert!(matches!(open.client.http("shop", call).await, Err(Error::Denied(_))), "{name}");
    }
    let call = HttpRequest { headers: vec![("X".into(), b"a\r\nHost: b".to_vec())], ..get("/") };
    assert!(matches!(open.client.http("shop", call).await, Err(Error::Invalid(_))));
    let call = HttpRequest { body: b"x".to_vec(), ..get("/") };
    assert!(matches!(open.client.http("shop", call).await, Err(Error::Invalid(_))));
    let tcp = run(Mode::Check, endpoint(format!("tcp://127.0.0.1:{port}")), &[]);
    assert!(matches!(tcp.client.http("shop", get("/")).await, Err(Error::Invalid(_))));
    assert!(asked.lock().expect("nobody panicked").is_empty());
}

#[tokio::test]
async fn the_hosts_header_is_added_and_its_file_is_looked_at() {
    let (port, asked) = server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("header");
    std::fs::write(&file, "Authorization: Bearer hush\n").expect("a file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its owner's");
    let resource = EndpointResource { header_file: Some(file.clone()), ..endpoint(format!("http://127.0.0.1:{port}")) };
    let open = run(Mode::Check, resource, &[]);
    answered(&open, get("/")).await;
    assert!(asked.lock().expect("nobody panicked")[0].contains("authorization: Bearer hush\r\n"));
    let call = HttpRequest { headers: vec![("authorization".into(), b"mine".to_vec())], ..get("/") };
    assert!(matches!(open.client.http("shop", call).await, Err(Error::Denied(_))));
    assert!(!open.lines().contains("hush"));
    assert!(open.context.troubles_and_notes().1[0].contains("in clear text"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("ours");
    let words = unavailable(open.client.http("shop", get("/")).await.map(drop));
    assert!(words.contains("chmod 600") && !words.contains("hush") && !words.contains("/header"), "{words}");
}

#[tokio::test]
async fn a_body_beyond_the_runs_limit_ends_it() {
    let (listening, port) = listener().await;
    tokio::spawn(async move {
        let (mut stream, _) = listening.accept().await.expect("it comes");
        request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        let chunk = vec![0; 1 << 20];
        while stream.write_all(&chunk).await.is_ok() {}
    });
    let open = at(Mode::Check, port, &[]);
    let (body, ended) = read(answered(&open, get("")).await).await;
    assert!(matches!(&ended, Err(Error::Limit(limit)) if limit == "bytes"), "{ended:?}");
    assert!(body.len() <= 64 << 20);
}

/// nginx with TLS, on a port of its own.
struct Nginx(Child, #[allow(dead_code, reason = "removed with the server")] tempfile::TempDir);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn nginx_answers_over_verified_tls() {
    let authority = Authority::new();
    let directory = tempfile::Builder::new().prefix("hostler-nginx-").tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let (certificate, key) = authority.certificate(&["localhost"], |_| {});
    std::fs::write(at("server.der"), &certificate).expect("a file");
    std::fs::write(at("server.key"), key.serialize_pem()).expect("a file");
    let made = Command::new("openssl")
        .args(["x509", "-inform", "DER", "-in"])
        .arg(at("server.der"))
        .arg("-out")
        .arg(at("server.crt"))
        .status();
    assert!(made.expect("openssl").success());
    std::fs::create_dir(at("www")).expect("a directory");
    std::fs::write(at("www/page"), vec![b'x'; 3_000_000]).expect("a file");
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    let port = listener().await.1;
    let root = directory.path().display();
    let configuration = format!(
        "daemon off; pid {root}/pid; error_log {root}/error; events {{}} http {{ access_log off; client_body_temp_path {root}/b; \
         proxy_temp_path {root}/p; fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s; \
         server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {root}/server.crt; ssl_certificate_key {root}/server.key; root {root}/www; }} }}"
    );
    std::fs::write(at("nginx.conf"), configuration).expect("a file");
    let child = Command::new("nginx")
        .arg("-c")
        .arg(at("nginx.conf"))
        .arg("-p")
        .arg(directory.path())
        .stderr(Stdio::null())
        .spawn()
        .expect("nginx");
    let _server = Nginx(child, directory);
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let root_certificates = Some(authority.file());
    let open =
        run(Mode::Check, EndpointResource { root_certificates, ..endpoint(format!("https://localhost:{port}")) }, &[]);
    let answer = answered(&open, get("/page")).await;
    assert_eq!(answer.status, 200);
    let (body, ended) = read(answer).await;
    assert_eq!((body.len(), ended.is_ok()), (3_000_000, true));
    assert_eq!(answered(&open, get("/missing")).await.status, 404);
}
