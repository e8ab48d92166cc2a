//! Tables that waste much of their disk, rewritten: those that waste most first, measured before and after.
//!
//! VACUUM FULL locks readers out for as long as it takes, so pg_repack comes first, which does not; and VACUUM FULL is
//! begun only inside the operator's window, with little patience for its lock (all who come after it wait behind it),
//! and on no table above a size. Both leave the visibility map empty, so a VACUUM follows: without it every index-only
//! scan reads the table.

mod how;
mod window;

use hostler_sdk::postgres::{Database, Execution, Options, needs_monitor};
use hostler_sdk::prelude::*;
use hostler_sdk::shell::Outcome;
use hostler_sdk::{progress, quote_qualified};
use shared_relations::conditions::{Conditions, Limits};
use shared_relations::heap::Heap;
use shared_relations::index::Extensions;
use shared_relations::space::{self, Disk};

use how::{How, Means};
use window::Window;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    wasted_warning: Range,
    wasted_critical: Range,
    wasted_least: ByteSize,
    window: String,
    full_most: ByteSize,
    data_path: String,
    free_space: ByteSize,
    limit: usize,
    exclude: Vec<String>,
    longest_transaction: Duration,
    most_lag: ByteSize,
    wait: Duration,
    timeout: Duration,
}

impl Settings {
    fn limits(&self) -> Limits {
        Limits { longest_transaction: self.longest_transaction, most_lag: self.most_lag }
    }

    fn options(&self, limit: Duration) -> Options {
        let wait = format!("{}ms", self.wait.as_milliseconds());
        Options { settings: vec![("lock_timeout".into(), wait)], timeout_ms: Some(limit.as_milliseconds()) }
    }
}

const SERVER: &str = "SELECT quote_ident(current_user) AS role, pg_has_role('pg_monitor', 'USAGE') AS sees_all";

/// Under which the table that is being rewritten is remembered.
const BEGUN: &str = "begun";

/// A table with what it wastes.
struct Wasteful {
    heap: Heap,
    wasted: f64,
}

impl Wasteful {
    fn share(&self) -> f64 {
        if self.heap.bytes > 0.0 { self.wasted / self.heap.bytes * 100.0 } else { 0.0 }
    }

    fn is_due(&self, settings: &Settings) -> bool {
        let share = self.share();
        self.wasted >= settings.wasted_least.as_f64()
            && (settings.wasted_warning.matches(share) || settings.wasted_critical.matches(share))
    }

    fn report(&self, settings: &Settings) {
        let (severity, limit) =
            judged(self.share(), &settings.wasted_warning, &settings.wasted_critical, Measure::Percent);
        finding!(
            severity,
            "table-wasted",
            self.heap.name.to_string(),
            "{} of {} are wasted, {}{limit}",
            ByteSize::from_f64(self.wasted),
            ByteSize::from_f64(self.heap.bytes),
            Percent(self.share())
        )
        .remedy(format!("VACUUM (FULL) {0}; VACUUM {0}; -- in a window, or by pg_repack", self.heap.name.quoted()))
        .report_unless_ok();
    }
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    if database.info().in_recovery {
        return Err(TaskError::new("this is a standby, where nothing can be rewritten")
            .remedy("bind the primary: what it rewrites is replayed here"));
    }
    let window = Window::parse(&settings.window)?;
    let _lock = context.lock("database", "compact").await?;
    let server = database.query(SERVER, &[]).await?.one().await?;
    let role: String = server.get("role")?;
    if !server.get::<bool>("sees_all")? {
        needs_monitor(&role, database.name(), "which transactions a rewrite would wait for").report();
        return Ok("nothing was looked at".into());
    }
    finish(&context, &database, &settings).await?;
    let heaps = Heap::all(&database, settings.wasted_least).await?;
    let Some(schema) = Extensions::look(&database).await?.pgstattuple else {
        how::report_unmeasured(&heaps);
        return Ok(format!(
            "{} of {} or more, and nothing to measure them with",
            counted(heaps.len(), "table"),
            settings.wasted_least
        ));
    };
    let wasteful = measured(&database, &schema, heaps, &settings).await?;
    let means = Means::look(&database).await?;
    means.report_leftovers();
    let mut done = Done::default();
    if let Some(reason) =
        all(&context, &database, &schema, &settings, means, window, &wasteful, &role, &mut done).await?
    {
        finding!(
            Severity::Warning,
            "stopped",
            "run",
            "{reason}: {} left",
            counted(wasteful.len() - done.seen, "table")
        )
        .remedy("run the task again: it goes on with those that are left")
        .report();
    }
    Ok(done.summary(&context, &settings, &wasteful))
}

