//! The directories of the operator: looked at, read, written and archived on behalf of plugins.
//!
//! It serves the interface `files`. Every path of a plugin becomes a bound directory and names below it
//! ([`hostler_capability::guest_path`]); from there on the host works with handles alone (`open`): no path leaves by
//! `..`, an absolute path, a symbolic link or a race. What is opened is looked at by its handle, so that a FIFO never
//! blocks a thread and a mounted procfs is never read. What is written is a temporary beside its place until it is
//! whole (`temporary`).
//!
//! Layers, from the plugin down: `host` implements the generated traits; `looking` and `changing` are one function a
//! call (the grant, the audit, the effect, and then a thread that may block); the other modules do the blocking work.

mod archive;
mod change;
mod changing;
mod client;
mod content;
mod errors;
mod filesystem;
mod grant;
mod host;
mod looking;
mod metadata;
mod open;
mod producer;
mod remove;
mod temporary;
mod tree;
mod walk;
mod work;
mod writer;

pub use client::{Completed, ContentStream, Files, TreeStream};
pub use errors::Problem;
pub use host::{FilesCapability, FilesRun};
pub use writer::OpenWriter;
