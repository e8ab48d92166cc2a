//! The catalogue's plugins that look after the machine: its packages, its logs, what has to hold on it.

mod apt;
mod compliance;
mod logs_rotation;
mod patch;
mod updates;
