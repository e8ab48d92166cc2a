//! What is to be done to one index, and what stands against it.

use hostler_sdk::postgres::Database;
use hostler_sdk::prelude::*;
use hostler_sdk::{listed, quote_qualified};

/// Every index with its state. Those of TOAST tables cannot be named in a statement of a task: they are only told.
const LOOK: &str = "
    SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, t.relname::text AS table_name,
        i.indisvalid AS valid, i.indisunique AS is_unique, i.indisexclusion AS excludes, c.relkind = 'I' AS partitioned,
        n.nspname = 'pg_toast' AS toast, p.pid IS NOT NULL AS building,
        pg_relation_size(c.oid)::float8 AS bytes,
        quote_ident(pg_get_userbyid(c.relowner)) AS owner,
        pg_has_role(c.relowner, 'USAGE')
            OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS owned, {maintained} AS maintained
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stat_progress_create_index p ON p.index_relid = i.indexrelid
        OR p.relid = i.indrelid
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";

/// The statement that lists the indexes. From PostgreSQL 17 on whoever may MAINTAIN a table may rebuild its indexes;
/// dropping one is its owner's alone.
pub fn look(version: u32) -> String {
    let maintained = if version >= 170_000 { "has_table_privilege(t.oid, 'MAINTAIN')" } else { "NULL::bool" };
    LOOK.replace("{maintained}", maintained)
}

/// Why an index has its turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// REINDEX CONCURRENTLY made it, or put it aside, and failed.
    Leftover,
    /// Its build failed.
    Invalid,
    /// It wastes too much.
    Bloated {
        /// What it would have if it were built now, in bytes.
        ideal: f64,
    },
}

/// An index with its turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    pub oid: i64,
    schema: String,
    name: String,
    table: String,
    pub bytes: f64,
    is_unique: bool,
    excludes: bool,
    toast: bool,
    owner: String,
    owned: bool,
    /// Whether the role may MAINTAIN its table; nothing where the server does not know that right.
    maintained: Option<bool>,
    kind: Kind,
}

/// All indexes, as one look found them.
pub struct Looked(Vec<Seen>);

struct Seen {
    work: Work,
    valid: bool,
    partitioned: bool,
    building: bool,
}

impl Looked {
    pub async fn read(database: &Database) -> Result<Self, TaskError> {
        Self::of(&database.query(&look(database.info().version), &[]).await?.rows().await?)
    }

    pub fn of(rows: &Rows) -> Result<Self, TaskError> {
        let seen = |row: Row| -> Result<Seen, TaskError> {
            let name: String = row.get("name")?;
            let kind = if is_leftover(&name) { Kind::Leftover } else { Kind::Invalid };
            let work = Work {
                oid: row.get("oid")?,
                schema: row.get("schema")?,
                name,
                table: row.get("table_name")?,
                bytes: row.get::<Option<f64>>("bytes")?.unwrap_or_default(),
                is_unique: row.get("is_unique")?,
                excludes: row.get("excludes")?,
                toast: row.get("toast")?,
                owner: row.get("owner")?,
                owned: row.get("owned")?,
                maintained: row.get("maintained")?,
                kind,
            };
            let (valid, partitioned) = (row.get("valid")?, row.get("partitioned")?);
            Ok(Seen { work, valid, partitioned, building: row.get("building")? })
        };
        Ok(Self(rows.iter().map(seen).collect::<Result<_, _>>()?))
    }

    /// Work on a valid index.
    pub fn work(&self, oid: i64, kind: Kind) -> Option<Work> {
        let seen = self.0.iter().find(|seen| seen.work.oid == oid && seen.valid)?;
        Some(Work { kind, ..seen.work.clone() })
    }

    /// Whether the work is still to be done: the index is there, in the state that it had.
    pub fn still(&self, work: &Work) -> bool {
        let wanted = matches!(work.kind, Kind::Bloated { .. });
        self.0.iter().any(|seen| seen.work.oid == work.oid && seen.valid == wanted && !seen.building)
    }

    /// The size of the index of that name; zero where there is none.
    pub fn bytes(&self, full_name: &str) -> f64 {
        self.0.iter().find(|seen| seen.work.full_name() == full_name).map_or(0.0, |seen| seen.work.bytes)
    }
}

/// `_ccnew` and `_ccold`, with a number where the name was taken.
pub fn is_leftover(name: &str) -> bool {
    let name = name.trim_end_matches(|character: char| character.is_ascii_digit());
    name.ends_with("_ccnew") || name.ends_with("_ccold")
}

/// The invalid ones that nobody is building, leftovers first: each of them is written by every INSERT.
pub fn invalid(looked: &Looked) -> Vec<Work> {
    let due = looked.0.iter().filter(|seen| !seen.valid && !seen.building && !seen.partitioned);
    let mut works: Vec<Work> = due.map(|seen| seen.work.clone()).collect();
    works.sort_by_key(|work| work.rebuilds());
    works
}

