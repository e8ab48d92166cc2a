//! The shop's Redis: a throw-away one, where the machine has the program.

use std::{
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::port;

/// A cache to play with.
pub struct Cache {
    /// Its address.
    pub url: String,
    _process: port::Process,
}

impl Cache {
    pub(crate) fn start(directory: &Path) -> Result<Self, String> {
        let home = directory.join("redis");
        std::fs::create_dir_all(&home).map_err(|error| error.to_string())?;
        let port = port::free().map_err(|error| error.to_string())?;
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(&home);
        command.args(["--maxmemory", "64mb"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = port::Process::start(&mut command)
            .map_err(|_| "there is no redis-server on this machine; install the package redis-server".to_owned())?;
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(Self { url: format!("redis://127.0.0.1:{port}"), _process: process });
            }
            if process.ended() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("redis-server did not start".into())
    }
}
