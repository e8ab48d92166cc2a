//! The catalogue's plugins of backups, on what real programs made.

mod base;
mod dump;
mod freshness;
mod restore_test;
mod site;
mod verify;
