//! The output formats: one function each from an outcome to text, so that each can be read and tested alone.

mod changes;
mod details;
mod json;
mod junit;
mod look;
mod nagios;
mod prometheus;
#[cfg(test)]
pub(crate) mod samples;
mod text;

use clap::ValueEnum;
use hostler_service::Outcome;

pub(crate) use changes::changes;
pub use details::details;
pub(crate) use json::harmless;
pub use look::Style;
pub(crate) use look::{count, duration, lines, shown};

/// How an outcome is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: what needs action first, then a summary.
    #[default]
    Text,
    /// For programs, with a schema version.
    Json,
    /// A Monitoring Plugins line with performance data.
    Nagios,
    /// The Prometheus text exposition format, for a textfile collector.
    Prometheus,
    /// JUnit XML, a test case a task.
    Junit,
}

impl Format {
    /// The outcome as text, with its last newline.
    pub fn print(self, outcome: &Outcome, style: Style) -> String {
        match self {
            Self::Text => text::print(outcome, style),
            Self::Json => json::print(outcome),
            Self::Nagios => nagios::print(outcome),
            Self::Prometheus => prometheus::print(outcome),
            Self::Junit => junit::print(outcome),
        }
    }
}
