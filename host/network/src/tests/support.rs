//! A run with endpoints bound to it, and servers for them.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use hostler_capability::{
    AuditEntry, AuditLog, Binding, Error, Grant, HistoryReader, HistoryRun, HistorySeries, Limits, LockError, Locks,
    Mode, Resource, RunContext, RunInfo, RunParts, ScheduledRun, StateStore, Stop, StoreError, Target,
};
use hostler_configuration::EndpointResource;
use hostler_world::network::HttpRequest;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{client::Client, roots};

/// Keeps the lines of a run's record.
#[derive(Default)]
pub(super) struct Lines(Mutex<Vec<String>>);

impl AuditLog for Lines {
    fn append(&self, entry: &AuditEntry<'_>) -> std::io::Result<()> {
        let line = format!("{:?} {} | {} | {}", entry.decision, entry.request, entry.operation, entry.rule);
        self.0.lock().expect("nobody panicked").push(line);
        Ok(())
    }
}

/// The stores of a run that keeps nothing.
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
        Ok(vec![])
    }
    async fn runs(&self, _: &str, _: u64) -> Result<Vec<HistoryRun>, StoreError> {
        Ok(vec![])
    }
    async fn schedule(&self, _: u64, _: u64) -> Result<Vec<ScheduledRun>, StoreError> {
        Ok(vec![])
    }
}

/// A run.
pub(super) struct Run {
    pub(super) client: Client,
    pub(super) context: Arc<RunContext>,
    lines: Arc<Lines>,
}

impl Run {
    pub(super) fn lines(&self) -> String {
        self.lines.0.lock().expect("nobody panicked").join("\n")
    }
}

/// A run with one endpoint, `shop`.
pub(super) fn run(mode: Mode, resource: EndpointResource, methods: &[&str]) -> Run {
    many(mode, vec![("shop", resource)], false, methods)
}

pub(super) fn many(mode: Mode, resources: Vec<(&str, EndpointResource)>, many: bool, methods: &[&str]) -> Run {
    let lines = Arc::new(Lines::default());
    let context = RunContext::new(RunParts {
        info: RunInfo {
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
        },
        limits: Limits { bytes: 64 << 20, ..Limits::default() },
        stop: Stop::default(),
        audit: lines.clone(),
        state: Arc::new(Nothing),
        locks: Arc::new(Nothing),
        history: Arc::new(Nothing),
        settings: "{}".into(),
        progress: None,
        approved: None,
    });
    let target = |(name, resource): (&str, EndpointResource)| Target {
        name: name.into(),
        resource: Resource::Endpoint(resource),
    };
    let targets = resources.into_iter().map(target).collect();
    let grant = Grant::Endpoint(methods.iter().map(|method| (*method).into()).collect());
    let binding = Binding { request: "shop".into(), many, targets, grant };
    Run { client: Client::new(&[binding], &context).expect("it is right"), context, lines }
}

pub(super) fn endpoint(url: String) -> EndpointResource {
    EndpointResource { url, ..EndpointResource::default() }
}

pub(super) fn get(path: &str) -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        target: None,
        path: path.into(),
        headers: vec![],
        body: vec![],
        timeout_ms: Some(10_000),
    }
}

pub(super) async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

pub(super) fn unavailable<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Unavailable(words)) => words,
        Err(Error::Failed(failure)) => failure.message,
        other => panic!("{other:?}"),
    }
}

/// An authority of a test's own.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).expect("no name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Tests");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("roots.pem"), issuer.pem()).expect("a file");
        Self { issuer, directory }
    }

    /// The file that vouches for its servers.
    pub(super) fn file(&self) -> PathBuf {
        self.directory.path().join("roots.pem")
    }

    /// A certificate for these names, and what the case wants of it.
    pub(super) fn certificate(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> (CertificateDer<'static>, KeyPair) {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).expect("names");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.der().clone(), key)
    }

    pub(super) fn acceptor(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> TlsAcceptor {
        let (certificate, key) = self.certificate(names, change);
        acceptor(vec![certificate, self.issuer.der().clone()], &key)
    }
}

pub(super) fn acceptor(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let configuration = ServerConfig::builder_with_provider(roots::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate with its key");
    TlsAcceptor::from(Arc::new(configuration))
}

/// Shakes hands with all who come, and says nothing.
pub(super) async fn tls_server(acceptor: TlsAcceptor) -> u16 {
    let (listener, port) = listener().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 16]).await;
                }
            });
        }
    });
    port
}
