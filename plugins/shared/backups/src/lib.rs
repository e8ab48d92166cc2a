//! What a backup is, for all plugins that write, check and restore one: a set of files under one dated name, with a
//! manifest that says what has to be in it, and with a proof once it was restored.
//!
//! A set is a directory `NAME-20250121T203400Z`. It has its name only when it is whole: while it is written it is called
//! `….partial`, and the manifest is its last file. A `proof.json` beside the manifest says that the set was restored and
//! found to hold what the manifest says, and only such a set is known to be a backup.

mod files;
mod manifest;
mod program;
mod retention;
mod shelf;
mod sweep;
mod turns;

pub use files::{differences, hashed, read_manifest, read_proof, write_json};
pub use manifest::{FORMAT, File, MANIFEST, Manifest, PROOF, Proof, TableRows};
pub use program::{ended_well, last_words};
pub use retention::{Item, Retention};
pub use shelf::{PARTIAL, Set, Shelf, set_name};
pub use sweep::{remove_past_retention, remove_unfinished};
pub use turns::Turns;

/// Only its owner reads a backup: it holds all the data.
pub const FILE_MODE: u32 = 0o600;
/// The same for directories.
pub const DIRECTORY_MODE: u32 = 0o700;

#[cfg(test)]
mod tests;
