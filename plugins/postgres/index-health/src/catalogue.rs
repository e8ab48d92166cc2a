//! What the catalogue alone tells.

use hostler_sdk::prelude::*;
use hostler_sdk::{listed, quote_identifier, quote_qualified};

use crate::Settings;

pub const INVALID: &str = "
    SELECT n.nspname::text AS schema, c.relname::text AS name, t.relname::text AS table_name,
        c.relkind = 'I' AS partitioned, i.indisunique AS is_unique, p.pid IS NOT NULL AS building
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stat_progress_create_index p ON p.index_relid = i.indexrelid
        OR p.relid = i.indrelid AND p.index_relid = 0
    WHERE NOT i.indisvalid ORDER BY 1, 2";

/// Collations that an index uses, and the database's own, whose version is no longer that of the library.
pub const COLLATIONS: &str = "
    SELECT NULL::text AS schema, datname::text AS name, datcollversion AS recorded,
        pg_database_collation_actual_version(oid) AS actual, 0::int8 AS indexes
    FROM pg_database WHERE datname = current_database()
        AND datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid)
    UNION ALL
    SELECT n.nspname::text, c.collname::text, c.collversion, pg_collation_actual_version(c.oid), u.indexes
    FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
    JOIN (SELECT collation_oid, count(*) AS indexes FROM pg_index, unnest(indcollation) AS collation_oid GROUP BY 1) u
        ON u.collation_oid = c.oid
    WHERE c.collversion IS DISTINCT FROM pg_collation_actual_version(c.oid)";

/// A sequence ends at its own last value, or earlier where the column that it feeds is smaller.
pub const SEQUENCES: &str = "
    SELECT n.nspname::text AS schema, c.relname::text AS name, t.relname::text AS table_name, a.attname::text AS column_name,
        has_sequence_privilege(c.oid, 'SELECT,USAGE') AS seen,
        CASE WHEN has_sequence_privilege(c.oid, 'SELECT,USAGE') THEN pg_sequence_last_value(c.oid) END::float8 AS last,
        CASE WHEN s.seqincrement > 0
            THEN least(s.seqmax, CASE a.atttypid WHEN 21 THEN 32767 WHEN 23 THEN 2147483647 END)
            ELSE greatest(s.seqmin, CASE a.atttypid WHEN 21 THEN -32768 WHEN 23 THEN -2147483648 END) END::float8 AS stop,
        s.seqstart::float8 AS start, s.seqcycle AS cycles
    FROM pg_sequence s
    JOIN pg_class c ON c.oid = s.seqrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
        AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
    LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    LEFT JOIN pg_class t ON t.oid = d.refobjid
    WHERE c.relpersistence <> 't'";

/// Sequences that one remedy names.
const NAMED: usize = 20;

/// How many are invalid and not being built.
pub fn report_invalid(rows: &Rows, sees_all: bool) -> Result<usize, TaskError> {
    let mut count = 0;
    for row in rows.iter() {
        let (schema, name, table): (&str, &str, &str) = (row.get("schema")?, row.get("name")?, row.get("table_name")?);
        if row.get("building")? {
            continue;
        }
        count += 1;
        let index = quote_qualified(schema, name);
        let (severity, what, remedy) = if row.get("partitioned")? {
            let remedy = format!("ALTER INDEX {index} ATTACH PARTITION …; -- for each partition that lacks it");
            (Severity::Warning, "some partitions do not have it", remedy)
        } else if name.contains("_ccnew") || name.contains("_ccold") {
            (
                Severity::Critical,
                "a rebuild of another index left it behind: it is written and never read",
                format!("DROP INDEX CONCURRENTLY {index};"),
            )
        } else {
            (
                Severity::Critical,
                "its build failed: it is written and never read, and holds no unique constraint",
                format!("REINDEX INDEX CONCURRENTLY {index};"),
            )
        };
        // Without pg_monitor a build under way looks the same.
        let (severity, or) = if sees_all { (severity, "") } else { (Severity::Unknown, ", or it is being built now") };
        finding!(severity, "index-invalid", format!("{schema}.{name}"), "it is invalid, on {table}: {what}{or}")
            .detail(if row.get("is_unique")? {
                "It is unique: rows that are there twice have to go first, or the rebuild fails as well."
            } else {
                ""
            })
            .remedy(remedy)
            .report();
    }
    Ok(count)
}

