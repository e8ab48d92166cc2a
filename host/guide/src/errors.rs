//! What can be wrong with the guide's own tables, which are part of the program.

use thiserror::Error;

/// The guide cannot be read.
#[derive(Debug, Error)]
pub enum GuideError {
    /// A table of the program's is damaged.
    #[error("the built-in table {table} is damaged: {problem}")]
    Table {
        /// Which.
        table: &'static str,
        /// What is wrong.
        problem: String,
    },
}
