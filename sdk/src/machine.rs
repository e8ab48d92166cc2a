//! What the machine itself tells.

use crate::TaskError;
use crate::bindings::machine::hostler::plugin::machine as wit;

pub use wit::{ListeningSocket, Load, Memory, Mount, OperatingSystem, Process};

/// Memory and swap.
///
/// # Errors
/// Where no machine is bound.
pub async fn memory() -> Result<Memory, TaskError> {
    Ok(wit::read_memory().await?)
}

/// Load, pressure and open files.
///
/// # Errors
/// Where no machine is bound.
pub async fn load() -> Result<Load, TaskError> {
    Ok(wit::read_load().await?)
}

/// The mounts that hold data.
///
/// # Errors
/// Where no machine is bound.
pub async fn mounts() -> Result<Vec<Mount>, TaskError> {
    Ok(wit::list_mounts().await?)
}

/// Which processes run.
///
/// # Errors
/// Where no machine is bound.
pub async fn processes() -> Result<Vec<Process>, TaskError> {
    Ok(wit::list_processes().await?)
}

/// Who listens.
///
/// # Errors
/// Where no machine is bound.
pub async fn listening_sockets() -> Result<Vec<ListeningSocket>, TaskError> {
    Ok(wit::list_listening_sockets().await?)
}

/// Which system it is.
///
/// # Errors
/// Where no machine is bound.
pub async fn operating_system() -> Result<OperatingSystem, TaskError> {
    Ok(wit::read_operating_system().await?)
}

/// Paths below a bound directory that some process holds open.
///
/// # Errors
/// Where no machine is bound.
pub async fn open_paths(directory: &str) -> Result<Vec<String>, TaskError> {
    Ok(wit::list_open_paths(directory.into()).await?)
}
