//! Indexes: those that do not work (invalid, damaged), those that waste space, and what breaks them next (collations
//! of another version, sequences at their end).

mod catalogue;
mod thorough;

use hostler_sdk::postgres::needs_monitor;
use hostler_sdk::prelude::*;

use catalogue::{COLLATIONS, INVALID, SEQUENCES};
use shared_relations::index::{Bloat, Extensions, Index};
use thorough::{Thorough, Verified};

hostler_sdk::plugin!(Settings, run);

const SERVER: &str = "
    SELECT quote_ident(current_user) AS role, pg_has_role('pg_monitor', 'USAGE') AS sees_all,
        current_setting('block_size')::int8 AS block_size";

#[derive(Deserialize)]
struct Settings {
    bloat_factor: f64,
    bloat_least: ByteSize,
    sequence_warning: Range,
    sequence_critical: Range,
    verify: bool,
    verify_every: Duration,
    time: Duration,
}

impl Settings {
    fn bloat(&self) -> Bloat {
        Bloat { factor: self.bloat_factor, least: self.bloat_least }
    }
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    let server = database.query(SERVER, &[]).await?.one().await?;
    let sees_all: bool = server.get("sees_all")?;
    if !sees_all {
        needs_monitor(server.get("role")?, database.name(), "whether an invalid index is being built").report();
    }
    let invalid = catalogue::report_invalid(&database.query(INVALID, &[]).await?.rows().await?, sees_all)?;
    catalogue::report_collations(&database.query(COLLATIONS, &[]).await?.rows().await?)?;
    let unseen = catalogue::report_sequences(&database.query(SEQUENCES, &[]).await?.rows().await?, &settings)?;
    catalogue::report_unseen(&unseen, server.get("role")?);

    let extensions = Extensions::look(&database).await?;
    let indexes = Index::all(&database, server.get("block_size")?).await?;
    let thorough = Thorough {
        context: &context,
        database: &database,
        extensions: &extensions,
        indexes: &indexes,
        settings: &settings,
        role: server.get("role")?,
    };
    let bloated = thorough.measure().await?;
    let Verified { verified, waiting } = thorough.verify().await?;
    Metric::gauge("postgres_indexes_invalid", invalid as f64).report();
    Metric::gauge("postgres_indexes_bloated", bloated as f64).report();
    let wait = agreed(waiting, "waits", "wait");
    let next = if waiting > 0 { format!(", {waiting} {wait} for the next run") } else { String::new() };
    let indexes = counted(indexes.len(), "index");
    Ok(format!("{indexes}: {invalid} invalid, {bloated} bloated, {verified} verified in this run{next}"))
}

#[cfg(test)]
mod tests;
