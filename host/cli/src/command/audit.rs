//! `audit verify` and `audit show`.

use std::{fmt::Write, path::Path};

use hostler_record::{AuditLine, Record};

use super::{configuration::load, print::out};
use crate::{
    arguments::ListFormat,
    exit::{UNAVAILABLE, USAGE, failure},
    format::{harmless, shown},
};

/// Follows the audit's chain, and holds it against the history and the heads that were given.
pub(super) fn verify(config: &Path, heads: &[String]) -> anyhow::Result<u8> {
    let record = open(config)?;
    let mut expected = record.history().audit_heads().map_err(|error| failure(UNAVAILABLE, error.to_string()))?;
    for given in heads {
        let (lines, hash) = given
            .split_once(':')
            .and_then(|(lines, hash)| Some((lines.parse::<u64>().ok()?, hash)))
            .filter(|(lines, hash)| *lines > 0 && hash.len() == 64)
            .ok_or_else(|| failure(USAGE, "--head takes LINES:HASH, such as the journal's 120:9f86d0…"))?;
        expected.push(("that --head names".into(), hash.to_ascii_lowercase(), lines));
    }
    let verified = record.audit_file().verify(&expected).map_err(|problem| failure(2, problem.to_string()))?;
    let torn = match verified.torn {
        0 => String::new(),
        torn => format!(", {torn} cut short by a kill or a full disk"),
    };
    let let_go = match verified.let_go {
        0 => String::new(),
        lines => format!(", the {lines} oldest let go (host.audit_bytes)"),
    };
    out(&format!(
        "{} lines are as they were written{let_go}{torn}; {} runs were held against them\n",
        verified.lines, verified.heads
    ))?;
    Ok(0)
}

/// Prints lines of the audit.
pub(super) fn show(config: &Path, run: Option<&str>, format: ListFormat) -> anyhow::Result<u8> {
    let record = open(config)?;
    let mut found = false;
    record.audit_file().each_line(|line, text| {
        if run.is_some_and(|run| run != line.run) {
            return Ok(());
        }
        found = true;
        match format {
            ListFormat::Json => out(&harmless(&format!("{text}\n"))),
            ListFormat::Text => out(&told(&line)),
        }
    })?;
    if let Some(run) = run.filter(|_| !found) {
        return Err(failure(
            UNAVAILABLE,
            format!("the audit has no line of a run {}; `hostler history` lists them", shown(run)),
        ));
    }
    Ok(0)
}

fn open(config: &Path) -> anyhow::Result<Record> {
    Record::open(&load(config)?.host.state).map_err(|error| failure(UNAVAILABLE, error.to_string()))
}

/// A call on a line: when, what was decided, what was asked, by which rule, and how it went.
fn told(line: &AuditLine) -> String {
    let mut text = format!("{}  {}  {:<9}  {}  {}", line.time, line.run, line.decision, line.request, line.operation);
    if !line.rule.is_empty() {
        let _ = write!(text, "  [{}]", line.rule);
    }
    if let Some(duration) = line.duration_us {
        let _ = write!(text, "  {duration} µs");
    }
    for (number, unit) in [(line.rows, "rows"), (line.bytes, "bytes")] {
        if let Some(number) = number {
            let _ = write!(text, "  {number} {unit}");
        }
    }
    shown(&text) + "\n"
}
