//! Old partitions: taken off beside the traffic, dumped, restored elsewhere, compared, and only then dropped.
//!
//! From the moment that it is off, a partition's rows are no longer in the table, so what is off is remembered before
//! it is taken off, and each finding about it says how to attach it again. The dump is whole or not there at all, so a
//! run that finds one goes on with it.

use hostler_sdk::files;
use hostler_sdk::postgres::{Database, Execution, Parameter};
use hostler_sdk::prelude::*;
use hostler_sdk::progress;
use hostler_sdk::shell::Outcome;
use serde::Serialize;
use shared_relations::partition::{Bound, End, Kind, Partition, Partitioned};
use shared_relations::table::{Name, TableLook};

use crate::Run;

/// Whether a table is there, and whose partition it is not.
pub const OFF: &str = "
    SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1::text AND c.relname = $2::text AND c.relkind = 'r' AND NOT c.relispartition) AS off";

/// A partition that is being archived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Taken {
    schema: String,
    name: String,
    /// As ATTACH PARTITION takes it.
    bound: String,
}

impl Taken {
    fn name(&self) -> Name {
        Name { schema: self.schema.clone(), name: self.name.clone() }
    }
}

/// What is kept beside a dump.
#[derive(Serialize)]
struct Kept<'a> {
    table: String,
    partition_of: String,
    bound: &'a str,
    rows: u64,
    hash: &'a str,
    server_version: u32,
    archived_at: String,
}

pub async fn archive(run: &Run) -> Result<String, TaskError> {
    if !run.source.partitioned {
        return Err(TaskError::new(format!("{} is not partitioned", run.source.name))
            .remedy("set method = \"rows\", and `archive` to the table that old rows move to"));
    }
    let partitioned = Partitioned::look(&run.database, run.source.oid).await?;
    let kind = match &partitioned.key {
        Some((column, kind)) if *column == run.settings.time_column && kind.is_time() => *kind,
        _ => {
            return Err(TaskError::new(format!(
                "{} is not partitioned by range of {}",
                run.source.name, run.settings.time_column
            ))
            .remedy("set `time_column` to the partition key, or method = \"rows\""));
        }
    };
    let scratch = scratch(run).await?;
    let key = format!("partitions of {}", run.source.name);
    let mut taken: Vec<Taken> = run.context.state().get(&key).await?.unwrap_or_default();
    let mut due = vec![];
    for one in &taken {
        let parameters = [Parameter::from(one.schema.as_str()), Parameter::from(one.name.as_str())];
        if run.database.query(OFF, &parameters).await?.one().await?.get("off")? {
            due.push((one.clone(), None));
        }
    }
    for partition in partitioned.partitions.iter().filter(|partition| is_old(partition.bound, run.cut_off)) {
        if !partition.plain {
            finding!(
                Severity::Warning,
                "partition-left",
                partition.name.to_string(),
                "it is old, and no plain table: it is left"
            )
            .remedy("name it as the `source` of a task of its own where it is partitioned itself")
            .report();
            continue;
        }
        let bound = bound(partition.bound, kind);
        let one = Taken { schema: partition.name.schema.clone(), name: partition.name.name.clone(), bound };
        due.push((one, Some(partition)));
    }
    // Those that are off and no longer there were dropped by a run that ended before it could forget them.
    taken.retain(|one| due.iter().any(|(due, _)| due == one));
    let (all, mut dropped) = (due.len(), 0);
    for (one, attached) in due.into_iter().take(run.settings.partitions) {
        progress(dropped, Some(all as u64), &one.name().to_string());
        if let Some(reason) = run.stops().await? {
            finding!(
                Severity::Warning,
                "stopped",
                "run",
                "{reason}: {dropped} of {} archived",
                counted(all, "partition")
            )
            .remedy("run the task again: it goes on with those that are left")
            .report();
            break;
        }
        if !taken.contains(&one) {
            taken.push(one.clone());
        }
        run.context.state().set(&key, &taken).await?;
        match partition(run, &scratch, &partitioned, &one, attached).await {
            Ok(true) => {
                dropped += 1;
                taken.retain(|kept| *kept != one);
                run.context.state().set(&key, &taken).await?;
            }
            // What failed with one may fail with all, and each that is off is out of the table.
            Ok(false) => break,
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                failed(run, &one, &error);
                break;
            }
        }
    }
    let left = if run.context.is_check() { all } else { all - dropped as usize };
    Metric::gauge("postgres_archive_due_partitions", left as f64).report();
    if run.context.is_check() {
        let now = all.min(run.settings.partitions);
        return Ok(format!("{} of {} to be dumped, compared and dropped", counted(now, "partition"), run.source.name));
    }
    Metric::gauge("postgres_archive_dropped_partitions", dropped as f64).report();
    Ok(format!("{dropped} of {} of {} dumped, compared and dropped", counted(all, "old partition"), run.source.name))
}

