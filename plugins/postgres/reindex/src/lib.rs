//! Indexes rebuilt beside the traffic. REINDEX TABLE and REINDEX INDEX lock out writers and, for the index's own lock,
//! readers too; CONCURRENTLY does not, at the price of leaving an invalid index behind where it fails. So what earlier
//! rebuilds left goes first, and what this run's own failures leave goes before it ends.

mod work;

use hostler_sdk::postgres::{Database, Execution, Options, needs_monitor};
use hostler_sdk::prelude::*;
use hostler_sdk::progress;
use shared_relations::conditions::{Conditions, Limits};
use shared_relations::index::{Bloat, Extensions, Index};
use shared_relations::space::{self, Disk};

use work::{Kind, Looked, Work};

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    bloat_factor: f64,
    bloat_least: ByteSize,
    data_path: String,
    free_space: ByteSize,
    limit: usize,
    exclude: Vec<String>,
    longest_transaction: Duration,
    wait: Duration,
    most_lag: ByteSize,
    timeout: Duration,
}

impl Settings {
    fn bloat(&self) -> Bloat {
        Bloat { factor: self.bloat_factor, least: self.bloat_least }
    }

    fn limits(&self) -> Limits {
        Limits { longest_transaction: self.longest_transaction, most_lag: self.most_lag }
    }

    fn disk(&self) -> Disk<'_> {
        Disk { data_path: &self.data_path, free_space: self.free_space }
    }
}

const SERVER: &str = "
    SELECT quote_ident(current_user) AS role, pg_has_role('pg_monitor', 'USAGE') AS sees_all,
        current_setting('block_size')::int8 AS block_size";

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    if database.info().in_recovery {
        return Err(TaskError::new("this is a standby, where nothing can be rebuilt")
            .remedy("bind the primary: what it rebuilds is replayed here"));
    }
    let _lock = context.lock("database", "reindex").await?;
    let server = database.query(SERVER, &[]).await?.one().await?;
    let role: String = server.get("role")?;
    if !server.get::<bool>("sees_all")? {
        // An index that another session is building looks like one that failed.
        needs_monitor(&role, database.name(), "whether an invalid index is being built").report();
        return Ok("nothing was looked at".into());
    }
    let extensions = Extensions::look(&database).await?;
    let indexes = Index::all(&database, server.get("block_size")?).await?;
    let mut works = work::invalid(&Looked::read(&database).await?);
    works.extend(bloated(&database, &extensions, &indexes, &settings).await?);
    works.retain(|work| !settings.exclude.contains(&work.full_name()));
    let (works, left_out): (Vec<Work>, Vec<Work>) = works.into_iter().partition(Work::can_be_done);
    left_out.iter().for_each(|work| work.report_left_out(&role));
    let mut done = Done::default();
    let stopped = all(&context, &database, &works, &settings, &mut done).await?;
    if done.failed > 0 && !context.is_check() {
        clear(&context, &database, &works, &mut done).await?;
    }
    if let Some(reason) = stopped {
        finding!(Severity::Warning, "stopped", "run", "{reason}: {} left", counted(works.len() - done.seen, "index"))
            .remedy("run the task again: it goes on with those that are left")
            .report();
    }
    Ok(done.summary(&context, works.len()))
}

/// What the run did.
#[derive(Default)]
struct Done {
    seen: usize,
    rebuilt: usize,
    dropped: usize,
    failed: usize,
    freed: f64,
    rows: Vec<[String; 4]>,
}

impl Done {
    fn summary(&self, context: &Context, due: usize) -> String {
        let mut table = Table::new("Indexes", &["index", "what", "before", "after"]);
        for [index, what, before, after] in &self.rows {
            table.row(&[index, what, before, after]);
        }
        if !self.rows.is_empty() {
            table.report();
        }
        Metric::gauge("postgres_indexes_due_for_rebuild", (due - self.rebuilt - self.dropped.min(due)) as f64).report();
        let (rebuilt, dropped) = match context.is_check() {
            true => ("to be rebuilt", "to be dropped"),
            false => ("rebuilt", "dropped"),
        };
        let freed = ByteSize::from_f64(self.freed.max(0.0));
        format!(
            "{due} due: {} {rebuilt}, {} {dropped}, {} failed, {freed} given back",
            self.rebuilt, self.dropped, self.failed
        )
    }
}

