//! What a host keeps in its state directory: the history of runs, what tasks remember, the audit, and locks.
//!
//! Several hosts may work on one state directory at once, and each may be killed at any moment; so each part leans on
//! the kernel or on SQLite for that: file locks that die with their holder, a write-ahead log, an audit whose lines
//! are appended whole and chained by their hashes. Nothing is repaired silently, and nothing is deleted because it
//! could not be read.

mod audit;
mod audit_begin;
#[cfg(test)]
mod audit_checks;
mod audit_show;
mod audit_tail;
mod audit_verify;
mod database;
mod directory;
mod discarded;
mod errors;
mod history;
mod history_read;
mod hosts;
mod journal;
mod locks;
mod past;
#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod retention;
mod state;

pub use audit::{AUDIT_BYTES, AuditFile};
pub use audit_show::AuditLine;
pub use audit_verify::{AuditProblem, Verified};
pub use directory::Record;
pub use errors::RecordError;
pub use history::{History, RunEnd, RunStart};
pub use history_read::{KeptRun, RunFilter};
pub use locks::FileLocks;
pub use past::Scheduler;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock that outlives a panic of another holder: what it guards is whole between any two statements.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
