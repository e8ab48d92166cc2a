//! One partitioned table: what it has, what it lacks, and what it says of that.

use hostler_sdk::postgres::{Database, Parameter};
use hostler_sdk::prelude::*;
use hostler_sdk::quote_identifier;
use shared_relations::partition::{Bound, End, Kind, Partition, Partitioned};
use shared_relations::table::Name;

use crate::Settings;
use crate::width::{Width, name};

/// The partitioned tables that are no partitions themselves, with all that one statement on one of them locks.
pub const TABLES: &str = "
    SELECT n.nspname::text AS schema, c.relname::text AS name, c.oid::int8 AS oid,
        quote_ident(pg_get_userbyid(c.relowner)) AS owner, quote_ident(current_user) AS role,
        pg_has_role(c.relowner, 'USAGE') OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS permitted,
        (SELECT count(*) FROM pg_partition_tree(c.oid))::int8 AS relations,
        (SELECT count(*) FROM pg_partition_tree(c.oid) t JOIN pg_index i ON i.indrelid = t.relid)::int8 AS indexes,
        current_setting('max_locks_per_transaction')::int8
            * (current_setting('max_connections')::int8 + current_setting('max_prepared_transactions')::int8) AS locks
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'p' AND NOT c.relispartition ORDER BY 1, 2";

