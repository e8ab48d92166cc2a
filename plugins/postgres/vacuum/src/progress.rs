//! How far VACUUM of a large table has come, as the server itself tells (pg_stat_progress_vacuum).
//!
//! It takes a second connection, and a pause on the server between two looks. Where the binding gives neither, VACUUM goes
//! on all the same and nothing is told of its way; a small table is done before anybody would look.

use std::future::Future;
use std::pin::pin;

use futures::future::{Either, select};
use hostler_sdk::postgres::{Database, Options};
use hostler_sdk::prelude::*;

use crate::{Settings, need::Work};

/// The columns that hold the dead rows were renamed and are counted in bytes from PostgreSQL 17 on, so they are left
/// alone; from then on the server also says how many indexes of a pass are done.
const PROGRESS: &str = "
    WITH pause AS MATERIALIZED (SELECT pg_sleep(1) AS paused)
    SELECT p.phase, p.heap_blks_total::float8 AS total, p.heap_blks_scanned::float8 AS scanned,
        p.heap_blks_vacuumed::float8 AS vacuumed, p.index_vacuum_count::int8 AS passes, {indexes}
    FROM pause LEFT JOIN pg_stat_progress_vacuum p ON p.relid::int8 = $1 AND p.datname = current_database()";

pub fn statement(version: u32) -> String {
    let indexes = match version {
        170_000.. => "p.indexes_processed::int8 AS indexes_done, p.indexes_total::int8 AS indexes",
        _ => "NULL::int8 AS indexes_done, NULL::int8 AS indexes",
    };
    PROGRESS.replace("{indexes}", indexes)
}

/// Which of the tables it is, and how large a page.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    pub done: usize,
    pub of: usize,
    pub block_size: u64,
}

/// Waits for VACUUM, and tells meanwhile how far it is.
pub async fn watching<T>(
    vacuum: impl Future<Output = T>,
    database: &Database,
    work: &Work,
    settings: &Settings,
    place: &Place,
) -> T {
    let (vacuum, watch) = (pin!(vacuum), pin!(watch(database, work, settings, place)));
    match select(vacuum, watch).await {
        Either::Left((result, _)) => result,
        // It cannot be watched.
        Either::Right((_, vacuum)) => vacuum.await,
    }
}

/// Ends only where the server cannot be asked. Where the binding has one connection, this waits for it longer than
/// VACUUM may take, and is dropped with its end.
async fn watch(database: &Database, work: &Work, settings: &Settings, place: &Place) {
    let sql = statement(database.info().version);
    let limit = settings.timeout.as_milliseconds().saturating_add(60_000);
    loop {
        let options = Options { settings: vec![], timeout_ms: Some(limit) };
        let looked = async { database.query_with(&sql, &[work.candidate.oid.into()], options).await?.rows().await };
        let Ok(rows) = looked.await else { return };
        for row in rows.iter() {
            match said(&row) {
                Ok(Some(said)) => {
                    let message = format!("{}: {said}", work.title());
                    hostler_sdk::progress(place.done as u64, Some(place.of as u64), &message);
                }
                Ok(None) => {}
                Err(_) => return,
            }
        }
    }
}

/// What a look tells, in words; nothing where VACUUM is not under way.
pub fn said(row: &Row) -> Result<Option<String>, TaskError> {
    let Some(phase) = row.get::<Option<&str>>("phase")? else { return Ok(None) };
    let total: f64 = row.get("total")?;
    let blocks = match phase {
        "vacuuming heap" => row.get("vacuumed")?,
        _ => row.get("scanned")?,
    };
    let share = Percent::of(blocks, total).unwrap_or_default();
    let passes: i64 = row.get("passes")?;
    let indexes = match (row.get::<Option<i64>>("indexes_done")?, row.get::<Option<i64>>("indexes")?) {
        (Some(done), Some(all)) if all > 0 => format!(", {done} of {} done", counted(all, "index")),
        _ => String::new(),
    };
    let again =
        if passes > 0 { format!(", after {} over its indexes", counted(passes, "pass")) } else { String::new() };
    Ok(Some(format!("{phase}, {share} of the table{indexes}{again}")))
}