/// Large indexes of which nobody knows how much is waste.
pub fn report_unmeasured(names: &[String]) {
    if !names.is_empty() {
        finding!(
            Severity::Unknown,
            "extension-missing",
            "pgstattuple",
            "how much {} {} is unknown, so they are left: {}",
            counted(names.len(), "large index"),
            agreed(names.len(), "wastes", "waste"),
            listed(names, 5)
        )
        .detail("The width of their keys is not fixed, and pgstattuple is not there or not the role's to use.")
        .remedy("CREATE EXTENSION pgstattuple; -- and GRANT pg_stat_scan_tables to the role")
        .report();
    }
}

impl Work {
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    fn quoted(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }

    pub fn rebuilds(&self) -> bool {
        self.kind != Kind::Leftover
    }

    pub fn statement(&self) -> String {
        match self.kind {
            Kind::Leftover => format!("DROP INDEX CONCURRENTLY {}", self.quoted()),
            _ => format!("REINDEX INDEX CONCURRENTLY {}", self.quoted()),
        }
    }

    pub fn reason(&self) -> String {
        match self.kind {
            Kind::Leftover => "left by a rebuild that failed".into(),
            Kind::Invalid => "its build failed".into(),
            Kind::Bloated { ideal } => format!("{} wasted", ByteSize::from_f64(self.bytes - ideal)),
        }
    }

    pub fn title(&self) -> String {
        let verb = if self.rebuilds() { "rebuild" } else { "drop" };
        format!("{verb} {}, {}: {}", self.full_name(), ByteSize::from_f64(self.bytes), self.reason())
    }

    /// The bytes that it is expected to have afterwards.
    pub fn expected(&self) -> f64 {
        match self.kind {
            Kind::Leftover => 0.0,
            Kind::Invalid => self.bytes,
            Kind::Bloated { ideal } => ideal,
        }
    }

    /// The room for it: the new one beside the old, and what the sort spills.
    pub fn needs(&self) -> u64 {
        (self.bytes * 2.0) as u64
    }

    fn is_permitted(&self) -> bool {
        self.owned || self.rebuilds() && self.maintained == Some(true)
    }

    pub fn can_be_done(&self) -> bool {
        self.is_permitted() && !self.toast && !(self.excludes && self.rebuilds())
    }

    pub fn report_left_out(&self, role: &str) {
        let (severity, code, why, remedy) = if self.toast {
            let remedy = format!("{}; -- as a superuser", self.statement());
            (Severity::Warning, "toast-index", "it belongs to a TOAST table, which is left to a superuser", remedy)
        } else if self.excludes {
            let remedy = format!("REINDEX INDEX {}; -- locks its table against writing: in a window", self.quoted());
            let why = "it enforces an exclusion constraint, which cannot be rebuilt beside the traffic";
            (Severity::Warning, "exclusion-constraint", why, remedy)
        } else {
            let remedy = match self.maintained {
                Some(_) if self.rebuilds() => {
                    format!("GRANT MAINTAIN ON {} TO {role};", quote_qualified(&self.schema, &self.table))
                }
                _ => format!("GRANT {} TO {role};", self.owner),
            };
            (
                Severity::Unknown,
                "privilege-missing",
                if self.rebuilds() { "it is not the role's to rebuild" } else { "it is not the role's to drop" },
                remedy,
            )
        };
        finding!(severity, code, self.full_name(), "{}, on {}: {why}", self.reason(), self.table)
            .remedy(remedy)
            .report();
    }

    pub fn report_no_room(&self, available: u64) {
        finding!(
            Severity::Warning,
            "no-room",
            self.full_name(),
            "its rebuild may take {} and {} are free: it is left",
            ByteSize(self.needs()),
            ByteSize(available)
        )
        .remedy("make room on the server's disk, or drop and create the index in a window")
        .report();
    }

    pub fn report_failure(&self, error: TaskError) {
        let (code, remedy) = if error.is("55P03") {
            (
                "index-busy",
                format!(
                    "SELECT pid, query FROM pg_stat_activity WHERE xact_start < now() - interval '1 min'; -- then {};",
                    self.statement()
                ),
            )
        } else if self.is_unique && error.is("23505") {
            (
                "duplicate-rows",
                format!("remove the rows that are there twice in {}, then {};", self.table, self.statement()),
            )
        } else {
            ("rebuild-failed", format!("{}; -- by hand, once the cause is mended", self.statement()))
        };
        let severity = if code == "index-busy" { Severity::Warning } else { Severity::Critical };
        finding!(severity, code, self.full_name(), "{}: {}", self.reason(), error.message()).remedy(remedy).report();
    }
}
