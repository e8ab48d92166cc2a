//! What the machine itself tells: memory, load, mounts, listening sockets, processes.
//!
//! It serves the interface `machine`. The host reads /proc and /sys itself and hands over figures, because a plugin
//! that could read there would see every process's environment and arguments. Neither is ever read here.
//!
//! Each module holds pure functions from the kernel's text to the contract's records, tested on sample text, and one
//! function that reads the real files; `client` calls that on a thread that may block.

#[cfg(test)]
mod checks;
mod client;
mod errors;
mod grant;
mod host;
mod load;
mod memory;
mod mounts;
mod open_paths;
mod operating_system;
mod processes;
#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod sockets;

pub use client::Machine;
pub use errors::Problem;
pub use host::MachineCapability;
