//! Requests that want another endpoint than the one that was granted.

mod bodies;
mod names;
mod requests;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use hostler_tests::Hostler;
use serde_json::{Value, json};

/// A web server that says what was asked of it, and redirects, drips and floods by path.
pub(crate) struct Site {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heard = heard.clone();
                std::thread::spawn(move || answer(stream, port, &heard));
            }
        });
        Self { port, asked }
    }

    /// What was asked since the last look, each request whole.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("no panic"))
    }
}

fn answer(mut stream: TcpStream, port: u16, asked: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => request.extend(&buffer[..read]),
            _ => break,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().expect("no panic").push(request);
    let _ = match path.rsplit('/').next() {
        Some("redirect") => {
            write!(stream, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/admin\r\nContent-Length: 0\r\n\r\n")
        }
        Some("endless") => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            loop {
                if write!(stream, "10000\r\n{}\r\n", "x".repeat(0x10000)).is_err() {
                    break Ok(());
                }
            }
        }
        Some("dripping") => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
            loop {
                std::thread::sleep(std::time::Duration::from_millis(100));
                if stream.write_all(b"x").is_err() {
                    break Ok(());
                }
            }
        }
        Some("headers") => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\n");
            loop {
                if write!(stream, "X-More: {}\r\n", "x".repeat(1000)).is_err() {
                    break Ok(());
                }
            }
        }
        Some("silent") => {
            std::thread::sleep(std::time::Duration::from_secs(30));
            Ok(())
        }
        Some("steering") => {
            write!(stream, "HTTP/1.1 200 OK\r\nX-Title: \x1b]0;owned\x07\r\nContent-Length: 4\r\n\r\n\x1b[2J")
        }
        _ => write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell"),
    };
}

/// A host whose endpoint is `http://127.0.0.1:PORT/app`, with a credential.
fn host(site: &Site, methods: &[&str], more: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[endpoint.site]\nurl = \"http://127.0.0.1:{}/app\"\nheader_file = \"{{directory}}/header\"\n\
         [tasks.puppet]\nplugin = \"test-puppet\"\n\
         bind.site = {{ resource = \"endpoint.site\", methods = {methods:?} }}\n{more}\n",
        site.port
    ));
    let header = host.path().join("header");
    std::fs::write(&header, "Authorization: Bearer sesame\n").expect("a file");
    std::fs::set_permissions(&header, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
    host.install(&["test-puppet"]);
    host
}

fn get(path: &str) -> Value {
    json!({ "call": "network", "path": path })
}
