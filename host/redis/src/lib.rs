//! Redis servers of the operator: asked, changed and scanned on behalf of plugins.
//!
//! It serves the interface `redis`. Every command is decided by [`hostler_policy::redis`] against the server's own
//! command table; what is refused never reaches the server. Connections are kept warm between runs (`pool`) and
//! never change their state, so that nothing of a run reaches the next one; a call that was dropped, timed out or
//! answered with nonsense takes its connection with it.
//!
//! RESP3 is spoken here rather than by a client library (`resp`), for three reasons. Replies are held to limits of
//! size and depth *while they are read*, which a library that returns whole values cannot do. They go straight into
//! the contract's nodes, which keeps a million replies as cheap as a native loop's. And they are bytes: a server's
//! error that quotes a plugin's argument, which need not be UTF-8, must not end a connection.
//!
//! Layers, from the plugin down: `host` implements the generated traits; `session` is one function a call: the
//! grant, the audit, the effect, and then the server; `pool`, `connect` and `connection` reach it.

mod blank;
mod capability;
mod connect;
mod connection;
mod examine;
mod failure;
mod host;
mod password;
mod pool;
mod resp;
mod scan;
mod session;
mod table;
mod tls;
mod tree;

pub use capability::{RedisCapability, RedisRun, Timeouts};
pub use examine::{Examination, Need, examine};
pub use scan::{Completed, Pages};
pub use session::Session;
