//! Redis commands: may this command be sent, does it read, and which keys does it touch?
//!
//! A grant is written in Redis' own ACL words, because an operator knows them and because the same words make the ACL
//! user on the server. They are read more narrowly than the server reads them: what runs scripts, blocks, takes over
//! the server or reaches every key is never given by a category, only by its own name, and what changes the connection
//! itself is never given at all, since connections are shared by runs. Where the server says too little about a
//! command's keys, the grant has to have all keys.
//!
//! What a command is (its categories, its keys) comes from the server's own table, so that a grant means on each
//! version of Redis what it says there. Whether it *reads* cannot come from there alone: the flags do not tell MEMORY
//! DOCTOR from MEMORY PURGE, or CONFIG GET from CONFIG RESETSTAT; so a reviewed list in `reads` adds to them.

mod address;
mod cover;
mod grant;
mod keys;
mod pattern;
mod reads;
mod redact;
mod refusal;
mod ruling;
mod table;
mod word;

pub use address::{RedisAddress, RedisAddressError, RedisPlace};
pub use grant::RedisGrant;
pub use pattern::{Access, KeyPattern};
pub use redact::escaped;
pub use refusal::{RedisGrantError, RedisRefusal};
pub use ruling::{CommandDecision, Ruling};
pub use table::{BeginSearch, CommandEntry, CommandTable, FindKeys, KeySpec};
