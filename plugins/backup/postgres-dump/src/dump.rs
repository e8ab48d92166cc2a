//! One set: the dump and the row counts side by side in one snapshot, the globals, the manifest, and at last the name.

use std::cell::Cell;

use hostler_sdk::files::{self, Directory, Effect};
use hostler_sdk::postgres::{Database, Isolation, Options, Transaction, options};
use hostler_sdk::prelude::*;
use hostler_sdk::shell::Program;
use shared_backups::{DIRECTORY_MODE, FORMAT, MANIFEST, Manifest, PARTIAL, Shelf, TableRows, ended_well};

use crate::{Settings, rows};

/// The directory, the snapshot, the dump, the globals, the manifest, the name.
const EFFECTS: u64 = 6;
/// What stands for a snapshot that was only planned.
const PLANNED: &str = "planned";

/// What the dump needs to know of its database.
struct Facts {
    encoding: String,
    bytes: u64,
    reads_passwords: bool,
}

/// Makes the set `name`, and returns its bytes; zero where it was planned.
pub(crate) async fn dump(
    context: &Context,
    settings: &Settings,
    target: &str,
    destination: &Directory,
    shelf: &Shelf,
    name: &str,
) -> Result<u64, TaskError> {
    let began = Timestamp::now();
    let database = Database::open("database", Some(target), None).await?;
    let facts = facts(&database).await?;
    room(destination, shelf, target, &facts).await?;
    let _step = context.step(&format!("Dump {target} to {name}"), EFFECTS, 1)?;
    let writing = destination.path(&format!("{name}{PARTIAL}"));
    files::create_directory(&writing, DIRECTORY_MODE).await?;
    let counted = in_one_snapshot(context, settings, target, &database, &writing).await?;
    globals(context, target, &database, &writing, facts.reads_passwords).await?;
    let info = database.info();
    let mut manifest = Manifest {
        format: FORMAT,
        plugin: "backup-postgres-dump".into(),
        set: name.into(),
        at: began,
        server_version: info.version,
        system_identifier: info.system_identifier,
        database: info.database,
        encoding: facts.encoding,
        tables: counted,
        ..Manifest::default()
    };
    if !context.is_check() {
        manifest.files = shared_backups::hashed(&writing, None).await?;
    }
    shared_backups::write_json(&format!("{writing}/{MANIFEST}"), &manifest).await?;
    if files::rename(&writing, &destination.path(name)).await? == Effect::Planned {
        return Ok(0);
    }
    told(target, &manifest, began.until(Timestamp::now()), facts.reads_passwords);
    Ok(manifest.bytes())
}

/// pg_dump and the counting, on one snapshot: what is counted is what is dumped, however much is written meanwhile.
async fn in_one_snapshot(
    context: &Context,
    settings: &Settings,
    target: &str,
    database: &Database,
    writing: &str,
) -> Result<Vec<TableRows>, TaskError> {
    // The transaction waits for pg_dump's last connection to take its snapshot over.
    let patience = vec![("idle_in_transaction_session_timeout".to_owned(), "1d".to_owned())];
    let patient = Options { settings: patience, ..options() };
    let transaction = database.begin_with(Isolation::RepeatableRead, patient).await?;
    let snapshot = export(&transaction).await?;
    let dump = pg_dump(context, settings, target, snapshot.as_deref().unwrap_or(PLANNED), writing);
    // Without the dump nobody needs the counts, and the operator hears of it before all tables are counted.
    let failed = Cell::new(false);
    let dumping = async {
        let dumped = dump.run().await.and_then(|outcome| ended_well("pg_dump", outcome));
        failed.set(dumped.is_err());
        dumped
    };
    let counting = async {
        match &snapshot {
            Some(_) => rows::count(&transaction, target, settings, &failed).await,
            None => Ok(vec![]),
        }
    };
    let (dumped, counted) = hostler_sdk::join!(dumping, counting);
    dumped?;
    let counted = counted?;
    // Nothing was changed in it: that it ends is all.
    transaction.commit().await?;
    Ok(counted)
}

/// The snapshot's name; nothing where it is only planned.
async fn export(transaction: &Transaction) -> Result<Option<String>, TaskError> {
    let exported = transaction.execute_returning("SELECT pg_catalog.pg_export_snapshot() AS snapshot", &[]).await;
    match exported.during("exporting the snapshot")? {
        Some(rows) => Ok(Some(rows.one().await?.get("snapshot")?)),
        None => Ok(None),
    }
}