/// Tables beside a partitioned one that have its columns and a name as its partitions have it, and are none.
pub const LEFTOVERS: &str = "
    SELECT c.relname::text AS name
    FROM pg_class p JOIN pg_class c ON c.relnamespace = p.relnamespace
    WHERE p.oid::int8 = $1::int8 AND c.relkind = 'r' AND NOT c.relispartition
        AND starts_with(c.relname::text, p.relname::text) AND c.relname::text ~ '[0-9]'
        AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid OR i.inhparent = c.oid)
        AND (SELECT string_agg(a.attname::text || ' ' || a.atttypid::text, ',' ORDER BY a.attname) FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
            = (SELECT string_agg(a.attname::text || ' ' || a.atttypid::text, ',' ORDER BY a.attname) FROM pg_attribute a
                WHERE a.attrelid = p.oid AND a.attnum > 0 AND NOT a.attisdropped)
    ORDER BY 1";

/// As many rows of a default partition are counted.
const COUNTED: i64 = 10_001;

/// A partitioned table.
pub struct Table {
    pub name: Name,
    pub oid: i64,
    owner: String,
    role: String,
    pub permitted: bool,
    relations: i64,
    indexes: i64,
    locks: i64,
}

impl Table {
    pub async fn all(database: &Database) -> Result<Vec<Self>, TaskError> {
        Self::of(&database.query(TABLES, &[]).await?.rows().await?)
    }

    pub fn of(rows: &Rows) -> Result<Vec<Self>, TaskError> {
        let table = |row: Row| -> Result<Self, TaskError> {
            Ok(Self {
                name: Name { schema: row.get("schema")?, name: row.get("name")? },
                oid: row.get("oid")?,
                owner: row.get("owner")?,
                role: row.get("role")?,
                permitted: row.get("permitted")?,
                relations: row.get("relations")?,
                indexes: row.get("indexes")?,
                locks: row.get("locks")?,
            })
        };
        rows.iter().map(table).collect()
    }

    /// The lock budget: each partition and each of its indexes is one lock of a statement that nothing narrows.
    pub fn report_locks(&self, settings: &Settings) {
        let takes = self.relations + self.indexes;
        Metric::gauge("postgres_partitions", (self.relations - 1) as f64)
            .label("table", self.name.to_string())
            .report();
        let Some(share) = Percent::of(takes as f64, self.locks as f64) else { return };
        let finding = finding!(
            Severity::Ok,
            "lock-budget",
            self.name.to_string(),
            "a statement on all {} takes {takes} locks, {share} of the {} that the server has",
            counted(self.relations - 1, "partition"),
            self.locks
        )
        .remedy("raise max_locks_per_transaction (a restart), or have fewer partitions or fewer indexes on each");
        Metric::gauge("postgres_partition_locks_percent", share.0).label("table", self.name.to_string()).judge(
            &settings.lock_warning,
            &settings.lock_critical,
            finding,
        );
    }

    /// Rows that only the default partition took.
    pub async fn report_default(&self, database: &Database, partitioned: &Partitioned) -> Result<(), TaskError> {
        let Some(partition) = partitioned.default() else { return Ok(()) };
        let key = partitioned.key.as_ref().map_or_else(|| "NULL".to_owned(), |(name, _)| quote_identifier(name));
        let sql = format!(
            "SELECT count(*)::int8 AS rows, min(k)::text AS first, max(k)::text AS last FROM (SELECT {key} AS k FROM {} LIMIT {COUNTED}) q",
            partition.name.quoted()
        );
        let row = database.query(&sql, &[]).await?.one().await?;
        let rows: i64 = row.get("rows")?;
        Metric::gauge("postgres_partition_default_rows", rows as f64).label("table", self.name.to_string()).report();
        if rows == 0 {
            return Ok(());
        }
        let (first, last): (Option<String>, Option<String>) = (row.get("first")?, row.get("last")?);
        let range = match (first, last) {
            (Some(first), Some(last)) => format!(", among them from {first} to {last}"),
            _ => String::new(),
        };
        let many = if rows >= COUNTED { "more than 10000 rows".to_owned() } else { counted(rows, "row") };
        finding!(
            Severity::Critical,
            "rows-in-default",
            partition.name.to_string(),
            "{many} that no partition of {} takes{range}",
            self.name
        )
        .detail("No partition can be made for a range while rows of it are in the default one.")
        .remedy(self.moves(partition))
        .report();
        Ok(())
    }

    fn moves(&self, partition: &Partition) -> String {
        let (table, default) = (self.name.quoted(), partition.name.quoted());
        format!(
            "BEGIN; ALTER TABLE {table} DETACH PARTITION {default}; CREATE TABLE … PARTITION OF {table} FOR VALUES FROM (…) TO (…); \
             INSERT INTO {table} SELECT * FROM {default}; TRUNCATE {default}; ALTER TABLE {table} ATTACH PARTITION {default} DEFAULT; COMMIT;"
        )
    }

    /// Ranges that no partition takes, partitions that are half off, and tables that look like some that are off.
    pub async fn report_shape(
        &self,
        database: &Database,
        partitioned: &Partitioned,
        settings: &Settings,
    ) -> Result<(), TaskError> {
        if let Some((_, kind)) = &partitioned.key {
            for (before, behind) in gaps(&partitioned.partitions) {
                finding!(
                    Severity::Warning,
                    "gap",
                    self.name.to_string(),
                    "no partition takes what lies from {} to {}",
                    kind.literal(before),
                    kind.literal(behind)
                )
                .remedy(format!(
                    "CREATE TABLE … PARTITION OF {} FOR VALUES FROM ({}) TO ({});",
                    self.name.quoted(),
                    kind.literal(before),
                    kind.literal(behind)
                ))
                .report();
            }
        }
        for partition in partitioned.partitions.iter().filter(|partition| partition.pending) {
            finding!(
                Severity::Warning,
                "detach-pending",
                partition.name.to_string(),
                "taking it off {} broke off in the middle",
                self.name
            )
            .remedy(format!("{};", partitioned.detach(&self.name, partition)))
            .report();
        }
        let rows = database.query(LEFTOVERS, &[Parameter::from(self.oid)]).await?.rows().await?;
        for row in rows.iter() {
            let leftover = self.name.beside(row.get("name")?);
            if settings.exclude.contains(&leftover.to_string()) {
                continue;
            }
            finding!(Severity::Warning, "detached-leftover", leftover.to_string(), "it has the columns of {} and is none of its partitions", self.name)
                .remedy(format!(
                    "SELECT count(*) FROM {0}; -- then attach it again, archive it, or DROP TABLE {0}; where it is none, add it to `exclude`",
                    leftover.quoted()
                ))
                .report();
        }
        Ok(())
    }

    /// The value that new rows have about now.
    pub async fn present(&self, database: &Database, key: &(String, Kind), now: Timestamp) -> Result<i64, TaskError> {
        if key.1.is_time() {
            return Ok(i64::try_from(now.0).unwrap_or(i64::MAX / 1000) * 1000);
        }
        let sql = format!("SELECT max({})::int8 AS most FROM {}", quote_identifier(&key.0), self.name.quoted());
        Ok(database.query(&sql, &[]).await?.one().await?.get::<Option<i64>>("most")?.unwrap_or(0))
    }

    pub fn report_ahead(&self, partitioned: &Partitioned, present: i64, settings: &Settings) {
        let Some(ahead) = ahead(&partitioned.partitions, present) else { return };
        let next = next(&self.name, partitioned);
        let remedy = match &next {
            Some(next) => format!("{}; -- or set create = true", next.statement(&self.name)),
            None => format!("CREATE TABLE … PARTITION OF {} FOR VALUES FROM (…) TO (…);", self.name.quoted()),
        };
        let last = ranges(&partitioned.partitions).last().map_or("none", |(last, ..)| last.name.name.as_str());
        let finding = finding!(
            Severity::Ok,
            "few-ahead",
            self.name.to_string(),
            "{} {} ahead (the last is {last})",
            counted(ahead as u64, "partition"),
            agreed(ahead as u64, "lies", "lie")
        )
        .remedy(remedy);
        Metric::gauge("postgres_partitions_ahead", ahead as f64).label("table", self.name.to_string()).judge(
            &settings.ahead_warning,
            &settings.ahead_critical,
            finding,
        );
    }

    pub fn report_not_permitted(&self) {
        finding!(
            Severity::Unknown,
            "privilege-missing",
            self.name.to_string(),
            "it is not the role's, so no partition of it can be made"
        )
        .remedy(format!("GRANT {} TO {};", self.owner, self.role))
        .report();
    }

    pub fn report_sub_partitioned(&self) {
        finding!(
            Severity::Warning,
            "sub-partitioned",
            self.name.to_string(),
            "its partitions have partitions of their own, so the next ones are not made"
        )
        .remedy("make them by hand, or have pg_partman make them (method = \"partman\")")
        .report();
    }

    pub fn report_no_range(&self) {
        finding!(
            Severity::Critical,
            "no-range",
            self.name.to_string(),
            "it has no partition with two ends, so how wide the next has to be is unknown"
        )
        .remedy(format!("CREATE TABLE … PARTITION OF {} FOR VALUES FROM (…) TO (…);", self.name.quoted()))
        .report();
    }
}

/// A partition to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    pub name: Name,
    kind: Kind,
    from: i64,
    to: i64,
}

