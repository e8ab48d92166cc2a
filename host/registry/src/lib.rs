//! The registry: which plugins are installed, byte for byte, and what an operator consented to.
//!
//! A directory of component files named by their digests, and `hostler.lock`, which says which of them hold. A file is
//! never changed, so that the lock, replaced in one step, is all that an installation turns over: a kill at any moment
//! leaves what was before or what is after. Nothing of a plugin is run here, and compiled code is kept elsewhere.

mod candidate;
mod describe;
mod difference;
mod discover;
mod durable;
mod errors;
mod exclusive;
mod install;
mod lock;
mod registry;
mod verify;

pub use candidate::{Candidate, LARGEST, examine, examine_file, inspect_file};
pub use describe::describe;
pub use difference::{Change, Difference};
pub use discover::{Discovered, discover};
pub use errors::RegistryError;
pub use install::Consent;
pub use lock::Locked;
pub use registry::{Installed, Registry};
pub use verify::Finding;