pub fn report_collations(rows: &Rows) -> Result<(), TaskError> {
    for row in rows.iter() {
        let name: &str = row.get("name")?;
        let version =
            |text: Option<&str>| text.map_or("one that is not recorded".into(), |text| format!("version {text}"));
        let (recorded, actual) = (version(row.get("recorded")?), version(row.get("actual")?));
        let (subject, remedy) = match row.get::<Option<&str>>("schema")? {
            None => (
                format!("database {name}"),
                format!(
                    "REINDEX DATABASE CONCURRENTLY {0}; ALTER DATABASE {0} REFRESH COLLATION VERSION;",
                    quote_identifier(name)
                ),
            ),
            Some(schema) => {
                let indexes: i64 = row.get("indexes")?;
                let collation = quote_qualified(schema, name);
                (
                    format!("{schema}.{name}"),
                    format!(
                        "rebuild the {} that {} it, then: ALTER COLLATION {collation} REFRESH VERSION;",
                        counted(indexes, "index"),
                        agreed(indexes, "uses", "use")
                    ),
                )
            }
        };
        finding!(
            Severity::Warning,
            "collation-changed",
            subject,
            "the library sorts by {actual}, and its indexes were built by {recorded}"
        )
        .detail("An index on text may not find rows that are there, and a unique one may take them twice.")
        .remedy(remedy)
        .report();
    }
    Ok(())
}

/// Returns the sequences that the role may not look at.
pub fn report_sequences(rows: &Rows, settings: &Settings) -> Result<Vec<String>, TaskError> {
    let (mut unseen, mut worst) = (vec![], 0.0_f64);
    for row in rows.iter() {
        let (schema, name): (&str, &str) = (row.get("schema")?, row.get("name")?);
        if !row.get::<bool>("seen")? {
            unseen.push(quote_qualified(schema, name));
            continue;
        }
        let (Some(last), false) = (row.get::<Option<f64>>("last")?, row.get::<bool>("cycles")?) else { continue };
        let (start, stop): (f64, f64) = (row.get("start")?, row.get("stop")?);
        let from = if (start < stop) == (start > 0.0) { 0.0 } else { start };
        let share = ((last - from) / (stop - from) * 100.0).clamp(0.0, 100.0);
        worst = worst.max(share);
        let column = match (row.get::<Option<&str>>("table_name")?, row.get::<Option<&str>>("column_name")?) {
            (Some(table), Some(column)) => format!("; it feeds {table}.{column}"),
            _ => String::new(),
        };
        let (severity, limit) =
            judged(share, &settings.sequence_warning, &settings.sequence_critical, Measure::Percent);
        finding!(severity, "sequence-near-end", format!("{schema}.{name}"), "{} of its values are used up{limit} (at {last} of {stop}){column}", Percent(share))
            .detail("At its end each INSERT fails.")
            .remedy("turn the column and whatever refers to it into bigint: add a new column, fill it in batches, swap; then ALTER SEQUENCE … AS bigint")
            .report_unless_ok();
    }
    Metric::gauge("postgres_sequence_used_percent", worst)
        .ranges(&settings.sequence_warning, &settings.sequence_critical)
        .report();
    Ok(unseen)
}

pub fn report_unseen(sequences: &[String], role: &str) {
    if !sequences.is_empty() {
        let (count, names) = (sequences.len(), listed(sequences, 3));
        let verb = agreed(count, "is", "are");
        let more = if count > NAMED { " -- and so on for the others" } else { "" };
        finding!(
            Severity::Unknown,
            "privilege-missing",
            "sequences",
            "{} {verb} not the role {role}'s to read: {names}",
            counted(count, "sequence")
        )
        .remedy(format!("GRANT SELECT ON {} TO {role};{more}", sequences[..count.min(NAMED)].join(", ")))
        .report();
    }
}
