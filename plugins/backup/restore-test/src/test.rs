//! One set: restored, compared, dropped, and its proof written where all of it agreed.

use hostler_sdk::files::Directory;
use hostler_sdk::postgres::Database;
use hostler_sdk::prelude::*;
use shared_backups::{Manifest, PROOF, Proof, Set, ended_well};

use crate::compare::{self, Agreed};
use crate::{Settings, scratch};

/// The scratch database made, the restoration, the scratch database dropped, the proof.
const EFFECTS: u64 = 4;

/// Whether the set is proven now.
pub(crate) async fn prove(
    context: &Context,
    settings: &Settings,
    directory: &Directory,
    server: &Database,
    set: &Set,
) -> Result<bool, TaskError> {
    let path = directory.path(&set.name);
    let manifest = match shared_backups::read_manifest(&path).await {
        Ok(manifest) => manifest,
        Err(error) if error.message().contains("damaged") => {
            failed(&set.name, &error);
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    let info = server.info();
    if is_production(&info.system_identifier, &manifest) {
        refused(&set.name);
        return Ok(false);
    }
    new_enough(info.version, &manifest)?;
    let step = context.step(&format!("Restore {} into a scratch database, and drop it", set.name), EFFECTS, 1)?;
    scratch::create(server, &manifest).await?;
    let tested = test(context, settings, set, &manifest, &path).await;
    let dropped = scratch::drop(server).await;
    if let Err(error) = &dropped {
        not_dropped(error);
    }
    let Some((seconds, agreed)) = tested? else { return Ok(false) };
    let proof = Proof {
        format: shared_backups::FORMAT,
        at: Timestamp::now(),
        seconds,
        server_version: info.version,
        tables: agreed.tables,
        rows: agreed.rows,
    };
    shared_backups::write_json(&format!("{path}/{PROOF}"), &proof).await?;
    drop(step);
    if !context.is_check() {
        told(set, &proof, &agreed);
    }
    Ok(true)
}

/// How long the restoration took and what agreed; nothing where the set is not good, which is told.
async fn test(
    context: &Context,
    settings: &Settings,
    set: &Set,
    manifest: &Manifest,
    path: &str,
) -> Result<Option<(f64, Agreed)>, TaskError> {
    let restore = context
        .program("pg_restore")
        .arguments(["--exit-on-error", "--no-password", "--no-owner", "--no-privileges"])
        .argument(format!("--jobs={}", settings.jobs))
        .argument(format!("--dbname={}", scratch::NAME))
        .path(format!("{path}/dump"))
        .connect_to("scratch")
        .timeout(settings.timeout);
    let seconds = match ended_well("pg_restore", restore.run().await?) {
        Ok(Some(done)) => done.duration_ms as f64 / 1000.0,
        Ok(None) => return Ok(Some((0.0, Agreed::default()))),
        Err(error) => {
            failed(&set.name, &error);
            return Ok(None);
        }
    };
    Metric::gauge("backup_restore_seconds", seconds).label("database", &set.of).report();
    if let Some(reason) = context.stop_requested() {
        return Err(TaskError::new(format!("it was restored, and not compared: {reason}"))
            .remedy("give the task more time, and run it again"));
    }
    let restored = Database::open("scratch", None, Some(scratch::NAME)).await?;
    let agreed = compare::compare(&restored, settings, &set.name, manifest).await?;
    Ok(agreed.map(|agreed| (seconds, agreed)))
}

/// A server, its standbys and its base backups have one identifier; what initdb makes anew has another.
pub(crate) fn is_production(scratch: &str, manifest: &Manifest) -> bool {
    scratch == manifest.system_identifier
}

pub(crate) fn new_enough(version: u32, manifest: &Manifest) -> Result<(), TaskError> {
    if version / 10_000 >= manifest.major() {
        return Ok(());
    }
    let (scratch, of) = (version / 10_000, manifest.major());
    Err(TaskError::new(format!("the scratch server has version {scratch}, and the set is of version {of}"))
        .remedy(format!("bind a scratch server of version {of} or later")))
}

fn refused(set: &str) {
    finding!(
        Severity::Unknown,
        "production-refused",
        set,
        "it was not restored: the scratch server has the system identifier of the server that the set was taken from"
    )
    .detail("It is that server, a standby of it, or was made from a base backup of it.")
    .remedy("bind a server of its own, made by initdb, as bind.scratch")
    .report();
}

fn failed(set: &str, error: &TaskError) {
    finding!(Severity::Critical, "restore-failed", set, "it could not be restored: {}", error.message())
        .remedy(error.advice().unwrap_or("make a new dump, and test that one"))
        .report();
}

fn not_dropped(error: &TaskError) {
    finding!(Severity::Warning, "not-dropped", scratch::NAME, "it is still there: {}", error.message())
        .remedy(format!("DROP DATABASE {} WITH (FORCE); -- the next run does it too", scratch::NAME))
        .report();
}

fn told(set: &Set, proof: &Proof, agreed: &Agreed) {
    Metric::gauge("backup_restored_rows", proof.rows as f64).label("database", &set.of).report();
    let mut table = Table::new("Restored", &["set", "took", "tables", "rows", "checked by amcheck", "queries"]);
    let took = Duration::from_seconds(proof.seconds);
    table.row(&[&set.name, &took, &proof.tables, &proof.rows, &agreed.amcheck, &agreed.queries]);
    table.report();
}
