//! What the end-to-end tests stand on: real servers on free ports, and the real binary.
//!
//! Each test starts what it needs and stops it when it ends, so that tests run side by side and leave nothing behind.

mod component;
mod core_module;
mod hostler;
mod nginx;
mod postgres;
mod process;
mod redis_server;
mod servers;
mod stand_in;
mod told;

pub use component::{made, manifest};
pub use core_module::{core_module, with_instances};
pub use hostler::{Hostler, Output, binary, cache, component};
pub use nginx::Nginx;
pub use postgres::Postgres;
pub use process::{Running, Signal, processes_with};
pub use redis_server::RedisServer;
pub use servers::{programs, servers};
pub use stand_in::{After, StandIn};

use std::{net::TcpListener, path::PathBuf, process::Child, time::Duration};

/// A port of 127.0.0.1 that was free a moment ago.
///
/// # Panics
/// Where there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// The workspace's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").into()
}

/// Whether a text tells a secret: as a word of its own, since a port's digits stand in many a digest and time too.
pub fn tells(text: &str, secret: &str) -> bool {
    text.match_indices(secret).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + secret.len()..]);
        let figure = before.trim_end().ends_with("\":");
        !figure && !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
    })
}

/// Tries until it is so, for 30 seconds.
///
/// # Panics
/// Where it does not become so; `what` says what was waited for.
pub fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..600 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("after 30 s it is still not so: {what}");
}

/// A server process, ended when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // SIGQUIT is PostgreSQL's immediate shutdown; others end by it too.
            let _ = rustix::process::kill_process(pid, Signal::QUIT);
        }
        for _ in 0..100 {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
