//! How a table is rewritten, and what stands against it.

use hostler_sdk::postgres::{Database, Parameter};
use hostler_sdk::prelude::*;
use hostler_sdk::shell::Outcome;
use hostler_sdk::{listed, quote_identifier};
use shared_relations::heap::Heap;

use crate::{Settings, is_planned};

/// Whether pg_repack is in the database, and what killed ones left there.
pub const REPACK: &str = "
    SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_repack') AS installed,
        (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'repack' AND c.relkind = 'r' AND c.relname ~ '^(log|table)_[0-9]+$')::int8 AS leftovers";

const SIZE: &str = "SELECT pg_total_relation_size($1::int8::oid::regclass)::float8 AS bytes";

/// How a table is rewritten.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum How {
    /// By pg_repack, beside the traffic.
    Repack,
    /// By VACUUM FULL, for so long at most.
    Full(Duration),
}

impl How {
    pub fn words(self) -> &'static str {
        match self {
            Self::Repack => "pg_repack and VACUUM",
            Self::Full(_) => "VACUUM FULL and VACUUM",
        }
    }
}

/// What there is to rewrite with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Means {
    pub bound: bool,
    pub installed: bool,
    pub leftovers: i64,
}

impl Means {
    /// That nothing is bound shows when it is called.
    pub async fn look(database: &Database) -> Result<Self, TaskError> {
        let row = database.query(REPACK, &[]).await?.one().await?;
        Ok(Self { bound: true, installed: row.get("installed")?, leftovers: row.get("leftovers")? })
    }

    /// What a table is rewritten with, or why with nothing.
    pub fn choose(self, heap: &Heap, settings: &Settings, open: Option<Duration>) -> Result<How, String> {
        let repack = match (self.bound, self.installed, heap.has_key) {
            (true, true, true) if self.leftovers == 0 => return Ok(How::Repack),
            (true, true, true) => "pg_repack has leftovers",
            (true, true, false) => "pg_repack needs a unique key that is never null",
            (_, false, _) => "the extension pg_repack is not in the database",
            (false, ..) => "pg_repack is not bound",
        };
        let full = match open {
            None if settings.window.is_empty() => "`window` is not set, so that VACUUM FULL is not begun".to_owned(),
            None => format!("the window {} of VACUUM FULL is closed", settings.window),
            Some(_) if heap.total > settings.full_most.as_f64() => {
                format!(
                    "it has {}, more than the {} of `full_most`",
                    ByteSize::from_f64(heap.total),
                    settings.full_most
                )
            }
            Some(left) => {
                let seconds = left.as_seconds().min(settings.timeout.as_seconds());
                return Ok(How::Full(Duration::from_seconds(seconds)));
            }
        };
        Err(format!("{repack}, and {full}"))
    }

    pub fn report_leftovers(self) {
        if self.leftovers > 0 {
            finding!(
                Severity::Warning,
                "repack-leftover",
                "pg_repack",
                "a pg_repack that was killed left {} behind, and a trigger that fills them",
                counted(self.leftovers, "table")
            )
            .remedy("while no pg_repack runs: DROP EXTENSION pg_repack CASCADE; CREATE EXTENSION pg_repack;")
            .report();
        }
    }
}

pub async fn size(database: &Database, oid: i64) -> Result<f64, TaskError> {
    database.query(SIZE, &[Parameter::from(oid)]).await?.one().await?.get("bytes")
}

pub fn ended(outcome: Outcome) -> Result<(), TaskError> {
    if is_planned(&outcome) {
        return Ok(());
    }
    let Outcome::Completed(completed) = outcome else { return Ok(()) };
    let said = String::from_utf8_lossy(&completed.stderr);
    // It returns 0 after a warning that it gave a table up.
    let trouble = said.lines().map(str::trim).find(|line| line.starts_with("ERROR") || line.starts_with("WARNING"));
    if completed.exit_code == Some(0) && trouble.is_none() {
        return Ok(());
    }
    let said =
        trouble.or_else(|| said.lines().map(str::trim).find(|line| !line.is_empty())).unwrap_or("it said nothing");
    Err(TaskError::new(format!("pg_repack failed: {}", said.chars().take(300).collect::<String>())))
}

pub fn report_unmeasured(heaps: &[Heap]) {
    if heaps.is_empty() {
        return;
    }
    let names: Vec<String> = heaps.iter().map(|heap| heap.name.to_string()).collect();
    finding!(
        Severity::Unknown,
        "extension-missing",
        "pgstattuple",
        "how much {} {} is unknown: {}",
        counted(heaps.len(), "large table"),
        agreed(heaps.len(), "wastes", "waste"),
        listed(&names, 5)
    )
    .remedy("CREATE EXTENSION pgstattuple; -- and GRANT pg_stat_scan_tables to the role")
    .report();
}

pub fn report_not_permitted(heap: &Heap, role: &str) {
    finding!(Severity::Unknown, "privilege-missing", heap.name.to_string(), "it is not the role's to rewrite")
        .remedy(format!(
            "GRANT {} TO {role}; -- where that is a superuser, give the table to another owner; from PostgreSQL 17 on: GRANT MAINTAIN ON {} TO {role};",
            heap.owner,
            heap.name.quoted()
        ))
        .report();
}

pub fn report_left(heap: &Heap, reason: &str) {
    finding!(Severity::Warning, "not-compacted", heap.name.to_string(), "it is left: {reason}")
        .remedy(
            "bind `repack` to pg_repack and CREATE EXTENSION pg_repack; or set `window` to when nobody needs the table",
        )
        .report();
}

pub fn report_no_room(heap: &Heap, available: u64) {
    finding!(
        Severity::Warning,
        "no-room",
        heap.name.to_string(),
        "its rewrite may take {} and {} are free: it is left",
        ByteSize::from_f64(heap.total * 2.0),
        ByteSize(available)
    )
    .remedy("make room on the server's disk")
    .report();
}

pub fn report_failure(heap: &Heap, how: How, error: &TaskError) {
    let name = heap.name.to_string();
    if error.is("55P03") {
        finding!(Severity::Warning, "table-busy", name, "its lock was not to be had: {}", error.message())
            .remedy("SELECT pid, query FROM pg_stat_activity WHERE state <> 'idle' ORDER BY xact_start; -- then run the task again")
            .report();
        return;
    }
    let by_hand =
        format!("VACUUM (FULL) {}", quote_identifier(&heap.name.schema) + "." + &quote_identifier(&heap.name.name));
    let remedy = match how {
        How::Repack => {
            "see the message; where it was killed: DROP EXTENSION pg_repack CASCADE; CREATE EXTENSION pg_repack;"
                .to_owned()
        }
        How::Full(_) => format!("{by_hand}; -- by hand in a window, once the cause is mended"),
    };
    finding!(
        Severity::Critical,
        "compact-failed",
        name,
        "{} failed, it is as it was: {}",
        how.words(),
        error.message()
    )
    .remedy(remedy)
    .report();
}
