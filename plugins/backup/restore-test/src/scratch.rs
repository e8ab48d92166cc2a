//! The scratch database: made from template0, so that nothing of the server's own is in it, and dropped whatever came of
//! the test. It has one name, which the grant names: no other database is ever made or dropped.

use hostler_sdk::postgres::{Database, Options, options};
use hostler_sdk::prelude::*;
use hostler_sdk::quote_literal;
use shared_backups::Manifest;

pub(crate) const NAME: &str = "hostler_restore_test";
/// Dropping waits for a checkpoint.
const LIMIT: u64 = 600_000;

fn patient() -> Options {
    Options { timeout_ms: Some(LIMIT), ..options() }
}

/// Drops what a run left that was killed. The lock says that none is at it.
pub(crate) async fn drop_left(context: &Context, scratch: &Database) -> Result<(), TaskError> {
    if !is_there(scratch).await? {
        return Ok(());
    }
    let _step = context.step("Drop the scratch database of a run that was cut off", 1, 0)?;
    drop(scratch).await.during("dropping the scratch database that an earlier run left")
}

pub(crate) async fn is_there(scratch: &Database) -> Result<bool, TaskError> {
    let sql = format!("SELECT count(*) AS there FROM pg_database WHERE datname = {}", quote_literal(NAME));
    Ok(scratch.query(&sql, &[]).await?.one().await?.get::<i64>("there")? > 0)
}

pub(crate) async fn create(scratch: &Database, manifest: &Manifest) -> Result<(), TaskError> {
    let sql = format!("CREATE DATABASE {NAME} TEMPLATE template0 ENCODING {}", quote_literal(&manifest.encoding));
    scratch.execute_with(&sql, &[], patient()).await.map(|_| ()).map_err(|error| {
        let remedy = match &error {
            error if error.is("42501") => "ALTER ROLE it CREATEDB; -- as a superuser of the scratch server",
            _ => "let the scratch server take the encoding of the set: initdb --encoding=… --locale=C",
        };
        error.during("making the scratch database").remedy(remedy)
    })
}

pub(crate) async fn drop(scratch: &Database) -> Result<(), TaskError> {
    scratch.execute_with(&format!("DROP DATABASE {NAME} WITH (FORCE)"), &[], patient()).await.map(|_| ())
}
