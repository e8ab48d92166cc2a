//! TLS by rustls, with the modes that libpq has.
//!
//! Two things differ from rustls as it comes. Below `verify-full` less is checked than a browser would: that is what
//! those modes mean, and a signature by the certificate's key is still wanted. And a server's self-signed certificate
//! may be its own root, as PostgreSQL's documentation sets it up: webpki refuses a certificate authority as a server,
//! so a certificate that is byte for byte one of the roots is taken here, within its time.

use std::{path::Path, sync::Arc};

use hostler_configuration::{FileProblem, check_readable};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    problem::Problem,
    wanted::{Mode, Roots, Wanted},
};

/// A connector for these wishes.
///
/// # Errors
/// What is wrong with a file, named by its keyword.
pub fn connector(wanted: &Wanted) -> Result<MakeRustlsConnect, Problem> {
    let provider = Arc::new(ring::default_provider());
    let versions: &[&SupportedProtocolVersion] =
        if wanted.newest_only { &[&rustls::version::TLS13] } else { rustls::ALL_VERSIONS };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(wanted, provider)?));
    let mut config = match &wanted.identity {
        Some((certificate, key)) => {
            let chain = certificates(certificate, "sslcert")?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|_| FileProblem::Other("is not an unencrypted PEM key".into()).of("sslkey", key))?;
            builder.with_client_auth_cert(chain, key).map_err(|_| "its sslcert and sslkey do not belong together")?
        }
        None => builder.with_no_client_auth(),
    };
    config.enable_sni = !wanted.nameless;
    if wanted.direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}

fn certificates(file: &Path, keyword: &str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    check_readable(keyword, file)?;
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|_| FileProblem::Other("cannot be read as PEM".into()).of(keyword, file))?;
    if found.is_empty() {
        Err(FileProblem::Other("holds no certificate".into()).of(keyword, file).into())
    } else {
        Ok(found)
    }
}

#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    chain: Option<Chain>,
    names: bool,
}

#[derive(Debug)]
struct Chain {
    webpki: Option<Arc<WebPkiServerVerifier>>,
    roots: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(wanted: &Wanted, provider: Arc<CryptoProvider>) -> Result<Self, Problem> {
        let roots = match (&wanted.roots, wanted.mode) {
            (Roots::File(file), _) => Some(certificates(file, "sslrootcert")?),
            (Roots::System, _) => Some(rustls_native_certs::load_native_certs().certs),
            (Roots::Unnamed, Mode::VerifyCa | Mode::VerifyFull) => {
                return Err("its sslmode checks the server's certificate: name the certificates that vouch for it \
                            with sslrootcert=FILE, or sslrootcert=system"
                    .into());
            }
            (Roots::Unnamed, _) => None,
        };
        let chain = roots
            .map(|roots| {
                let mut store = RootCertStore::empty();
                store.add_parsable_certificates(roots.iter().cloned());
                let webpki = if store.is_empty() {
                    None
                } else {
                    let builder = WebPkiServerVerifier::builder_with_provider(store.into(), provider.clone());
                    Some(builder.build().map_err(|error| error.to_string())?)
                };
                Ok::<_, String>(Chain { webpki, roots })
            })
            .transpose()?;
        Ok(Self { provider, chain, names: wanted.mode == Mode::VerifyFull })
    }
}

impl Chain {
    /// Whether the roots vouch for the certificate; its names are looked at elsewhere.
    fn check(
        &self,
        server: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.roots.iter().any(|root| root.as_ref() == server.as_ref()) {
            return in_its_time(server, now);
        }
        let Some(webpki) = &self.webpki else { return Err(CertificateError::UnknownIssuer.into()) };
        match webpki.verify_server_cert(server, between, name, &[], now) {
            Ok(_) => Ok(()),
            // The names are looked at last: whoever comes to them has passed all else.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn in_its_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let (_, parsed) =
        x509_parser::parse_x509_certificate(certificate).map_err(|_| Error::from(CertificateError::BadEncoding))?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < parsed.validity().not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > parsed.validity().not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(chain) = &self.chain {
            chain.check(server, between, name, now)?;
        }
        if self.names {
            verify_server_name(&ParsedCertificate::try_from(server)?, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What went wrong in a handshake, without any name that the certificate or the resource has.
pub fn explain(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(problem) => match problem {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the server's certificate does not name the host, as sslmode=verify-full wants it to (as a \
                 subjectAltName: a common name alone does not count)"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet"
            }
            CertificateError::UnknownIssuer => "none of the certificates in sslrootcert vouches for the server's",
            _ => "the server's certificate is not acceptable",
        },
        Error::AlertReceived(_) => "the server ended the handshake; it may want a client certificate (sslcert, sslkey)",
        Error::PeerIncompatible(_) => "the server and this host have no version or cipher of TLS in common",
        _ => "the handshake failed",
    }
}
