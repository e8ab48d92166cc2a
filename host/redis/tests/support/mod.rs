//! Real servers and a run around them, for the tests of this crate.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use hostler_capability::{
    ApprovedPlan, AuditEntry, AuditLog, Binding, Decision, Error, Grant, HistoryPoint, HistoryReader, HistoryRun,
    HistorySeries, Limits, LockError, Locks, Mode, Resource, RunContext, RunInfo, RunParts, ScheduledRun, StateStore,
    Stop, StoreError, Target,
};
use hostler_configuration::RedisResource;
use hostler_redis::{RedisCapability, Session};
use hostler_world::redis::Node;

/// A redis-server of the test's own, ended with it.
pub struct Server {
    child: Child,
    pub directory: tempfile::TempDir,
    pub port: u16,
    tls: bool,
    options: Vec<String>,
}

impl Server {
    /// With `options` as on its command line.
    pub fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Self::start_in(directory, port, false, options)
    }

    /// With a certificate for `name`, of an authority of its own.
    pub fn start_tls(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        certificates(directory.path(), name);
        let file = |name: &str| directory.path().join(name).display().to_string();
        let options = vec![
            "--tls-cert-file".into(),
            file("server.crt"),
            "--tls-key-file".into(),
            file("server.key"),
            "--tls-ca-cert-file".into(),
            file("authority.crt"),
            "--tls-auth-clients".into(),
            "no".into(),
        ];
        Self::start_in(directory, free_port(), true, options)
    }

    fn start_in(directory: tempfile::TempDir, port: u16, tls: bool, options: Vec<String>) -> Self {
        let child = spawn(directory.path(), port, tls, &options);
        let mut server = Self { child, directory, port, tls, options };
        server.wait();
        server
    }

    fn wait(&mut self) {
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(self.child.try_wait().expect("its state").is_none(), "redis-server ended");
            assert!(Instant::now() < until, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Another process on the same port.
    pub fn restart(&mut self) {
        self.stop();
        self.child = spawn(self.directory.path(), self.port, self.tls, &self.options);
        self.wait();
    }

    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", if self.tls { "rediss" } else { "redis" }, self.port)
    }

    pub fn resource(&self) -> RedisResource {
        RedisResource { url: self.url(), ..RedisResource::default() }
    }

    /// With a user and a password in a file.
    pub fn resource_of(&self, user: &str, password: &str) -> RedisResource {
        let file = self.directory.path().join(format!("{user}.password"));
        write_secret(&file, password, 0o600);
        RedisResource { user: Some(user.into()), password_file: Some(file), ..self.resource() }
    }

    /// A client of the test's own.
    pub fn client(&self) -> Client {
        Client::new(self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(directory: &Path, port: u16, tls: bool, options: &[String]) -> Child {
    let ports = if tls { ["0".to_owned(), port.to_string()] } else { [port.to_string(), "0".to_owned()] };
    Command::new("redis-server")
        .args(["--port", &ports[0], "--tls-port", &ports[1], "--bind", "127.0.0.1", "--save", ""])
        .args(["--enable-debug-command", "yes", "--dir"])
        .arg(directory)
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a port").port()
}

pub fn write_secret(path: &Path, secret: &str, mode: u32) {
    std::fs::write(path, format!("{secret}\n")).expect("it is written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("its mode is set");
}

fn certificates(directory: &Path, name: &str) {
    let openssl = |arguments: &[&str]| {
        let status = Command::new("openssl").args(arguments).current_dir(directory).stderr(Stdio::null()).status();
        assert!(status.expect("openssl is installed").success(), "{arguments:?}");
    };
    let key = ["-newkey", "rsa:2048", "-nodes"];
    openssl(
        &[
            &[
                "req",
                "-x509",
                "-days",
                "2",
                "-subj",
                "/CN=authority",
                "-keyout",
                "authority.key",
                "-out",
                "authority.crt",
            ],
            &key[..],
        ]
        .concat(),
    );
    openssl(&[&["req", "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr"], &key[..]].concat());
    std::fs::write(directory.join("names"), format!("subjectAltName=IP:{name}\n")).expect("it is written");
    openssl(&[
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "authority.crt",
        "-CAkey",
        "authority.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "names",
        "-out",
        "server.crt",
    ]);
}

/// A small client by which a test sets servers up, independent of the one that it tests.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn new(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        Self { stream: BufReader::new(stream) }
    }

    /// A reply as one text; members of arrays end with a line feed.
    pub fn bytes(&mut self, command: &[&[u8]]) -> Vec<u8> {
        let mut out = format!("*{}\r\n", command.len()).into_bytes();
        for part in command {
            out.extend(format!("${}\r\n", part.len()).bytes());
            out.extend(*part);
            out.extend(b"\r\n");
        }
        self.stream.get_mut().write_all(&out).expect("it is sent");
        self.read()
    }

    pub fn ask(&mut self, command: &str) -> String {
        let parts: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        String::from_utf8_lossy(&self.bytes(&parts)).into_owned()
    }

    fn read(&mut self) -> Vec<u8> {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        let line = line.trim_end();
        let number = || line[1..].parse::<i64>().expect("a number");
        match line.as_bytes()[0] {
            b'$' if number() < 0 => b"nil".to_vec(),
            b'$' => {
                let mut text = vec![0; usize::try_from(number()).expect("a length") + 2];
                self.stream.read_exact(&mut text).expect("it is whole");
                text.truncate(text.len() - 2);
                text
            }
            b'*' => {
                let mut all = vec![];
                for _ in 0..number() {
                    all.extend(self.read());
                    all.push(b'\n');
                }
                all
            }
            b'-' => line.as_bytes().to_vec(),
            _ => line.as_bytes()[1..].to_vec(),
        }
    }
}

/// What was written into the audit: call, operation, decision, rule.
#[derive(Default)]
pub struct Audit(pub Mutex<Vec<(u64, String, Decision, String)>>);

impl AuditLog for Audit {
    fn append(&self, entry: &AuditEntry<'_>) -> std::io::Result<()> {
        let line = (entry.call, entry.operation.to_owned(), entry.decision, entry.rule.to_owned());
        self.0.lock().expect("nobody panicked").push(line);
        Ok(())
    }
}

struct Nothing;

#[async_trait]
impl StateStore for Nothing {
    async fn get(&self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }
    async fn set(&self, _: &str, _: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }
    async fn delete(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
    async fn size(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

impl Locks for Nothing {
    fn acquire(&self, _: &str) -> Result<Box<dyn Send + Sync>, LockError> {
        Ok(Box::new(()))
    }
    fn held(&self, _: &str) -> Result<bool, LockError> {
        Ok(false)
    }
}

#[async_trait]
impl HistoryReader for Nothing {
    async fn metrics(&self, _: &str, _: &str, _: u64, _: Option<u64>) -> Result<Vec<HistorySeries>, StoreError> {
        let _: Vec<HistoryPoint> = vec![];
        Ok(vec![])
    }
    async fn runs(&self, _: &str, _: u64) -> Result<Vec<HistoryRun>, StoreError> {
        Ok(vec![])
    }
    async fn schedule(&self, _: u64, _: u64) -> Result<Vec<ScheduledRun>, StoreError> {
        Ok(vec![])
    }
}

/// A run with an audit that can be looked at.
pub struct Run {
    pub context: Arc<RunContext>,
    pub audit: Arc<Audit>,
}

pub fn run_with(mode: Mode, limits: Limits, approved: Option<ApprovedPlan>) -> Run {
    let audit = Arc::new(Audit::default());
    let info = RunInfo {
        run_id: "run".into(),
        task: "task".into(),
        procedure: None,
        plugin: "plugin".into(),
        plugin_digest: "00".into(),
        mode,
        time_zone: "UTC".into(),
        planned_at: 0,
        started_at: 0,
        deadline: None,
    };
    let context = RunContext::new(RunParts {
        info,
        limits,
        stop: Stop::default(),
        audit: audit.clone(),
        state: Arc::new(Nothing),
        locks: Arc::new(Nothing),
        history: Arc::new(Nothing),
        settings: "{}".into(),
        progress: None,
        approved,
    });
    Run { context, audit }
}

pub fn run(mode: Mode) -> Run {
    run_with(mode, Limits::default(), None)
}

impl Run {
    /// The audit so far, a line a text.
    pub fn lines(&self) -> Vec<String> {
        let lines = self.audit.0.lock().expect("nobody panicked");
        lines.iter().map(|(_, operation, decision, rule)| format!("{operation} | {decision:?} | {rule}")).collect()
    }
}

/// One server bound to the request `cache`.
pub fn binding(resource: &RedisResource, words: &str) -> Binding {
    Binding {
        request: "cache".into(),
        many: false,
        targets: vec![Target { name: "cache".into(), resource: Resource::Redis(resource.clone()) }],
        grant: Grant::Redis(words.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()),
    }
}

pub async fn open_on(
    capability: &RedisCapability,
    run: &Run,
    resource: &RedisResource,
    words: &str,
) -> Result<Arc<Session>, Error> {
    let part = capability.run(&[binding(resource, words)], &run.context).expect("the binding is good");
    part.open("cache".into(), None).await.map(Arc::new)
}

/// A server opened in a run of its own.
pub async fn open(resource: &RedisResource, words: &str) -> Arc<Session> {
    let opened = open_on(&RedisCapability::default(), &run(Mode::Apply), resource, words).await;
    opened.unwrap_or_else(|error| panic!("it opens: {error:?}"))
}

/// Why a server does not open.
pub async fn open_error(resource: &RedisResource) -> Error {
    match open_on(&RedisCapability::default(), &run(Mode::Apply), resource, "+ping").await {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

pub fn command(text: &str) -> Vec<Vec<u8>> {
    text.split(' ').map(|part| part.as_bytes().to_vec()).collect()
}

pub fn text(node: &Node) -> String {
    match node {
        Node::Text(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}

/// Forwards to a server, and cuts what comes back after so many bytes, where it is told to.
pub struct Proxy {
    pub port: u16,
    pub left: Arc<Mutex<Option<usize>>>,
}

impl Proxy {
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let left = Arc::new(Mutex::new(None));
        let budget = left.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
                let (mut from_client, mut to_server) =
                    (client.try_clone().expect("a handle"), server.try_clone().expect("a handle"));
                std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
                let budget = budget.clone();
                std::thread::spawn(move || forward(server, client, &budget));
            }
        });
        Self { port: own, left }
    }
}

fn forward(mut server: TcpStream, mut client: TcpStream, budget: &Mutex<Option<usize>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        let mut left = budget.lock().expect("nobody panicked");
        let sent = left.map_or(count, |left| left.min(count));
        if client.write_all(&buffer[..sent]).is_err() {
            return;
        }
        if let Some(left) = left.as_mut() {
            *left -= sent;
            if *left == 0 {
                let _ = client.shutdown(std::net::Shutdown::Both);
                return;
            }
        }
    }
}

pub fn path(server: &Server, name: &str) -> PathBuf {
    server.directory.path().join(name)
}
