//! The state directory as a whole.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use hostler_capability::{AuditLog, Locks, StateStore};

use crate::{
    AuditFile, FileLocks, History, RecordError,
    state::{Discarded, Durable, StateFile},
};

/// All that a host keeps.
pub struct Record {
    directory: PathBuf,
    audit: Arc<AuditFile>,
    locks: Arc<FileLocks>,
    history: Arc<History>,
    state: Arc<StateFile>,
}

impl Record {
    /// Opens a state directory, and makes it where it is not there. Databases are opened when they are first used.
    ///
    /// # Errors
    /// Where it cannot be made or written, or belongs to another user.
    pub fn open(directory: &Path) -> Result<Self, RecordError> {
        for part in ["audit", "locks", "scratch"] {
            make(directory, &directory.join(part))?;
        }
        let locks = Arc::new(FileLocks::open(&directory.join("locks"))?);
        Ok(Self {
            directory: directory.into(),
            audit: Arc::new(AuditFile::open(&directory.join("audit/audit.jsonl"))?),
            history: Arc::new(History::new(&directory.join("history.sqlite"), &locks)),
            state: Arc::new(StateFile::new(&directory.join("state.sqlite"))),
            locks,
        })
    }

    /// Where runs have their scratch directories.
    pub fn scratch(&self) -> PathBuf {
        self.directory.join("scratch")
    }

    /// The audit, for runs.
    pub fn audit(&self) -> Arc<dyn AuditLog> {
        self.audit.clone()
    }

    /// The audit, to be verified.
    pub fn audit_file(&self) -> &AuditFile {
        &self.audit
    }

    /// Locks of this host.
    pub fn locks(&self) -> Arc<dyn Locks> {
        self.locks.clone()
    }

    /// The history of runs.
    pub fn history(&self) -> &Arc<History> {
        &self.history
    }

    /// What a task remembers: kept, or a copy that is thrown away.
    pub fn state(&self, task: &str, keep: bool) -> Arc<dyn StateStore> {
        let durable = Durable::new(&self.state, task);
        if keep { Arc::new(durable) } else { Arc::new(Discarded::over(durable)) }
    }
}

fn make(root: &Path, path: &Path) -> Result<(), RecordError> {
    let wrong = |problem: String| RecordError::Directory { path: root.into(), problem };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| {
        wrong(format!("cannot be made or written ({error}); name another with host.state, or mend its owner and permissions"))
    })?;
    let metadata = fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    let user = rustix::process::geteuid();
    if metadata.uid() != user.as_raw() && !user.is_root() {
        return Err(wrong("belongs to another user; run hostler as that user, or name another with host.state".into()));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(wrong(format!("others may write {}; run `chmod -R go-w` on it", path.display())));
    }
    Ok(())
}
