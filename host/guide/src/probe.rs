//! Whether a server answers, by the first words of its protocol: nothing is logged in to, and nothing is asked for that
//! a server would note as an attempt.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// A server on this machine answers at once or not at all.
const PATIENCE: Duration = Duration::from_millis(500);

/// Where something may listen.
pub(crate) enum Place<'p> {
    /// A port of 127.0.0.1.
    Port(u16),
    /// A socket of the filesystem.
    Socket(&'p Path),
}

/// Whether PostgreSQL answers: to the question whether it speaks TLS it says `S` or `N`.
pub(crate) fn is_postgres(place: &Place<'_>) -> bool {
    answer(place, &[0, 0, 0, 8, 4, 210, 22, 47]).is_some_and(|answer| matches!(answer.as_slice(), [b'S' | b'N', ..]))
}

/// Whether Redis or Valkey answers; one that wants a password says so.
pub(crate) fn is_redis(place: &Place<'_>) -> bool {
    let answer = answer(place, b"PING\r\n").unwrap_or_default();
    [&b"+PONG"[..], b"-NOAUTH", b"-NOPERM", b"-DENIED"].iter().any(|begin| answer.starts_with(begin))
}

/// Whether an HTTP server answers.
pub(crate) fn is_http(port: u16) -> bool {
    let answer = answer(&Place::Port(port), b"HEAD / HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap_or_default();
    answer.starts_with(b"HTTP/")
}

/// Whether something listens on a port.
pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), PATIENCE).is_ok()
}

fn answer(place: &Place<'_>, question: &[u8]) -> Option<Vec<u8>> {
    match place {
        Place::Port(port) => {
            let mut stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], *port)), PATIENCE).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).ok()?;
            ask(&mut stream, question)
        }
        Place::Socket(path) => {
            let mut stream = UnixStream::connect(path).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).ok()?;
            ask(&mut stream, question)
        }
    }
}

fn ask(stream: &mut (impl Read + Write), question: &[u8]) -> Option<Vec<u8>> {
    stream.write_all(question).ok()?;
    let mut answer = vec![0; 64];
    let length = stream.read(&mut answer).ok()?;
    answer.truncate(length);
    Some(answer)
}
