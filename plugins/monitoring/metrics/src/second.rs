//! The second source: what an exporter tells of a PostgreSQL server beside what the server itself says. It is asked before
//! and after the exporter, so that a counter that is right lies between the two answers.

use std::collections::BTreeMap;

use hostler_sdk::postgres::Database;
use hostler_sdk::{listed, prelude::*};

use crate::exposition::Exposition;

const FIGURES: [&str; 11] = [
    "blks_hit",
    "blks_read",
    "deadlocks",
    "temp_bytes",
    "tup_deleted",
    "tup_fetched",
    "tup_inserted",
    "tup_returned",
    "tup_updated",
    "xact_commit",
    "xact_rollback",
];

/// So far apart are figures that are too small for a percentage.
const FEW: f64 = 100.0;
const FEW_BYTES: f64 = 1_048_576.0;

/// Figures by the exporter's name for them and the database.
pub type Figures = BTreeMap<(String, String), f64>;

pub async fn read(database: &Database) -> Result<Figures, TaskError> {
    let columns: Vec<String> = FIGURES.iter().map(|name| format!("{name}::float8 AS {name}")).collect();
    let sql = format!(
        "SELECT datname::text AS name, {}, CASE WHEN has_database_privilege(datid, 'CONNECT')
            OR pg_has_role('pg_read_all_stats', 'USAGE') THEN pg_database_size(datid) END::float8 AS size
         FROM pg_stat_database WHERE datname IS NOT NULL",
        columns.join(", ")
    );
    figures(&database.query(&sql, &[]).await?.rows().await?)
}

pub fn figures(rows: &Rows) -> Result<Figures, TaskError> {
    let mut figures = Figures::new();
    for row in rows.iter() {
        let name: String = row.get("name")?;
        for figure in FIGURES {
            if let Some(value) = row.get::<Option<f64>>(figure)? {
                figures.insert((format!("pg_stat_database_{figure}"), name.clone()), value);
            }
        }
        if let Some(size) = row.get::<Option<f64>>("size")? {
            figures.insert(("pg_database_size_bytes".into(), name), size);
        }
    }
    Ok(figures)
}

/// What two sources say of one figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    pub figure: String,
    pub told: f64,
    pub from: f64,
    pub to: f64,
    pub agrees: bool,
}

/// Compares what an endpoint tells with what the server said before and after.
pub fn compare(exposition: &Exposition<'_>, before: &Figures, after: &Figures, tolerance: Percent) -> Vec<Compared> {
    let mut compared = vec![];
    for sample in &exposition.samples {
        let Some(database) = sample.label("datname") else { continue };
        // Newer exporters end the name of a counter as Prometheus asks.
        let name = sample.name.strip_suffix("_total").unwrap_or(sample.name);
        let key = (name.to_owned(), database.to_owned());
        let (Some(&from), Some(&to)) = (before.get(&key), after.get(&key)) else { continue };
        let (from, to) = (from.min(to), from.max(to));
        let few = if name.contains("bytes") { FEW_BYTES } else { FEW };
        let room = (to * tolerance.0 / 100.0).max(few);
        let agrees = sample.value >= from - room && sample.value <= to + room;
        compared.push(Compared { figure: format!("{name} of {database}"), told: sample.value, from, to, agrees });
    }
    compared
}

/// Tells of an endpoint whose figures are others; how many.
pub fn report(endpoint: &str, compared: &[Compared], tolerance: Percent) -> usize {
    let wrong: Vec<String> = compared
        .iter()
        .filter(|one| !one.agrees)
        .map(|one| format!("{} is {} there and {} to {} on the server", one.figure, one.told, one.from, one.to))
        .collect();
    if !wrong.is_empty() {
        finding!(
            Severity::Warning,
            "sources-disagree",
            endpoint,
            "{} of {} differ by more than {tolerance} from the server's own: {}",
            wrong.len(),
            counted(compared.len(), "figure"),
            listed(&wrong, 2)
        )
        .detail("The exporter watches another server than the one that is bound here, or it answers from a cache, or somebody has reset the statistics in between.")
        .remedy("look at the exporter's DATA_SOURCE_NAME, and at the server's stats_reset: SELECT datname, stats_reset FROM pg_stat_database;")
        .report();
    }
    wrong.len()
}
