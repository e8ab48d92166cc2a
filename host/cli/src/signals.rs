//! SIGINT and SIGTERM: the first asks running tasks to stop between two steps, the second ends them at once.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use hostler_capability::{Stop, StopReason};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit;

/// Which signal came.
#[derive(Debug, Clone, Default)]
pub struct Signals(Arc<AtomicU8>);

impl Signals {
    /// Watches for them, and asks `stop` when one comes.
    pub fn watch(stop: &Stop) -> std::io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let signals = Self::default();
        tokio::spawn(follow(signals.clone(), stop.clone(), interrupt, terminate));
        Ok(signals)
    }

    /// The exit code that the signal asks for, where one came.
    pub fn exit_code(&self) -> Option<u8> {
        Some(self.0.load(Ordering::Acquire)).filter(|code| *code != 0)
    }
}

async fn follow(signals: Signals, stop: Stop, mut interrupt: Signal, mut terminate: Signal) {
    let code = either(&mut interrupt, &mut terminate).await;
    signals.0.store(code, Ordering::Release);
    stop.request(StopReason::Interrupted);
    eprintln!("hostler: stopping after the step under way; once more ends at once");
    let code = either(&mut interrupt, &mut terminate).await;
    std::process::exit(code.into());
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> u8 {
    tokio::select! {
        _ = interrupt.recv() => exit::INTERRUPTED,
        _ = terminate.recv() => exit::TERMINATED,
    }
}