impl Next {
    pub fn statement(&self, parent: &Name) -> String {
        format!(
            "CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})",
            self.name.quoted(),
            parent.quoted(),
            self.kind.literal(self.from),
            self.kind.literal(self.to)
        )
    }
}

/// The partition behind the last, as wide and called as it is; nothing where the last takes all that comes, or there
/// is none with two ends.
pub fn next(parent: &Name, partitioned: &Partitioned) -> Option<Next> {
    let kind = partitioned.key.as_ref()?.1;
    let ranges: Vec<(&Partition, End, End)> = ranges(&partitioned.partitions).collect();
    let (last, _, end) = ranges.last()?;
    let End::At(from) = *end else { return None };
    let (like, begins, width) = ranges.iter().rev().find_map(|(partition, from, to)| match (from, to) {
        (End::At(from), End::At(to)) => Some((partition, *from, Width::of(kind, *from, *to)?)),
        _ => None,
    })?;
    let to = width.after(from)?;
    Some(Next { name: last.name.beside(&name(&parent.name, &like.name.name, kind, begins, from)), kind, from, to })
}

fn ranges(partitions: &[Partition]) -> impl Iterator<Item = (&Partition, End, End)> {
    partitions.iter().filter_map(|partition| match partition.bound {
        Bound::Range(from, to) => Some((partition, from, to)),
        _ => None,
    })
}

/// How many partitions begin after the present, without a gap from the one that takes it; nothing where one takes all
/// that comes, or none is by range. Where none takes the present, none lies ahead.
pub fn ahead(partitions: &[Partition], present: i64) -> Option<usize> {
    let ranges: Vec<(End, End)> = ranges(partitions).map(|(_, from, to)| (from, to)).collect();
    ranges.last()?;
    let at = End::At(present);
    let Some(place) = ranges.iter().position(|(from, to)| *from <= at && at < *to) else { return Some(0) };
    let mut end = ranges[place].1;
    let mut count = 0;
    for (from, to) in &ranges[place + 1..] {
        if *from != end {
            break;
        }
        end = *to;
        count += 1;
    }
    (end != End::Greatest).then_some(count)
}

/// Ranges between partitions that none takes.
pub fn gaps(partitions: &[Partition]) -> Vec<(i64, i64)> {
    let ranges: Vec<(End, End)> = ranges(partitions).map(|(_, from, to)| (from, to)).collect();
    let between = ranges.windows(2).filter_map(|pair| match (pair[0].1, pair[1].0) {
        (End::At(before), End::At(behind)) if before < behind => Some((before, behind)),
        _ => None,
    });
    between.collect()
}

impl Next {
    /// The partition as it will be.
    pub fn made(&self) -> Partition {
        let bound = Bound::Range(End::At(self.from), End::At(self.to));
        Partition { name: self.name.clone(), oid: 0, bound, plain: true, pending: false }
    }
}
