//! The catalogue's plugins on real Redis servers, and on the PostgreSQL that a cache is filled from.

mod consistency;
mod evictions;
mod memory_purge;
mod snapshot;
mod warm;
