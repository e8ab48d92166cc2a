//! The registry directory: installed plugins, and the lock that says what was consented to.
//!
//! A plugin is stored whole or not at all, under a name made of its digest, and what counts is the lock file: a file
//! that it does not name is not installed. So an install is one rename, and a kill at any moment leaves the old state
//! or the new one. Nothing here runs a plugin.

mod candidate;
mod difference;
mod errors;
mod lock;
mod registry;
mod verify;

pub use candidate::{Candidate, LARGEST, components};
pub use difference::{Difference, asked};
pub use errors::RegistryError;
pub use lock::{Lock, LockedPlugin};
pub use registry::{Consent, Installed, Registry};
pub use verify::Damage;
