//! The machine's part of the policy: it is bound or it is not, and a directory whose open paths are told is bound too.

use hostler_capability::{Binding, Error, Grant, GuestPathError, RunContext, guest_path};

/// What a run is granted of the machine.
pub(crate) struct MachineGrant {
    request: Option<String>,
    bindings: Vec<Binding>,
}

/// A bound directory, or a place below one.
pub(crate) struct Directory {
    pub(crate) label: String,
    pub(crate) resource: String,
    /// The operator's path with the names below it.
    pub(crate) path: std::path::PathBuf,
    /// The operator's path alone.
    pub(crate) root: std::path::PathBuf,
    pub(crate) shown: String,
}

impl MachineGrant {
    pub(crate) fn new(bindings: &[Binding]) -> Self {
        let machine = bindings.iter().find(|binding| binding.grant == Grant::Machine);
        let directories = bindings.iter().filter(|binding| matches!(binding.grant, Grant::Directory(_)));
        Self { request: machine.map(|binding| binding.request.clone()), bindings: directories.cloned().collect() }
    }

    /// The request that the machine is bound to.
    ///
    /// # Errors
    /// `denied`, recorded.
    pub(crate) fn decide(&self, context: &RunContext, operation: &str) -> Result<&str, Error> {
        let denied = || context.deny("machine", operation, "no request of kind \"machine\" is bound");
        self.request.as_deref().ok_or_else(denied)
    }

    /// The directory that a path names.
    ///
    /// # Errors
    /// `denied`, recorded, or `invalid`.
    pub(crate) fn directory(&self, context: &RunContext, path: &str) -> Result<Directory, Error> {
        let operation = format!("list-open-paths {}", &path[..path.floor_char_boundary(4096)]);
        let request = self.decide(context, &operation)?;
        let place = guest_path(&self.bindings, path).map_err(|problem| match problem {
            GuestPathError::Relative | GuestPathError::Escape => Error::Invalid(format!("{path}: {problem}")),
            _ => context.deny(request, &operation, &problem.to_string()),
        })?;
        let root = place.directory.path.clone();
        Ok(Directory {
            shown: place.shown(),
            resource: place.resource.into(),
            path: root.join(place.names.iter().collect::<std::path::PathBuf>()),
            root,
            label: place.label,
        })
    }
}
