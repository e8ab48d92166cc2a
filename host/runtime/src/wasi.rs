//! WASI, linked closed: clocks, random numbers, and standard streams that end up as log lines. No arguments, variables,
//! sockets or directories; not even an empty one, which a plugin could fill until the host's disk is full.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use hostler_capability::{LogLine, RunContext};
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    WasiCtx,
    cli::{IsTerminal, StdoutStream},
};

use crate::run::printable;

/// The longest line; what is longer is cut into several.
const LONGEST_LINE: usize = 2000;

/// The WASI of one run.
pub(crate) fn context(run: &Arc<RunContext>) -> WasiCtx {
    WasiCtx::builder()
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .stdout(Lines::new(run, "info"))
        .stderr(Lines::new(run, "warn"))
        .build()
}

/// A standard stream, as log lines of the run.
#[derive(Clone)]
struct Lines {
    run: Arc<RunContext>,
    level: &'static str,
    partial: Arc<Mutex<Vec<u8>>>,
}

impl Lines {
    fn new(run: &Arc<RunContext>, level: &'static str) -> Self {
        Self { run: run.clone(), level, partial: Arc::default() }
    }

    fn emit(&self, line: &[u8]) {
        let message = printable(&String::from_utf8_lossy(line));
        let most = self.run.limits.log_lines;
        self.run.reported(|reported| {
            if reported.log.len() as u64 >= most {
                reported.log_dropped += 1;
            } else if !message.is_empty() {
                reported.log.push(LogLine { level: self.level.into(), message, fields: vec![] });
            }
        });
    }

    fn take(&self, bytes: &[u8]) {
        let mut partial = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        for byte in bytes {
            if *byte == b'\n' || partial.len() >= LONGEST_LINE {
                self.emit(&partial);
                partial.clear();
            }
            if *byte != b'\n' {
                partial.push(*byte);
            }
        }
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Lines {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
