//! The state directory as a whole: who may have it, and what lies where.
//!
//! ```text
//! history.sqlite   the runs          audit/    a line for each call
//! state.sqlite     what tasks keep   locks/    held by living processes
//! ```
//!
//! Opening looks, and makes directories; a database is opened by the first who needs it.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use hostler_capability::{AuditLog, Locks, StateStore};
use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::{
    AUDIT_BYTES, AuditFile, AuditProblem, FileLocks, History, RecordError, Verified,
    discarded::Discarded,
    hosts::Hosts,
    journal,
    state::{Durable, StateFile},
};

/// All that a host keeps.
pub struct Record {
    directory: PathBuf,
    audit: Arc<AuditFile>,
    history: Arc<History>,
    state: Arc<StateFile>,
}

impl Record {
    /// Opens a state directory, and makes it where it is not there. Databases are opened when they are first used.
    ///
    /// # Errors
    /// Where it is not a directory, cannot be made or written, belongs to another user, or others may write it.
    pub fn open(directory: &Path) -> Result<Self, RecordError> {
        Self::keeping(directory, AUDIT_BYTES)
    }

    /// As [`Record::open`], where about so many bytes of audit are kept.
    ///
    /// # Errors
    /// As [`Record::open`].
    pub fn keeping(directory: &Path, audit_bytes: u64) -> Result<Self, RecordError> {
        make(directory, directory)?;
        for part in ["audit", "locks", "locks/hosts", "locks/names"] {
            make(directory, &directory.join(part))?;
        }
        let hosts = Arc::new(Hosts::new(directory));
        Ok(Self {
            directory: directory.into(),
            audit: Arc::new(AuditFile::open(&directory.join("audit/audit.jsonl"), audit_bytes)?),
            history: Arc::new(History::new(&directory.join("history.sqlite"), &hosts)),
            state: Arc::new(StateFile::new(&directory.join("state.sqlite"))),
        })
    }

    /// The audit, for runs.
    pub fn audit(&self) -> Arc<dyn AuditLog> {
        self.audit.clone()
    }

    /// The audit, to be verified.
    pub fn audit_file(&self) -> &AuditFile {
        &self.audit
    }

    /// Follows the whole audit, and holds it against what the history says of it.
    ///
    /// # Errors
    /// What does not fit, with its line, or that something cannot be read.
    pub fn verify_audit(&self) -> Result<Verified, AuditProblem> {
        self.audit.verify(&self.history.audit_heads()?)
    }

    /// The hash of the audit's last line and how many there are, told to the system's journal too, where there is one.
    pub fn audit_head_after(&self, run_id: &str) -> (String, u64) {
        let (head, lines) = self.audit.head().unwrap_or_default();
        let _ = journal::tell(run_id, &head, lines);
        (head, lines)
    }

    /// Locks of this host, in the name of this process.
    pub fn locks(&self) -> Arc<dyn Locks> {
        self.locks_held_by(&format!("process {}", std::process::id()))
    }

    /// Locks of this host, in the name of a run: who wants one in vain is told which.
    pub fn locks_of(&self, run_id: &str, task: &str) -> Arc<dyn Locks> {
        self.locks_held_by(&format!("run {run_id} of task {task}, process {}", std::process::id()))
    }

    fn locks_held_by(&self, holder: &str) -> Arc<dyn Locks> {
        Arc::new(FileLocks::new(&self.directory.join("locks/names"), holder))
    }

    /// The history of runs.
    pub fn history(&self) -> &Arc<History> {
        &self.history
    }

    /// What a task remembers: kept, or a copy that is thrown away.
    pub fn state(&self, task: &str, keep: bool) -> Arc<dyn StateStore> {
        let durable = Durable::new(&self.state, task);
        if keep { Arc::new(durable) } else { Arc::new(Discarded::over(Arc::new(durable))) }
    }
}

fn make(root: &Path, path: &Path) -> Result<(), RecordError> {
    let wrong = |problem: String| RecordError::Directory { path: root.into(), problem };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => RecordError::Full { path: root.into() },
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            wrong(format!("{} is not a directory; name another with host.state, or move it away", path.display()))
        }
        _ => wrong(format!("cannot be made ({error}); {ADVICE}")),
    })?;
    let metadata = fs::metadata(path).map_err(|error| wrong(format!("{}: {error}; {ADVICE}", path.display())))?;
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        // Not even the superuser: what it would write there, the owner could not write any more.
        let owner = metadata.uid();
        return Err(wrong(format!(
            "{} belongs to user {owner}, and this is user {user}; run hostler as that user, or name another with host.state",
            path.display()
        )));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(wrong(format!("others may write {}; run `chmod -R go-w` on it", path.display())));
    }
    accessat(CWD, path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
        .map_err(|error| wrong(format!("{} cannot be written ({error}); {ADVICE}", path.display())))
}

const ADVICE: &str = "name another with host.state, or mend its owner and permissions";