/// The database for comparison, which may not be the one that is archived.
async fn scratch(run: &Run) -> Result<Database, TaskError> {
    let scratch = run.context.postgres("scratch").await?;
    let (own, other) = (run.database.info(), scratch.info());
    if own.system_identifier == other.system_identifier && own.database == other.database {
        return Err(TaskError::new("the scratch database is the one that is archived").remedy(
            "bind `scratch` to a database of its own: createdb scratch && pg_dump --schema-only DATABASE | psql scratch",
        ));
    }
    Ok(scratch)
}

/// Whether all that a partition can hold is older than a time.
pub fn is_old(bound: Bound, cut_off: i64) -> bool {
    matches!(bound, Bound::Range(_, to) if to <= End::At(cut_off))
}

fn bound(bound: Bound, kind: Kind) -> String {
    let end = |end: End| match end {
        End::At(value) => kind.literal(value),
        other => other.to_string(),
    };
    match bound {
        Bound::Range(from, to) => format!("FOR VALUES FROM ({}) TO ({})", end(from), end(to)),
        _ => "DEFAULT".into(),
    }
}

/// One partition; whether it is archived and gone.
async fn partition(
    run: &Run,
    scratch: &Database,
    partitioned: &Partitioned,
    one: &Taken,
    attached: Option<&Partition>,
) -> Result<bool, TaskError> {
    let name = one.name();
    let _step = run.context.step(
        &format!("archive the partition {name}: take it off, dump it, compare the dump, drop it"),
        8,
        8,
    )?;
    if let Some(partition) = attached {
        let statement = partitioned.detach(&run.source.name, partition);
        run.database
            .execute_with(&statement, &[], run.settings.options())
            .await
            .map_err(|error| error.during("taking it off"))?;
    }
    let dumps = run.context.directory("dumps");
    let dump = dumps.path(&format!("{name}.dump"));
    if files::metadata(&dump).await.is_err() {
        let program = run.context.program("dump").connect_to("database").timeout(run.settings.timeout);
        let program = program.arguments(["--format=directory", "--no-password"]);
        let program = program.argument(format!("--table={}", name.quoted())).text_path("--file=", dump.clone());
        ended("pg_dump", program.run().await?)?;
    }
    scratch
        .execute(&format!("DROP TABLE IF EXISTS {}", name.quoted()), &[])
        .await
        .map_err(|error| error.during("making room in the scratch database"))?;
    let program = run.context.program("restore").connect_to("scratch").timeout(run.settings.timeout);
    let program = program.arguments([
        "--exit-on-error",
        "--no-owner",
        "--no-privileges",
        "--no-password",
        "--section=pre-data",
        "--section=data",
    ]);
    let program = program.argument(format!("--dbname={}", scratch.info().database)).path(dump.clone());
    ended("pg_restore", program.run().await?)?;
    // In a plan there is no dump and nothing restored: it shows what would be done where both are the same.
    let mut own = (0, String::new());
    if !run.context.is_check() {
        let restored = held(run, scratch, &name).await.map_err(|error| error.during("reading the restored dump"))?;
        // The partition is read last, so that nothing that was written into it since is dropped unseen.
        own = held(run, &run.database, &name).await.map_err(|error| error.during("reading the partition"))?;
        if restored != own {
            differs(run, one, &restored, &own);
            return Ok(false);
        }
    }
    let kept = Kept {
        table: name.to_string(),
        partition_of: run.source.name.to_string(),
        bound: &one.bound,
        rows: own.0,
        hash: &own.1,
        server_version: run.database.info().version,
        archived_at: run.context.planned_at().to_string(),
    };
    let mut text = serde_json::to_vec_pretty(&kept)?;
    text.push(b'\n');
    files::write(&dumps.path(&format!("{name}.json")), 0o600, text).await?;
    drop_partition(run, &name).await?;
    scratch.execute(&format!("DROP TABLE IF EXISTS {}", name.quoted()), &[]).await?;
    Ok(true)
}

