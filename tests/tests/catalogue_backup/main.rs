//! The catalogue's plugins of backups, on what real programs made.

mod dump;
mod freshness;
mod site;
mod verify;
