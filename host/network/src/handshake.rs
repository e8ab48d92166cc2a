//! A TLS handshake, to look at what the server shows.
//!
//! The handshake goes on whatever the certificates are worth, because an expired one is just what a plugin looks for.
//! What they are worth is verified all the same, and told. Nothing is sent after the handshake.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, ProtocolVersion, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::TlsConnector;

use crate::{connect, roots};

/// What a server showed.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) protocol: String,
    pub(crate) cipher_suite: String,
    pub(crate) verified: Result<(), String>,
}

/// Shakes hands over a connection that is ready for it.
///
/// # Errors
/// Where the server does not speak TLS, or nothing that this machine speaks.
pub(crate) async fn handshake(
    stream: TcpStream,
    verifier: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
) -> Result<Shown, String> {
    let looking = Arc::new(Looking { verifier, seen: Mutex::default() });
    let builder = ClientConfig::builder_with_provider(roots::provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|_| "TLS cannot be set up")?;
    let configuration = builder.dangerous().with_custom_certificate_verifier(looking.clone()).with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(configuration));
    let mut stream = connector.connect(name, stream).await.map_err(|error| words(&error))?;
    let connection = stream.get_ref().1;
    let protocol = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".into(),
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".into(),
        other => format!("{other:?}"),
    };
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
    let chain =
        connection.peer_certificates().unwrap_or_default().iter().map(|certificate| certificate.to_vec()).collect();
    // IANA's name: TLS 1.3's suites have no number in theirs.
    let cipher_suite = suite.replacen("TLS13_", "TLS_", 1);
    let verified = looking.seen.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err);
    let _ = stream.shutdown().await;
    Ok(Shown { chain, protocol, cipher_suite, verified })
}

/// What an error of a handshake says, without an address or a name.
pub(crate) fn words(error: &std::io::Error) -> String {
    let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) else {
        return connect::words(error).into();
    };
    match inner {
        TlsError::InvalidCertificate(problem) => certificate_words(problem),
        TlsError::AlertReceived(alert) => format!("the server ended the TLS handshake: {alert:?}"),
        TlsError::PeerIncompatible(_) => "the server speaks no TLS 1.2 or 1.3 with a cipher that is safe".into(),
        TlsError::InvalidMessage(_) => "the server does not speak TLS".into(),
        _ => "the TLS handshake failed".into(),
    }
}

/// What is wrong with a certificate. The name that it should have is the endpoint's address, and is not said.
fn certificate_words(problem: &CertificateError) -> String {
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for another name"
        }
        CertificateError::UnknownIssuer => "the issuer is not trusted",
        CertificateError::Revoked => "the certificate is revoked",
        CertificateError::BadSignature => "a signature is wrong",
        CertificateError::BadEncoding => "the certificate cannot be read",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the certificate is not for servers"
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "the certificate is an authority's own, used for a server"
        }
        _ => "the certificate is not accepted",
    }
    .into()
}

/// Lets the handshake go on, and remembers what was wrong.
#[derive(Debug)]
struct Looking {
    verifier: Arc<WebPkiServerVerifier>,
    seen: Mutex<Option<String>>,
}

impl Looking {
    fn remember(&self, error: &TlsError) {
        let words = match error {
            TlsError::InvalidCertificate(problem) => certificate_words(problem),
            _ => "the certificate is not accepted".into(),
        };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(words);
    }
}

impl ServerCertVerifier for Looking {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        status: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        if let Err(error) = self.verifier.verify_server_cert(leaf, others, name, status, now) {
            self.remember(&error);
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        if let Err(error) = self.verifier.verify_tls12_signature(message, certificate, signed) {
            self.remember(&error);
        }
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        if let Err(error) = self.verifier.verify_tls13_signature(message, certificate, signed) {
            self.remember(&error);
        }
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
