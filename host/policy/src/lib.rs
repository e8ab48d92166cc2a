//! What a grant allows: may this statement, command, path, argument, endpoint?
//!
//! Everything here is a pure function of a grant and a question, so that it can be read in one sitting, tested by
//! property and fuzzed without a server. A capability asks here and obeys; it decides nothing of its own. What is not
//! understood is refused.

pub mod endpoint;
pub mod program;
pub mod redis;
pub mod sql;
