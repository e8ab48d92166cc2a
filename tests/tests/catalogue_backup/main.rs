//! The catalogue's plugins of backups, on what real programs made.

mod freshness;
