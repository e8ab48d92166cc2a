//! TLS by rustls: always with a certificate that the roots vouch for and that names the host.

use std::{io, path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, Error, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

/// What a connection needs. Reading the machine's own roots takes milliseconds, so it is done once a resource.
pub(crate) fn config(roots: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let certificates = match roots {
        Some(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|_| format!("its root_certificates {} cannot be read as PEM", path.display()))?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates);
    if store.is_empty() {
        return Err(match roots {
            Some(path) => format!("its root_certificates {} hold no certificate", path.display()),
            None => "the machine has no root certificates; name some with root_certificates = \"/PATH\"".into(),
        });
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// What went wrong, in words that hold no address: rustls would name the host and those of the certificate.
pub(crate) fn words(error: &io::Error) -> Option<&'static str> {
    let inner = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match inner {
        Error::InvalidCertificate(problem) => match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet"
            }
            CertificateError::UnknownIssuer => {
                "its certificate is of an issuer whom nobody vouches for; name the issuer with root_certificates"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name than the one in url"
            }
            CertificateError::Revoked => "its certificate is revoked",
            _ => "its certificate is not good",
        },
        Error::InvalidMessage(_) => "it does not speak TLS there; is it redis:// rather than rediss://?",
        Error::AlertReceived(_) => "it ended the TLS handshake; does it want a client certificate?",
        _ => "the TLS handshake failed",
    })
}