async fn drop_partition(run: &Run, name: &Name) -> Result<Execution, TaskError> {
    let statement = format!("DROP TABLE {}", name.quoted());
    run.database
        .execute_with(&statement, &[], run.settings.options())
        .await
        .map_err(|error| error.during("dropping it"))
}

/// How many rows a table holds, and their hash, which no order changes.
async fn held(run: &Run, database: &Database, name: &Name) -> Result<(u64, String), TaskError> {
    let table =
        TableLook::find(database, name).await?.ok_or_else(|| TaskError::new(format!("there is no table {name}")))?;
    let row = database.query_with(&hash(&table), &[], run.settings.patient()).await?.one().await?;
    Ok((row.get("rows")?, row.get("hash")?))
}

pub fn hash(table: &TableLook) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| hostler_sdk::quote_identifier(&column.name)).collect();
    format!(
        "SELECT count(*)::int8 AS rows, coalesce(sum(hashtextextended(ROW({})::text, 0)), 0)::text AS hash FROM {}",
        columns.join(", "),
        table.name.quoted()
    )
}

fn ended(program: &str, outcome: Outcome) -> Result<(), TaskError> {
    match outcome {
        Outcome::Planned => Ok(()),
        Outcome::Completed(completed) if completed.exit_code == Some(0) => Ok(()),
        Outcome::Completed(completed) => {
            let said = String::from_utf8_lossy(&completed.stderr);
            let said = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
            Err(TaskError::new(format!("{program} failed: {}", said.chars().take(300).collect::<String>())))
        }
    }
}

fn attach(run: &Run, one: &Taken) -> String {
    format!("ALTER TABLE {} ATTACH PARTITION {} {};", run.source.name.quoted(), one.name().quoted(), one.bound)
}

fn differs(run: &Run, one: &Taken, restored: &(u64, String), own: &(u64, String)) {
    let how = match restored.0 == own.0 {
        true => format!("{} in both, and not the same", counted(own.0, "row")),
        false => format!("{} for {}", counted(restored.0, "row"), own.0),
    };
    finding!(
        Severity::Critical,
        "partition-differs",
        one.name().to_string(),
        "its restored dump is not what it holds, so it is not dropped: {how}"
    )
    .remedy(format!(
        "remove the dump {}.dump and run the task again; to have the rows back until then: {}",
        one.name(),
        attach(run, one)
    ))
    .report();
}

fn failed(run: &Run, one: &Taken, error: &TaskError) {
    let name = one.name().to_string();
    if error.is("55P03") || error.is("57014") {
        finding!(Severity::Warning, "partition-busy", name, "{}", error.message())
            .remedy("run the task again at a quieter time; it goes on with this partition")
            .report();
        return;
    }
    let advice = error.advice().map(|advice| format!("{advice}; ")).unwrap_or_default();
    finding!(Severity::Critical, "partition-failed", name, "it is not dropped: {}", error.message())
        .remedy(format!(
            "{advice}run the task again; to have the rows back until then, where it is off: {}",
            attach(run, one)
        ))
        .report();
}
