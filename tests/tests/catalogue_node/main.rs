//! The catalogue's plugins for Node.js, with the machine's real node and npm, and a registry of the test's own.

mod registry;
mod runtime;
