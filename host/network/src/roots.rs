//! Who vouches for a server: the operator's certificates, or the machine's.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, RootCertStore,
    client::WebPkiServerVerifier,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject},
};

/// How long the machine's certificates are taken as read.
const FRESH: Duration = Duration::from_secs(600);

static MACHINE: Mutex<Option<(Instant, Arc<RootCertStore>)>> = Mutex::new(None);

/// The cryptography of every connection.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The certificates that vouch for an endpoint. Reads files.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn roots(file: Option<&Path>) -> Result<Arc<RootCertStore>, String> {
    let Some(file) = file else { return machine() };
    let mut store = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|_| "its root_certificates cannot be read")?;
    for certificate in certificates {
        let certificate = certificate.map_err(|_| "its root_certificates are no PEM file")?;
        store.add(certificate).map_err(|_| "its root_certificates hold something that is no certificate")?;
    }
    if store.is_empty() {
        return Err("its root_certificates hold no certificate".into());
    }
    Ok(Arc::new(store))
}

fn machine() -> Result<Arc<RootCertStore>, String> {
    let mut kept = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((read, store)) = &*kept
        && read.elapsed() < FRESH
    {
        return Ok(store.clone());
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() {
        return Err("this machine has no root certificates: install ca-certificates, or write root_certificates".into());
    }
    let store = Arc::new(store);
    *kept = Some((Instant::now(), store.clone()));
    Ok(store)
}

/// Verifies servers against the roots.
///
/// # Errors
/// Where the roots cannot be used.
pub(crate) fn verifier(roots: Arc<RootCertStore>) -> Result<Arc<WebPkiServerVerifier>, String> {
    WebPkiServerVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|_| "its roots cannot be used".into())
}

/// The configuration of a connection that only a verified server gets.
///
/// # Errors
/// Where the roots cannot be used.
pub(crate) fn strict(file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|_| "TLS cannot be set up")?;
    let mut configuration = builder.with_root_certificates(roots(file)?).with_no_client_auth();
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(configuration))
}
