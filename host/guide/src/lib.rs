//! The maintenance guide as a configuration: what is on this machine, which plugin answers which item, and a
//! `hostler.toml` that binds the one to the other.
//!
//! Nothing is guessed that grants a change of somebody's data: which tables to archive or which keys may expire is the
//! operator's to say, and stands in the text as a stanza to be completed, with the reason. Nothing is left out either:
//! every item of the guide has its line.

mod answers;
mod draft;
mod errors;
mod found;
mod items;
mod probe;
mod stanza;
mod write;

pub use draft::{Draft, draft};
pub use errors::GuideError;
pub use found::{Found, Server, look};
pub use items::{Item, Rhythm, items};
pub use write::write;
