//! Logs as plugins read them: each line once, whatever rotates the file in between, in bounded memory.
//!
//! Where a run stopped is kept as device, inode and offset. The next run reads the rest of that file wherever rotation
//! has put it by then (renamed, copied and truncated, or compressed), then what came after it, then the file itself. A
//! last line without its end is left for the next run: it is still being written. What is gone is said, never skipped in
//! silence.

mod access;
mod clock;
pub mod csv;
mod follow;
mod lines;
mod top;

pub use access::{Request, parse};
pub use clock::{month, seconds_of};
pub use csv::csvlog;
pub use follow::{Follower, Position, Read, follow};
pub use lines::Lines;
pub use top::Top;