fn pg_dump(context: &Context, settings: &Settings, target: &str, snapshot: &str, writing: &str) -> Program {
    context
        .program("pg_dump")
        .arguments(["--format=directory", "--no-password"])
        .argument(format!("--jobs={}", settings.jobs))
        .argument(format!("--compress={}", compress(&settings.compression)))
        .argument(format!("--lock-wait-timeout={}", settings.lock_wait.as_milliseconds()))
        .argument(format!("--snapshot={snapshot}"))
        .text_path("--file=", format!("{writing}/dump"))
        .connect_to(&format!("database/{target}"))
        .timeout(settings.timeout)
}

/// The word of `--compress` that every pg_dump takes, as far as there is one.
pub(crate) fn compress(compression: &str) -> &str {
    match compression {
        "none" => "0",
        "gzip" => "6",
        other => other,
    }
}

/// The roles and tablespaces.
async fn globals(
    context: &Context,
    target: &str,
    database: &Database,
    writing: &str,
    passwords: bool,
) -> Result<(), TaskError> {
    let program = context
        .program("pg_dumpall")
        .arguments(["--globals-only", "--no-password"])
        .argument(format!("--database={}", database.info().database))
        .connect_to(&format!("database/{target}"));
    let program = if passwords { program } else { program.argument("--no-role-passwords") };
    let outcome = program.run_into(format!("{writing}/globals.sql")).await?;
    ended_well("pg_dumpall", outcome).map(drop)
}

async fn facts(database: &Database) -> Result<Facts, TaskError> {
    let sql = "SELECT getdatabaseencoding()::text AS encoding, pg_database_size(current_database()) AS bytes, \
               has_table_privilege('pg_catalog.pg_authid', 'SELECT') AS reads_passwords";
    let row = database.query(sql, &[]).await?.one().await?;
    Ok(Facts {
        encoding: row.get("encoding")?,
        bytes: row.get::<i64>("bytes")?.unsigned_abs(),
        reads_passwords: row.get("reads_passwords")?,
    })
}

/// The last set is the best guess at the size of the next: better to find out now than when the disk is full.
async fn room(destination: &Directory, shelf: &Shelf, target: &str, facts: &Facts) -> Result<(), TaskError> {
    let available = files::usage(&destination.root()).await?.available_bytes;
    let last = match shelf.whole(target).next() {
        Some(set) => shared_backups::read_manifest(&destination.path(&set.name)).await.ok(),
        None => None,
    };
    no_room(available, last.map(|manifest| manifest.bytes()), facts.bytes).map_or(Ok(()), Err)
}

/// Without a set to go by, a tenth of the database is the least that a dump of it takes.
pub(crate) fn no_room(available: u64, last: Option<u64>, database: u64) -> Option<TaskError> {
    let (needed, what) = match last {
        Some(last) => (last, format!("the last set took {}", ByteSize(last))),
        None => (database / 10, format!("a database of {} is seldom dumped to a tenth of it", ByteSize(database))),
    };
    let problem = format!("the destination has {} left, and {what}", ByteSize(available));
    (available < needed).then(|| {
        TaskError::new(problem).remedy("free space at the destination, lower `keep`, or bind a larger filesystem")
    })
}

fn told(target: &str, manifest: &Manifest, took: Duration, passwords: bool) {
    let rows: u64 = manifest.tables.iter().filter_map(|table| table.rows).sum();
    for (metric, value) in [
        ("backup_duration_seconds", took.as_seconds()),
        ("backup_written_bytes", manifest.bytes() as f64),
        ("backup_files", manifest.files.len() as f64),
        ("backup_counted_rows", rows as f64),
    ] {
        Metric::gauge(metric, value).label("database", target).report();
    }
    let mut table = Table::new("Sets", &["set", "size", "files", "tables", "rows", "took"]);
    let size = ByteSize(manifest.bytes());
    table.row(&[&manifest.set, &size, &manifest.files.len(), &manifest.tables.len(), &rows, &took]);
    table.report();
    if !passwords {
        let summary = "the roles are in the set without their passwords, which the task's role may not read";
        Finding::new(Severity::Ok, "globals-without-passwords", target, summary)
            .remedy("bind a superuser, or keep the passwords elsewhere: roles restored from the set have none")
            .report();
    }
}