/// The indexes that waste too much, the most wasteful first.
async fn bloated(
    database: &Database,
    extensions: &Extensions,
    indexes: &[Index],
    settings: &Settings,
) -> Result<Vec<Work>, TaskError> {
    let (mut works, mut unknown) = (vec![], vec![]);
    for index in indexes.iter().filter(|index| index.is_suspect(&settings.bloat())) {
        let ideal = match &extensions.pgstattuple {
            None => index.ideal,
            Some(schema) => match index.measure(database, schema, settings.timeout).await {
                Ok(ideal) => Some(ideal),
                Err(error) if error.ends_the_run() => return Err(error),
                // What is estimated is less waste than there is, never more.
                Err(_) => index.ideal,
            },
        };
        match ideal {
            Some(ideal) if index.wastes(ideal, &settings.bloat()) => works.push((index, ideal)),
            Some(_) => {}
            None => unknown.push(index.full_name()),
        }
    }
    work::report_unmeasured(&unknown);
    works.sort_by(|(one, ideal), (other, others)| (other.bytes - others).total_cmp(&(one.bytes - ideal)));
    let looked = Looked::read(database).await?;
    Ok(works.into_iter().filter_map(|(index, ideal)| looked.work(index.oid, Kind::Bloated { ideal })).collect())
}

/// One after the other; why it stopped, where it did.
async fn all(
    context: &Context,
    database: &Database,
    works: &[Work],
    settings: &Settings,
    done: &mut Done,
) -> Result<Option<String>, TaskError> {
    for (place, work) in works.iter().take(settings.limit).enumerate() {
        progress(place as u64, Some(works.len() as u64), &work.title());
        if let Some(reason) = context.stop_requested() {
            return Ok(Some(reason.to_owned()));
        }
        let conditions = Conditions::look(database).await?;
        let forbidden = conditions.forbid(&settings.limits()).or_else(|| conditions.waits_for(&settings.limits()));
        if let Some(reason) = forbidden {
            return Ok(Some(reason));
        }
        if work.rebuilds() {
            match settings.disk().available().await? {
                None => {
                    space::report_unknown();
                    done.seen += 1;
                    continue;
                }
                Some(available) if available < work.needs() => {
                    work.report_no_room(available);
                    done.seen += 1;
                    continue;
                }
                Some(_) => {}
            }
        }
        done.seen += 1;
        match one(context, database, work, settings).await {
            Ok(None) => {}
            Ok(Some(after)) => done.add(work, after),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                done.failed += 1;
                work.report_failure(error);
            }
        }
    }
    Ok(None)
}

impl Done {
    fn add(&mut self, work: &Work, after: f64) {
        if work.rebuilds() {
            self.rebuilt += 1;
        } else {
            self.dropped += 1;
        }
        self.freed += work.bytes - after;
        let (before, after) = (ByteSize::from_f64(work.bytes).to_string(), ByteSize::from_f64(after).to_string());
        self.rows.push([work.full_name(), work.reason(), before, after]);
    }
}

/// Its size afterwards; nothing where it was no longer to be done.
async fn one(
    context: &Context,
    database: &Database,
    work: &Work,
    settings: &Settings,
) -> Result<Option<f64>, TaskError> {
    let _step = context.step(&work.title(), 1, 1)?;
    if !context.is_check() && !Looked::read(database).await?.still(work) {
        return Ok(None);
    }
    let options = Options {
        settings: vec![("lock_timeout".into(), format!("{}ms", settings.wait.as_milliseconds()))],
        timeout_ms: Some(settings.timeout.as_milliseconds()),
    };
    match database.execute_with(&work.statement(), &[], options).await? {
        Execution::Planned => Ok(Some(work.expected())),
        Execution::Applied(_) => Ok(Some(Looked::read(database).await?.bytes(&work.full_name()))),
    }
}

/// Drops what this run's own failures left.
async fn clear(context: &Context, database: &Database, before: &[Work], done: &mut Done) -> Result<(), TaskError> {
    let left = work::invalid(&Looked::read(database).await?);
    let is_new = |work: &&Work| !work.rebuilds() && !before.iter().any(|known| known.oid == work.oid);
    for work in left.iter().filter(is_new).filter(|work| work.can_be_done()) {
        let _step = context.step(&work.title(), 1, 1)?;
        match database.execute(&work.statement(), &[]).await {
            Ok(_) => done.rows.push([
                work.full_name(),
                "left by this run's failure, dropped".into(),
                ByteSize::from_f64(work.bytes).to_string(),
                ByteSize(0).to_string(),
            ]),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => work.report_failure(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
