//! A real nginx, with logs of its own.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{Server, eventually, free_port};

/// A running nginx, stopped and removed when dropped.
pub struct Nginx {
    // Before the directory, so that the server is stopped first.
    server: Server,
    directory: TempDir,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl Nginx {
    /// A server that serves the directory `site`, logs to `logs/access.log` and `logs/error.log`, and has more in its
    /// `http` block and its `server` block.
    ///
    /// # Panics
    /// Where nginx is not installed, or does not start.
    pub fn start(http: &str, server: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("hostler-nginx-").tempdir().expect("a temporary directory");
        for name in ["logs", "site", "temporary"] {
            fs::create_dir(directory.path().join(name)).expect("a directory");
        }
        fs::write(directory.path().join("site/index.html"), "a page\n").expect("a page");
        let port = free_port();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path temporary/{kind};\n"))
            .collect();
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let log = if http.contains("access_log") { "" } else { "access_log logs/access.log combined;" };
        let text = format!(
            "daemon off; {user} worker_processes 2; pid nginx.pid; error_log logs/error.log;\nevents {{}}\n\
             http {{\n{temporary}{log}\n{http}\nserver {{ listen 127.0.0.1:{port} backlog=4096; root site;\n{server}\n}}\n}}\n"
        );
        fs::write(directory.path().join("nginx.conf"), text).expect("a configuration");
        let child = Command::new("/usr/sbin/nginx")
            .arg("-p")
            .arg(directory.path())
            .args(["-c", "nginx.conf", "-e", "logs/error.log"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts: `make test` installs it");
        let nginx = Self { server: Server(child), directory, port };
        eventually("nginx accepts connections", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        nginx
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The directory of its logs.
    pub fn logs(&self) -> PathBuf {
        self.path().join("logs")
    }

    /// Sends so many requests for a target, just as it is written, and returns the last answer's status.
    ///
    /// # Panics
    /// Where the server does not answer.
    pub fn get(&self, target: &str, times: usize) -> u16 {
        let mut status = 0;
        for _ in 0..times {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
            write!(stream, "GET {target} HTTP/1.0\r\nHost: shop.example\r\n\r\n").expect("it is sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        }
        status
    }

    /// Lets it open its logs anew, as logrotate's postrotate does.
    pub fn reopen(&self) {
        let pid = i32::try_from(self.server.0.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process");
        rustix::process::kill_process(pid, rustix::process::Signal::USR1).expect("it is told");
    }

    /// How many lines a log has.
    pub fn lines(&self, log: &str) -> usize {
        fs::read_to_string(self.logs().join(log)).map_or(0, |text| text.lines().count())
    }
}
