//! Who starts the procedures: systemd or cron. The host has no process of its own that waits for the night, because
//! the machine has one already, which operators know, and which starts what a shutdown made it miss.
//!
//! Everything here is text made from the configuration, to be read before it is installed.

mod crontab;
mod needs;
mod systemd;
mod times;

use std::path::Path;

pub use crontab::crontab;
pub use needs::{Needs, needs};
pub use systemd::{Unit, units};
pub use times::times;

/// Who starts what, and as whom.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The host's program.
    pub program: &'a Path,
    /// Its configuration.
    pub config: &'a Path,
    /// The user that it runs as.
    pub user: &'a str,
}
