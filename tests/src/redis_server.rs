//! A real Redis.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::{Server, eventually, free_port};

/// A running server, stopped when dropped.
pub struct RedisServer {
    _server: Server,
    _directory: TempDir,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl RedisServer {
    /// A fresh server.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A fresh server with arguments such as `["--maxmemory", "100mb"]`.
    ///
    /// # Panics
    /// Where Redis is not installed, or does not start.
    pub fn start_with(arguments: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("hostler-redis-").tempdir().expect("a temporary directory");
        let port = free_port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
            .arg(directory.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server starts: `make test` installs it");
        let server = Self { _server: Server(child), _directory: directory, port };
        eventually("Redis accepts connections", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A client of it.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn connection(&self) -> redis::Connection {
        redis::Client::open(self.url()).expect("an address").get_connection().expect("a connection")
    }
}
