//! A backup is one when it was restored. So the newest dump of each database is: into a scratch database that is made for
//! it and dropped after, on another server than production, which is told by its system identifier and not by its name.
//!
//! That pg_restore ends well is half of it: what came back is compared with the rows that were counted in the snapshot of
//! the dump, is looked through by amcheck, and has to answer the operator's own queries. Then a proof is written into the
//! set, by which backup-postgres-dump never removes the newest set that has one.

mod compare;
mod scratch;
mod test;

use std::collections::BTreeMap;

use hostler_sdk::files::Directory;
use hostler_sdk::judged_above;
use hostler_sdk::prelude::*;
use shared_backups::{Set, Shelf};

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    sets: Vec<String>,
    queries: BTreeMap<String, String>,
    jobs: u32,
    amcheck: bool,
    timeout: Duration,
    age_warning: Duration,
    age_critical: Duration,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let directory = context.directory("backups");
    let _lock = context.lock("scratch", "backup-restore-test").await?;
    let scratch = context.postgres("scratch").await?;
    scratch::drop_left(&context, &scratch).await?;
    let shelf = Shelf::read(&directory).await?;
    let names = of_dumps(&directory, &shelf, wanted(&settings.sets, &shelf)).await?;
    if names.is_empty() {
        no_set(directory.name());
    }
    let (mut proven, mut before) = (0, 0);
    for (place, name) in names.iter().enumerate() {
        hostler_sdk::progress(place as u64, Some(names.len() as u64), name);
        let Some(newest) = shelf.whole(name).next() else {
            no_set(name);
            continue;
        };
        if newest.proven {
            before += 1;
        } else if let Some(reason) = context.stop_requested() {
            not_tested(&newest.name, &TaskError::new(format!("the run stopped before it was restored: {reason}")));
        } else {
            match test::prove(&context, &settings, &directory, &scratch, newest).await {
                Ok(done) => proven += usize::from(done),
                Err(error) if error.ends_the_run() => return Err(error),
                Err(error) => not_tested(&newest.name, &error),
            }
        }
        judge(&directory, &shelf, name, &settings).await?;
    }
    let of = counted(names.len(), "database");
    Ok(match context.is_check() {
        true => format!("the newest sets of {} of {of} would be restored", names.len().saturating_sub(before)),
        false => format!("the newest sets of {} of {of} are proven, {proven} by this run", proven + before),
    })
}

/// Those that the settings name, or all whose sets are dumps.
pub(crate) fn wanted(sets: &[String], shelf: &Shelf) -> Vec<String> {
    if sets.is_empty() { shelf.names().into_iter().map(str::to_owned).collect() } else { sets.to_vec() }
}

/// A base backup is a whole server, which no scratch database takes: its sets are left out.
async fn of_dumps(directory: &Directory, shelf: &Shelf, names: Vec<String>) -> Result<Vec<String>, TaskError> {
    let mut dumps = vec![];
    for name in names {
        let of_another = match shelf.whole(&name).next() {
            Some(newest) => match shared_backups::read_manifest(&directory.path(&newest.name)).await {
                Ok(manifest) => manifest.plugin != "backup-postgres-dump",
                Err(error) if error.ends_the_run() => return Err(error),
                // What it is of is not known; that it cannot be restored will be told.
                Err(_) => false,
            },
            None => false,
        };
        if !of_another {
            dumps.push(name);
        }
    }
    Ok(dumps)
}

fn no_set(subject: &str) {
    finding!(Severity::Unknown, "no-set", subject, "there is no whole set to restore")
        .remedy("run backup-postgres-dump, and look at where it writes to")
        .report();
}

fn not_tested(set: &str, error: &TaskError) {
    let remedy = error.advice().unwrap_or("mend what the summary names, and run the task again");
    finding!(Severity::Unknown, "not-tested", set, "it was not restored: {}", error.message()).remedy(remedy).report();
}

/// How long ago a set of this database was last restored.
async fn judge(directory: &Directory, shelf: &Shelf, name: &str, settings: &Settings) -> Result<(), TaskError> {
    let mut last: Option<Timestamp> = None;
    for set in shelf.whole(name) {
        // This run's proof is not on the shelf that was read before it.
        let proof = shared_backups::read_proof(&directory.path(&set.name)).await?;
        last = last.max(proof.map(|proof| proof.at));
    }
    let first = shelf.whole(name).last();
    judge_age(name, last, first, Timestamp::now(), settings);
    Ok(())
}

/// Without a proof the oldest set says since when there could have been one.
fn judge_age(name: &str, last: Option<Timestamp>, first: Option<&Set>, now: Timestamp, settings: &Settings) {
    let (warning, critical) = (settings.age_warning.as_seconds(), settings.age_critical.as_seconds());
    let (since, what) = match (last, first) {
        (Some(at), _) => (at, "the last set that was restored and agreed was tested"),
        (None, Some(set)) => (set.at, "no set was ever restored; the oldest was made"),
        (None, None) => return,
    };
    let age = since.until(now);
    if last.is_some() {
        Metric::gauge("backup_proof_age_seconds", age.as_seconds()).label("database", name).report();
    }
    let (severity, limit) = judged_above(age.as_seconds(), warning, critical, Measure::Seconds);
    finding!(severity, "proof-old", name, "{what} {age} ago{limit}")
        .remedy("run the task without --check, or mend what keeps it from restoring")
        .report_unless_ok();
}

#[cfg(test)]
mod tests;
