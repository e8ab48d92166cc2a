//! The directories that a run is granted: which place a path names, and whether it may be written.
//!
//! A directory is opened at its first use and kept for the run, so that a run sees one directory even where its path
//! is given to another meanwhile. The operator's own path may lead over links: it is the operator's word.

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use hostler_capability::{Binding, Error, Grant, GuestPath, GuestPathError, RunContext, guest_path};
use hostler_manifest::Access;
use rustix::fs::{Mode, OFlags};

use crate::{Problem, filesystem, open::Place};

/// The directories bound to a run's requests.
pub(crate) struct Directories {
    bindings: Vec<Binding>,
    handles: Mutex<BTreeMap<PathBuf, Arc<OwnedFd>>>,
}

impl Directories {
    pub(crate) fn new(bindings: &[Binding]) -> Self {
        let directories = bindings.iter().filter(|binding| matches!(binding.grant, Grant::Directory(_)));
        Self { bindings: directories.cloned().collect(), handles: Mutex::default() }
    }

    /// The names bound to a request that takes many.
    pub(crate) fn targets(&self, request: &str) -> Vec<String> {
        let binding = self.bindings.iter().find(|binding| binding.request == request && binding.many);
        binding.map(|binding| binding.targets.iter().map(|target| target.name.clone()).collect()).unwrap_or_default()
    }

    /// Decides about a path: the place that it names, or the refusal, recorded.
    ///
    /// # Errors
    /// `denied`, or `invalid` for a path that is none.
    pub(crate) fn decide(
        &self,
        context: &RunContext,
        path: &str,
        operation: &str,
        wanted: Access,
    ) -> Result<Granted, Error> {
        let asked = || format!("{operation} {}", shortened(path));
        let place = guest_path(&self.bindings, path).map_err(|problem| match problem {
            GuestPathError::Relative | GuestPathError::Escape => {
                Error::Invalid(format!("{}: {problem}", shortened(path)))
            }
            _ => context.deny(request_of(path), &asked(), &problem.to_string()),
        })?;
        if place.access < wanted {
            return Err(context.deny(&place.label, &asked(), "access = \"read\""));
        }
        Ok(Granted::new(&place))
    }

    /// Opens the directory of a place that was granted.
    ///
    /// # Errors
    /// Where it cannot be opened, or lies on a file system of the kernel's own.
    pub(crate) fn open(&self, granted: &Granted) -> Result<Place, Problem> {
        let kept = self.handles.lock().unwrap_or_else(PoisonError::into_inner).get(&granted.path).cloned();
        let root = match kept {
            Some(root) => root,
            None => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let root = rustix::fs::open(&granted.path, flags, Mode::empty()).map_err(|errno| {
                    Problem::Unavailable { resource: granted.resource.clone(), source: errno.into() }
                })?;
                filesystem::check(&root, &format!("directory.{}", granted.resource))?;
                let root = Arc::new(root);
                let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
                handles.entry(granted.path.clone()).or_insert(root).clone()
            }
        };
        Ok(Place { root, label: granted.label.clone(), names: granted.names.clone() })
    }
}

/// A place that a grant covers, not opened yet.
#[derive(Debug, Clone)]
pub(crate) struct Granted {
    pub(crate) label: String,
    pub(crate) shown: String,
    resource: String,
    path: PathBuf,
    names: Vec<std::ffi::OsString>,
    access: Access,
}

impl Granted {
    fn new(place: &GuestPath<'_>) -> Self {
        Self {
            label: place.label.clone(),
            shown: place.shown(),
            resource: place.resource.into(),
            path: place.directory.path.clone(),
            names: place.names.clone(),
            access: place.access,
        }
    }

    /// The rule that allowed it, as the operator writes it.
    pub(crate) fn rule(&self) -> &'static str {
        match self.access {
            Access::Read => "access = \"read\"",
            Access::Write => "access = \"write\"",
        }
    }
}

fn request_of(path: &str) -> &str {
    let request = path.split('/').find(|part| !part.is_empty()).unwrap_or(path);
    &request[..request.floor_char_boundary(64)]
}

/// A plugin's path in a record: long enough for any real one.
fn shortened(path: &str) -> &str {
    &path[..path.floor_char_boundary(4096)]
}
