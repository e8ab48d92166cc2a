//! One HTTP exchange over a connection of its own.

use bytes::Bytes;
use hostler_policy::endpoint::{Endpoint, Host, Scheme};
use http_body_util::Full;
use hyper::{
    Method, Request,
    body::Incoming,
    client::conn::http1,
    header::{self, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

use crate::{grant::Bound, handshake, roots};

/// A request, decided and ready to be sent.
pub(crate) struct Ready {
    pub(crate) method: Method,
    /// The request's target: the prefix with the path and the query below it.
    pub(crate) target: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) added: Option<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

/// Ends the task that serves a connection when its exchange ends.
pub(crate) struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer whose body is still to come.
pub(crate) struct Answer {
    pub(crate) response: hyper::Response<Incoming>,
    pub(crate) connection: Connection,
}

/// Sends a request and waits for the head of its answer.
///
/// # Errors
/// In words without an address.
pub(crate) async fn exchange(bound: &Bound, stream: TcpStream, ready: Ready) -> Result<Answer, String> {
    match bound.endpoint.scheme {
        Scheme::Https => {
            let configuration = roots::strict(bound.resource.root_certificates.as_deref())?;
            let name = server_name(&bound.endpoint).ok_or("its host is no name for TLS")?;
            let stream = TlsConnector::from(configuration).connect(name, stream).await;
            send(bound, stream.map_err(|error| handshake::words(&error))?, ready).await
        }
        _ => send(bound, stream, ready).await,
    }
}

/// The endpoint's own name, as TLS takes it.
pub(crate) fn server_name(endpoint: &Endpoint) -> Option<ServerName<'static>> {
    match &endpoint.host {
        Host::Name(name) => ServerName::try_from(name.clone()).ok(),
        Host::Address(address) => Some(ServerName::IpAddress((*address).into())),
    }
}

async fn send(
    bound: &Bound,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ready: Ready,
) -> Result<Answer, String> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| words(&error))?;
    let connection = Connection(tokio::spawn(async move {
        // Its error is the exchange's too, where it is told.
        let _ = connection.await;
    }));
    let mut request = Request::builder()
        .method(ready.method)
        .uri(ready.target)
        .header(header::HOST, authority(&bound.endpoint))
        .header(header::CONNECTION, "close");
    if !ready.headers.iter().any(|(name, _)| *name == header::USER_AGENT) {
        request = request.header(header::USER_AGENT, concat!("hostler/", env!("CARGO_PKG_VERSION")));
    }
    for (name, value) in ready.headers.into_iter().chain(ready.added) {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(ready.body)).map_err(|_| "the request cannot be written")?;
    let response = sender.send_request(request).await.map_err(|error| words(&error))?;
    Ok(Answer { response, connection })
}

fn authority(endpoint: &Endpoint) -> String {
    let host = match &endpoint.host {
        Host::Name(name) => name.clone(),
        Host::Address(address) if address.is_ipv6() => format!("[{address}]"),
        Host::Address(address) => address.to_string(),
    };
    match (endpoint.scheme, endpoint.port) {
        (Scheme::Http, 80) | (Scheme::Https, 443) => host,
        (_, port) => format!("{host}:{port}"),
    }
}

fn words(error: &hyper::Error) -> String {
    if error.is_parse() {
        "the server does not speak HTTP".into()
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        "the server closed the connection without an answer".into()
    } else {
        "the exchange failed".into()
    }
}

/// A response's headers, without the endpoint's own address where a server writes it: a redirect to itself says the
/// path alone.
pub(crate) fn headers(endpoint: &Endpoint, headers: &hyper::HeaderMap) -> Vec<(String, Vec<u8>)> {
    let scheme = if endpoint.scheme == Scheme::Https { "https" } else { "http" };
    let authority = authority(endpoint);
    let shown = |name: &HeaderName, value: &HeaderValue| {
        let located = *name == header::LOCATION || *name == header::CONTENT_LOCATION;
        let Some(text) = value.to_str().ok().filter(|_| located) else { return value.as_bytes().to_vec() };
        let bare = authority.rsplit_once(':').map_or(authority.as_str(), |(host, _)| host);
        for origin in [format!("{scheme}://{authority}"), format!("http://{bare}"), format!("https://{bare}")] {
            if let Some(path) =
                text.strip_prefix(&origin).filter(|path| path.is_empty() || path.starts_with(['/', '?']))
            {
                return if path.starts_with('/') { path.into() } else { format!("/{path}").into_bytes() };
            }
        }
        value.as_bytes().to_vec()
    };
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), shown(name, value))).collect()
}
