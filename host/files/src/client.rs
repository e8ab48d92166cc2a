//! What every call shares, and the types of its answers. The calls themselves stand in [`crate::looking`] and
//! [`crate::changing`]: the grant is asked, the call is recorded, and only then a thread opens something.

use std::{
    collections::BTreeSet,
    os::fd::OwnedFd,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hostler_capability::{Binding, Error, RunContext};
use hostler_manifest::Access;
use hostler_world::files::{Entry, Metadata};

use crate::{
    grant::{Directories, Granted},
    metadata::Names,
};

/// How long a short call may take: a file system that does not answer holds no run up.
pub(crate) const QUICK: Duration = Duration::from_secs(60);

/// How a stream ended.
pub type Completed<T> = Pin<Box<dyn Future<Output = wasmtime::Result<Result<T, Error>>> + Send>>;

/// A list of entries, as its thread brings it.
pub struct TreeStream {
    /// Entries, some at a time.
    pub entries: tokio::sync::mpsc::Receiver<Vec<Entry>>,
    /// What could not be read, with the reason; to be awaited after the entries.
    pub completed: Completed<Vec<(String, String)>>,
}

/// A file's content, as its thread brings it.
pub struct ContentStream {
    /// Of the file that was opened.
    pub metadata: Metadata,
    /// Its bytes, some at a time.
    pub bytes: tokio::sync::mpsc::Receiver<Vec<u8>>,
    /// Whether it was read to its end; to be awaited after the bytes.
    pub completed: Completed<()>,
}

/// The directories of one run. Each call goes through the grant, the audit and, where it changes something, the plan.
#[derive(Clone)]
pub struct Files {
    pub(crate) context: Arc<RunContext>,
    pub(crate) directories: Arc<Directories>,
    pub(crate) names: Names,
    cleared: Arc<Mutex<BTreeSet<(u64, u64)>>>,
}

impl Files {
    /// The directories among the bindings of a run.
    pub fn new(bindings: &[Binding], context: &Arc<RunContext>) -> Self {
        Self {
            context: context.clone(),
            directories: Arc::new(Directories::new(bindings)),
            names: Names::default(),
            cleared: Arc::default(),
        }
    }

    /// The names bound to a request that takes many; none for any other.
    pub fn targets(&self, request: &str) -> Vec<String> {
        self.directories.targets(request)
    }

    pub(crate) fn decide(&self, path: &str, operation: &str, wanted: Access) -> Result<Granted, Error> {
        self.directories.decide(&self.context, path, operation, wanted)
    }

    /// Removes what killed hosts left in a directory, once a run and directory, and tells the operator.
    pub(crate) fn clear_leftovers(&self, directory: &OwnedFd, label: &str) {
        let Ok(stat) = rustix::fs::fstat(directory) else { return };
        let first = self.cleared.lock().unwrap_or_else(PoisonError::into_inner).insert((stat.st_dev, stat.st_ino));
        if !first {
            return;
        }
        let found = crate::temporary::clear_leftovers(directory);
        if found > 0 {
            self.context.note(format!("{label}: cleared {found} temporary files that an interrupted run had left"));
        }
    }
}
