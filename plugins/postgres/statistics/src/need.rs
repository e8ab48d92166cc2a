//! Which tables need it, by autovacuum's own formula, by their age, and where autovacuum never looks.

use hostler_sdk::prelude::*;
use hostler_sdk::{listed, quote_qualified};

use crate::Settings;

/// Tables, partitioned ones with the rows of their partitions. What was never analysed has no time of it.
const TABLES: &str = "
    SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind = 'p' AS partitioned,
        CASE WHEN c.relkind = 'p' THEN (SELECT coalesce(sum(greatest(p.reltuples, pg_stat_get_live_tuples(p.oid), 0)), 0) FROM pg_partition_tree(c.oid) t
            JOIN pg_class p ON p.oid = t.relid WHERE t.isleaf)::float8 ELSE c.reltuples::float8 END AS tuples,
        c.relpages::float8 AS pages, pg_stat_get_mod_since_analyze(c.oid)::float8 AS modified,
        extract(epoch FROM clock_timestamp() - greatest(pg_stat_get_last_analyze_time(c.oid),
            pg_stat_get_last_autoanalyze_time(c.oid)))::float8 AS age,
        coalesce((SELECT max(option_value) FROM pg_options_to_table(c.reloptions)
            WHERE option_name = 'autovacuum_analyze_threshold')::float8,
            current_setting('autovacuum_analyze_threshold')::float8) AS base,
        coalesce((SELECT max(option_value) FROM pg_options_to_table(c.reloptions)
            WHERE option_name = 'autovacuum_analyze_scale_factor')::float8,
            current_setting('autovacuum_analyze_scale_factor')::float8) AS scale,
        pg_has_role(c.relowner, 'USAGE') OR {maintain}
            OR (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database())
            OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS permitted
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
        AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'";

/// Indexes over several columns whose correlation the planner was not told of: it multiplies what their values select
/// alone.
pub(crate) const CORRELATED: &str = "
    SELECT n.nspname::text AS schema, t.relname::text AS name, i.relname::text AS index_name,
        (SELECT string_agg(a.attname::text, ', ' ORDER BY a.attnum) FROM pg_attribute a
            WHERE a.attrelid = t.oid AND a.attnum = ANY (x.indkey::int2[])) AS columns
    FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE x.indnkeyatts > 1 AND x.indexprs IS NULL AND NOT x.indisunique AND t.reltuples > 10000
        AND n.nspname NOT LIKE 'pg\\_%'
        AND NOT EXISTS (SELECT FROM pg_statistic_ext s WHERE s.stxrelid = t.oid
            AND s.stxkeys::int2[] @> (x.indkey::int2[])[0:1])
    ORDER BY t.reltuples DESC LIMIT 50";

pub(crate) fn tables(version: u32) -> String {
    let maintain = if version >= 170_000 { "has_table_privilege(c.oid, 'MAINTAIN')" } else { "false" };
    TABLES.replace("{maintain}", maintain)
}

/// A table as it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    pub schema: String,
    pub name: String,
    pub partitioned: bool,
    /// Negative where the server does not know.
    pub tuples: f64,
    pub pages: f64,
    pub modified: f64,
    /// Seconds since it was analysed; none where it never was.
    pub age: Option<f64>,
    pub base: f64,
    pub scale: f64,
    pub permitted: bool,
}

/// All tables of the database, and who asks.
pub(crate) struct Tables {
    all: Vec<Table>,
    columns: Rows,
    pub role: String,
}

impl Table {
    pub(crate) fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    pub(crate) fn quoted(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }

    /// Whether there is anything to analyse: a table without rows has no statistics, and needs none.
    fn has_rows(&self) -> bool {
        self.tuples > 0.0 || self.modified > 0.0 || (self.tuples < 0.0 && self.pages > 0.0)
    }

    fn is_past_its_threshold(&self) -> bool {
        self.modified > self.base + self.scale * self.tuples.max(0.0)
    }

    fn is_stale(&self, settings: &Settings) -> bool {
        // Autovacuum counts no changes for a partitioned parent: its age has to do.
        let changed = self.partitioned || self.modified > 0.0;
        changed && self.age.is_some_and(|age| age > settings.stale.as_seconds())
    }

    fn never(&self) -> bool {
        self.age.is_none()
    }