/// The tables that waste too much, the most wasteful first.
async fn measured(
    database: &Database,
    schema: &str,
    heaps: Vec<Heap>,
    settings: &Settings,
) -> Result<Vec<Wasteful>, TaskError> {
    let mut wasteful = vec![];
    let all = heaps.len();
    for (place, heap) in heaps.into_iter().enumerate() {
        if settings.exclude.contains(&heap.name.to_string()) {
            continue;
        }
        progress(place as u64, Some(all as u64), &format!("measuring {}", heap.name));
        match heap.wasted(database, schema, settings.timeout).await {
            Ok(wasted) => wasteful.push(Wasteful { heap, wasted }),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                let finding = error.finding("privilege-missing", heap.name.to_string());
                finding.remedy("GRANT pg_stat_scan_tables to the task's role: pgstattuple needs it").report();
            }
        }
    }
    for one in &wasteful {
        Metric::gauge("postgres_table_wasted_bytes", one.wasted).label("table", one.heap.name.to_string()).report();
    }
    wasteful.retain(|one| one.is_due(settings));
    wasteful.sort_by(|one, other| other.wasted.total_cmp(&one.wasted));
    Ok(wasteful)
}

/// What the run did.
#[derive(Default)]
struct Done {
    seen: usize,
    compacted: Vec<String>,
    freed: f64,
    rows: Vec<[String; 4]>,
}

impl Done {
    fn summary(&self, context: &Context, settings: &Settings, wasteful: &[Wasteful]) -> String {
        let mut table = Table::new("Tables", &["table", "how", "before", "after"]);
        for [name, how, before, after] in &self.rows {
            table.row(&[name, how, before, after]);
        }
        table.report();
        let is_left = |one: &&Wasteful| context.is_check() || !self.compacted.contains(&one.heap.name.to_string());
        let left: Vec<&Wasteful> = wasteful.iter().filter(is_left).collect();
        left.iter().for_each(|one| one.report(settings));
        Metric::gauge("postgres_tables_wasteful", left.len() as f64).report();
        if context.is_check() {
            return format!(
                "{} of too much waste: {} to be compacted",
                counted(wasteful.len(), "table"),
                self.compacted.len()
            );
        }
        Metric::gauge("postgres_compacted_bytes", self.freed.max(0.0)).report();
        let freed = ByteSize::from_f64(self.freed.max(0.0));
        format!(
            "{} of too much waste: {} compacted, {freed} given back",
            counted(wasteful.len(), "table"),
            self.compacted.len()
        )
    }
}

/// One after the other; why it stopped, where it did.
#[allow(clippy::too_many_arguments)]
async fn all(
    context: &Context,
    database: &Database,
    schema: &str,
    settings: &Settings,
    mut means: Means,
    window: Option<Window>,
    wasteful: &[Wasteful],
    role: &str,
    done: &mut Done,
) -> Result<Option<String>, TaskError> {
    let disk = Disk { data_path: &settings.data_path, free_space: settings.free_space };
    for (place, one) in wasteful.iter().take(settings.limit).enumerate() {
        progress(place as u64, Some(wasteful.len() as u64), &one.heap.name.to_string());
        if let Some(reason) = context.stop_requested() {
            return Ok(Some(reason.to_owned()));
        }
        let conditions = Conditions::look(database).await?;
        let forbidden = conditions.forbid(&settings.limits()).or_else(|| conditions.waits_for(&settings.limits()));
        if let Some(reason) = forbidden {
            return Ok(Some(reason));
        }
        done.seen += 1;
        if !one.heap.permitted {
            how::report_not_permitted(&one.heap, role);
            continue;
        }
        let open = match window {
            Some(window) => window.open(database, &context.info().time_zone).await?,
            None => None,
        };
        let Some(mut how) = chosen(means, one, settings, open) else { continue };
        match disk.available().await? {
            None => {
                space::report_unknown();
                return Ok(None);
            }
            Some(available) if (available as f64) < one.heap.total * 2.0 => {
                how::report_no_room(&one.heap, available);
                continue;
            }
            Some(_) => {}
        }
        let mut result = compact(context, database, schema, settings, one, how).await;
        if how == How::Repack && result.as_ref().is_err_and(TaskError::is_unbound) {
            means.bound = false;
            let Some(other) = chosen(means, one, settings, open) else { continue };
            how = other;
            result = compact(context, database, schema, settings, one, how).await;
        }
        match result {
            Ok(None) => done.compacted.push(one.heap.name.to_string()),
            Ok(Some(after)) => {
                done.compacted.push(one.heap.name.to_string());
                done.freed += one.heap.total - after;
                let [before, after] = [one.heap.total, after].map(|bytes| ByteSize::from_f64(bytes).to_string());
                done.rows.push([one.heap.name.to_string(), how.words().into(), before, after]);
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                context.state().delete(BEGUN).await?;
                how::report_failure(&one.heap, how, &error);
            }
        }
    }
    Ok(None)
}

