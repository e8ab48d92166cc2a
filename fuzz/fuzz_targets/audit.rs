//! The audit's files, read back: verified, shown and gone on with.
//!
//! The sources are the host's own, so that neither an engine nor a database is built for it.
#![no_main]
#![allow(dead_code)]

extern crate self as hostler_capability;

#[path = "../../host/record/src/audit.rs"]
mod audit;
#[path = "../../host/record/src/audit_begin.rs"]
mod audit_begin;
#[path = "../../host/record/src/audit_checks.rs"]
mod audit_checks;
#[path = "../../host/capability/src/audit.rs"]
mod audit_entry;
#[path = "../../host/record/src/audit_show.rs"]
mod audit_show;
#[path = "../../host/record/src/audit_tail.rs"]
mod audit_tail;
#[path = "../../host/record/src/audit_verify.rs"]
mod audit_verify;

use std::{
    io,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub use audit::AuditFile;
pub use audit_entry::{AuditEntry, AuditLog, Decision};
pub use audit_verify::AuditProblem;

/// The host's own error, without its database's.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RecordError(String);

impl RecordError {
    fn file(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        move |error| Self(format!("{}: {error}", path.display()))
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| audit_checks::any_audit(data));
