//! A connection to the address that was checked.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use hostler_policy::endpoint::{Host, address_allowed};
use thiserror::Error;
use tokio::net::TcpStream;

use crate::grant::Bound;

/// How long one address has to answer.
const ONE: Duration = Duration::from_secs(10);

/// Why there is no connection. No text names an address.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    /// The name is nobody's.
    #[error("its name does not resolve")]
    Unresolved,
    /// The name leads where the operator did not let it.
    #[error("its name leads to an address that is not granted: write networks = [\"…\"] at the endpoint if it should")]
    Refused,
    /// No address answered.
    #[error("{0}")]
    Failed(&'static str),
}

/// A connection, and how long it took to make once the address was known.
pub(crate) struct Connected {
    pub(crate) stream: TcpStream,
    pub(crate) took: Duration,
}

/// Connects to an endpoint.
///
/// # Errors
/// Where no address that is allowed answers.
pub(crate) async fn connect(bound: &Bound) -> Result<Connected, ConnectError> {
    let addresses = resolve(bound).await?;
    let mut problem = ConnectError::Unresolved;
    for address in addresses {
        let started = Instant::now();
        match tokio::time::timeout(ONE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let took = started.elapsed();
                let _ = stream.set_nodelay(true);
                return Ok(Connected { stream, took });
            }
            Ok(Err(error)) => problem = ConnectError::Failed(words(&error)),
            Err(_) => problem = ConnectError::Failed("it does not answer"),
        }
    }
    Err(problem)
}

/// The addresses that may be connected to.
async fn resolve(bound: &Bound) -> Result<Vec<SocketAddr>, ConnectError> {
    let endpoint = &bound.endpoint;
    let found: Vec<IpAddr> = match &endpoint.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => {
            let found = tokio::net::lookup_host((name.as_str(), endpoint.port)).await;
            found.map_err(|_| ConnectError::Unresolved)?.map(|address| address.ip()).collect()
        }
    };
    if found.is_empty() {
        return Err(ConnectError::Unresolved);
    }
    let allowed = |address: &IpAddr| address_allowed(*address, &bound.resource.networks, endpoint.host.says(*address));
    let allowed: Vec<SocketAddr> =
        found.into_iter().filter(allowed).map(|address| SocketAddr::new(address, endpoint.port)).collect();
    if allowed.is_empty() { Err(ConnectError::Refused) } else { Ok(allowed) }
}

/// What an error of the system's says, without an address.
pub(crate) fn words(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::ConnectionRefused => "the connection was refused",
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => "the connection was reset",
        ErrorKind::TimedOut => "it does not answer",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            "it cannot be reached from here"
        }
        ErrorKind::UnexpectedEof => "the connection was closed",
        ErrorKind::PermissionDenied => "this machine does not let it be reached",
        _ => "the connection failed",
    }
}
