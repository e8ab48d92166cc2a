//! Asking a server that speaks in clear text to go over to TLS.
//!
//! What the server sends before the handshake is not protected; so nothing of it is kept, and a server that sends more
//! than it was asked for is not shaken hands with.

use hostler_world::network::Starttls;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::connect;

/// The longest line, and the most lines, that a server may answer with.
const LONGEST: u64 = 4096;
const MOST: usize = 64;
/// PostgreSQL's request for TLS: its length, and its number.
const POSTGRES: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Brings a connection to the point where TLS begins.
///
/// # Errors
/// Where the server offers no TLS, or answers something else.
pub(crate) async fn begin(stream: TcpStream, starttls: Starttls) -> Result<TcpStream, String> {
    match starttls {
        Starttls::None => Ok(stream),
        Starttls::Postgres => postgres(stream).await,
        Starttls::Smtp => smtp(stream).await,
        Starttls::Imap => imap(stream).await,
    }
}

async fn postgres(mut stream: TcpStream) -> Result<TcpStream, String> {
    stream.write_all(&POSTGRES).await.map_err(lost)?;
    match stream.read_u8().await.map_err(lost)? {
        b'S' => Ok(stream),
        b'N' => Err("the server offers no TLS".into()),
        _ => Err("the server does not speak PostgreSQL".into()),
    }
}

async fn smtp(stream: TcpStream) -> Result<TcpStream, String> {
    let mut server = BufReader::new(stream);
    if replies(&mut server).await?.0 != "220" {
        return Err("the server does not speak SMTP".into());
    }
    send(&mut server, "EHLO localhost\r\n").await?;
    let (code, lines) = replies(&mut server).await?;
    let offers = lines.iter().any(|line| line.trim().eq_ignore_ascii_case("STARTTLS"));
    if code != "250" || !offers {
        return Err("the server offers no TLS".into());
    }
    send(&mut server, "STARTTLS\r\n").await?;
    match replies(&mut server).await?.0.as_str() {
        "220" => plain(server),
        _ => Err("the server refused to go over to TLS".into()),
    }
}

/// A reply of one or several lines: its code, and the lines' texts.
async fn replies(server: &mut BufReader<TcpStream>) -> Result<(String, Vec<String>), String> {
    let mut texts = Vec::new();
    for _ in 0..MOST {
        let line = line(server).await?;
        let Some((code, text)) = line.split_at_checked(3) else { return Err("the server does not speak SMTP".into()) };
        texts.push(text.get(1..).unwrap_or_default().to_owned());
        if !text.starts_with('-') {
            return Ok((code.into(), texts));
        }
    }
    Err("the server does not come to an end".into())
}

async fn imap(stream: TcpStream) -> Result<TcpStream, String> {
    let mut server = BufReader::new(stream);
    let greeting = line(&mut server).await?;
    if !greeting.to_ascii_uppercase().starts_with("* OK") {
        return Err("the server does not speak IMAP".into());
    }
    send(&mut server, "a1 STARTTLS\r\n").await?;
    for _ in 0..MOST {
        let line = line(&mut server).await?.to_ascii_uppercase();
        if let Some(answer) = line.strip_prefix("A1 ") {
            return if answer.starts_with("OK") { plain(server) } else { Err("the server offers no TLS".into()) };
        }
    }
    Err("the server does not come to an end".into())
}

async fn line(server: &mut BufReader<TcpStream>) -> Result<String, String> {
    let mut line = Vec::new();
    (&mut *server).take(LONGEST).read_until(b'\n', &mut line).await.map_err(lost)?;
    match line.last() {
        Some(b'\n') => Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
        Some(_) if line.len() as u64 == LONGEST => Err("the server's answer is too long".into()),
        _ => Err("the connection was closed".into()),
    }
}

async fn send(server: &mut BufReader<TcpStream>, words: &str) -> Result<(), String> {
    server.get_mut().write_all(words.as_bytes()).await.map_err(lost)
}

/// The connection itself, with nothing said in clear text left in it.
fn plain(server: BufReader<TcpStream>) -> Result<TcpStream, String> {
    if server.buffer().is_empty() {
        Ok(server.into_inner())
    } else {
        Err("the server said more before TLS began".into())
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn lost(error: std::io::Error) -> String {
    connect::words(&error).into()
}