    fn is_due(&self, settings: &Settings) -> bool {
        self.has_rows() && (self.never() || self.is_past_its_threshold() || self.is_stale(settings))
    }

    pub(crate) fn reason(&self, settings: &Settings) -> String {
        match self.age {
            None => "it never was".into(),
            Some(age) if self.is_stale(settings) => format!("it was {} ago", Duration::from_seconds(age)),
            Some(_) => format!("{} changed since", counted(self.modified, "row")),
        }
    }

    /// Those without statistics first, then those that changed most for their size.
    fn need(&self) -> f64 {
        if self.never() {
            f64::INFINITY
        } else {
            self.modified / (self.base + self.scale * self.tuples.max(0.0)).max(1.0)
        }
    }
}

impl Tables {
    pub(crate) fn read(rows: &Rows, columns: Rows, role: String) -> Result<Self, TaskError> {
        let mut all = vec![];
        for row in rows.iter() {
            all.push(Table {
                schema: row.get("schema")?,
                name: row.get("name")?,
                partitioned: row.get("partitioned")?,
                tuples: row.get("tuples")?,
                pages: row.get("pages")?,
                modified: row.get::<Option<f64>>("modified")?.unwrap_or_default(),
                age: row.get("age")?,
                base: row.get("base")?,
                scale: row.get("scale")?,
                permitted: row.get("permitted")?,
            });
        }
        Ok(Self { all, columns, role })
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn due(&self, settings: &Settings) -> Vec<Table> {
        let mut due: Vec<Table> = self.all.iter().filter(|table| table.is_due(settings)).cloned().collect();
        due.retain(|table| !settings.exclude.contains(&table.full_name()));
        due.sort_by(|one, other| {
            other.need().total_cmp(&one.need()).then_with(|| one.full_name().cmp(&other.full_name()))
        });
        due
    }

    /// Judges the statistics as they are.
    pub(crate) fn report(&self, settings: &Settings) {
        let due = self.due(settings);
        for table in &due {
            let severity = if table.never() {
                Severity::Critical
            } else if table.is_stale(settings) {
                Severity::Warning
            } else {
                continue;
            };
            let what = if table.partitioned {
                "a partitioned table, which autovacuum leaves out"
            } else {
                "the planner guesses"
            };
            finding!(
                severity,
                "statistics-stale",
                table.full_name(),
                "not analysed: {}; {what}",
                table.reason(settings)
            )
            .remedy(format!("ANALYZE {};", table.quoted()))
            .report();
        }
        Metric::gauge("postgres_tables_due_for_analyze", due.len() as f64).report();
        let oldest = self.all.iter().filter_map(|table| table.age).fold(0.0, f64::max);
        Metric::gauge("postgres_oldest_statistics_seconds", oldest).report();
    }

    /// Extended statistics that may be worth a try; nothing needs them, so they are no finding.
    pub(crate) fn suggest(&self) {
        let mut table = hostler_sdk::Table::new(
            "columns whose correlation the planner does not know",
            &["table", "index", "worth a try where estimates are far off"],
        );
        for row in self.columns.iter() {
            let (Ok(schema), Ok(name), Ok(index), Ok(Some(columns))) = (
                row.get::<String>("schema"),
                row.get::<String>("name"),
                row.get::<String>("index_name"),
                row.get::<Option<String>>("columns"),
            ) else {
                continue;
            };
            let statement = format!(
                "CREATE STATISTICS (dependencies, ndistinct) ON {columns} FROM {};",
                quote_qualified(&schema, &name)
            );
            table.row(&[&format!("{schema}.{name}"), &index, &statement]);
        }
        table.report();
    }
}

pub(crate) fn report_not_permitted(tables: &[&Table], role: &str, version: u32) {
    if tables.is_empty() {
        return;
    }
    let names: Vec<String> = tables.iter().map(|table| table.quoted()).collect();
    let remedy = if version >= 170_000 {
        format!("GRANT MAINTAIN ON {} TO {role};", names.join(", "))
    } else {
        format!("let {role} own them, or be a member of their owner: ALTER TABLE … OWNER TO {role};")
    };
    let verb = agreed(names.len(), "is", "are");
    finding!(
        Severity::Unknown,
        "privilege-missing",
        "tables",
        "{} {verb} due and not {role}'s to analyse: {}",
        counted(names.len(), "table"),
        listed(&names, 3)
    )
    .remedy(remedy)
    .report();
}
