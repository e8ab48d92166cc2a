//! The hosts that share the state directory: each holds a lock on a file of its own for as long as it lives.
//!
//! The kernel lets go of the lock when the process is gone, by whatever death, and after a restart of the machine
//! nothing holds any. So a run whose host's lock is free (or whose file is missing) has nobody left to end it. A process
//! number would not do: it is given again to another process.

use std::{
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use crate::{RecordError, held, locks};

/// The hosts of one state directory, and this one among them.
pub(crate) struct Hosts {
    directory: PathBuf,
    own: Mutex<Option<Own>>,
}

struct Own {
    name: String,
    /// Its lock is what says that this host lives.
    _file: File,
}

impl Hosts {
    pub(crate) fn new(state: &Path) -> Self {
        Self { directory: state.join("locks/hosts"), own: Mutex::default() }
    }

    /// This host's name, which is locked from now on.
    pub(crate) fn own(&self) -> Result<String, RecordError> {
        let mut own = held(&self.own);
        if let Some(own) = &*own {
            return Ok(own.name.clone());
        }
        loop {
            let name = format!("{}-{:016x}", std::process::id(), RandomState::new().hash_one(std::process::id()));
            let path = self.directory.join(&name);
            // Another host may look at the file before it is locked, and take it away as a dead one's.
            if let Some(file) = locks::take(&path).map_err(RecordError::file(&path))? {
                *own = Some(Own { name: name.clone(), _file: file });
                return Ok(name);
            }
        }
    }

    /// Whether a host is gone.
    pub(crate) fn is_gone(&self, name: &str) -> bool {
        if self.is_own(name) || name.contains('/') {
            return false;
        }
        match locks::take_existing(&self.directory.join(name)) {
            Ok(locked) => locked.is_some(),
            // A file that cannot be looked at is taken for a living host's: to say "interrupted" of a run that is under
            // way is worse than to say it late.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Takes away what hosts that are gone have left. To be called after their runs were marked.
    pub(crate) fn sweep(&self) {
        let Ok(files) = fs::read_dir(&self.directory) else { return };
        for file in files.filter_map(Result::ok) {
            let Ok(name) = file.file_name().into_string() else { continue };
            if !self.is_own(&name)
                && let Ok(Some(_locked)) = locks::take_existing(&file.path())
            {
                self.remove(&name);
            }
        }
    }

    fn is_own(&self, name: &str) -> bool {
        held(&self.own).as_ref().is_some_and(|own| own.name == name)
    }

    fn remove(&self, name: &str) {
        // What cannot be removed is found again at the next start.
        let _ = fs::remove_file(self.directory.join(name));
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let own = held(&self.own).take();
        if let Some(own) = own {
            self.remove(&own.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_gone_is_known_to_be_and_leaves_nothing() {
        let state = tempfile::tempdir().expect("a directory");
        let files = state.path().join("locks/hosts");
        fs::create_dir_all(&files).expect("a directory");
        let (one, other) = (Hosts::new(state.path()), Hosts::new(state.path()));
        let (own, name) = (one.own().expect("a name"), other.own().expect("a name"));
        assert!(!one.is_gone(&own) && !one.is_gone(&name) && one.is_gone("1-0000000000000000"));
        one.sweep();
        assert!(files.join(&name).exists(), "a living host keeps its own");
        drop(other);
        assert!(one.is_gone(&name));
        assert!(!files.join(&name).exists() && files.join(&own).exists());
    }
}
