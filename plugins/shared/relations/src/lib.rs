//! What the plugins that work on tables and indexes ask of a server: how much of them is waste, and whether now is a time
//! to work on them.

pub mod conditions;
pub mod heap;
pub mod index;
pub mod partition;
pub mod size;
pub mod space;
pub mod table;