/// What a table is rewritten with; nothing where that was told to be impossible.
fn chosen(means: Means, one: &Wasteful, settings: &Settings, open: Option<Duration>) -> Option<How> {
    means.choose(&one.heap, settings, open).map_err(|reason| how::report_left(&one.heap, &reason)).ok()
}

/// Rewrites a table and vacuums it; its size with indexes afterwards, or nothing where it was planned.
async fn compact(
    context: &Context,
    database: &Database,
    schema: &str,
    settings: &Settings,
    one: &Wasteful,
    how: How,
) -> Result<Option<f64>, TaskError> {
    let name = one.heap.name.quoted();
    let _step = context.step(&format!("{} of {}", how.words(), one.heap.name), 2, 2)?;
    if !context.is_check() {
        // Somebody may have been at it while the tables before were worked on.
        let still = one.heap.wasted(database, schema, settings.timeout).await?;
        if still < one.wasted / 2.0 {
            return Ok(Some(one.heap.total));
        }
    }
    let begun = vec![(one.heap.name.schema.clone(), one.heap.name.name.clone())];
    context.state().set(BEGUN, &begun).await?;
    match how {
        How::Repack => {
            let seconds = (settings.wait.as_seconds().ceil() as u64).clamp(1, 86_400);
            let program = context.program("repack").connect_to("database").timeout(settings.timeout);
            let program = program.arguments(["--no-password", "--no-order", "--no-kill-backend"]);
            let program = program.argument(format!("--wait-timeout={seconds}"));
            let program = program.argument(format!("--dbname={}", database.info().database));
            how::ended(program.argument(format!("--table={name}")).run().await?)?;
        }
        How::Full(limit) => {
            database.execute_with(&format!("VACUUM (FULL) {name}"), &[], settings.options(limit)).await?;
        }
    }
    let vacuum = vacuum(database, settings, &name).await?;
    context.state().delete(BEGUN).await?;
    match vacuum {
        Execution::Planned => Ok(None),
        Execution::Applied(_) => Ok(Some(how::size(database, one.heap.oid).await?)),
    }
}

async fn vacuum(database: &Database, settings: &Settings, name: &str) -> Result<Execution, TaskError> {
    database.execute_with(&format!("VACUUM (ANALYZE) {name}"), &[], settings.options(settings.timeout)).await
}

/// Vacuums what a run that was killed has rewritten, and perhaps not vacuumed: it wastes nothing any more, so nothing
/// else would come back to it.
async fn finish(context: &Context, database: &Database, settings: &Settings) -> Result<(), TaskError> {
    let begun: Vec<(String, String)> = context.state().get(BEGUN).await?.unwrap_or_default();
    for (schema, name) in begun {
        let name = quote_qualified(&schema, &name);
        let _step = context.step(&format!("VACUUM of {name}, whose rewrite was cut short"), 1, 1)?;
        match vacuum(database, settings, &name).await {
            // It may be gone, or locked: then it is not this that matters.
            Err(error) if error.ends_the_run() => return Err(error),
            _ => {}
        }
    }
    context.state().delete(BEGUN).await
}

fn is_planned(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Planned)
}

#[cfg(test)]
mod tests;
