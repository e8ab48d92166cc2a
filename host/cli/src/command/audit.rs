//! `audit verify`.

use std::path::Path;

use hostler_record::Record;

use super::{configuration::load, print::out};
use crate::exit::{UNAVAILABLE, failure};

/// Follows the audit's chain, and holds it against the history.
pub(super) fn verify(config: &Path) -> anyhow::Result<u8> {
    let record = Record::open(&load(config)?.host.state).map_err(|error| failure(UNAVAILABLE, error.to_string()))?;
    let heads = record.history().audit_heads().map_err(|error| failure(UNAVAILABLE, error.to_string()))?;
    let verified = record.audit_file().verify(&heads).map_err(|problem| failure(2, problem.to_string()))?;
    let torn = if verified.torn == 0 {
        String::new()
    } else {
        format!(", {} cut short by a kill or a full disk", verified.torn)
    };
    out(&format!(
        "{} lines are as they were written{torn}; {} runs were held against them\n",
        verified.lines, verified.heads
    ))?;
    Ok(0)
}
