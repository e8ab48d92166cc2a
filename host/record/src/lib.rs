//! What a host keeps in its state directory: the history of runs, what tasks remember, the audit, and locks.
//!
//! Several hosts may work on one state directory at once, and each may be killed at any moment; so each part leans on
//! the kernel or on SQLite for that: file locks that die with their holder, a write-ahead log, an audit whose lines
//! are appended whole and chained by their hashes.

mod audit;
mod audit_verify;
mod directory;
mod errors;
mod history;
mod history_read;
mod locks;
mod state;

pub use audit::AuditFile;
pub use audit_verify::{AuditProblem, Verified};
pub use directory::Record;
pub use errors::RecordError;
pub use history::{History, RunEnd, RunStart};
pub use history_read::{KeptRun, RunFilter, Scheduler};
pub use locks::FileLocks;
