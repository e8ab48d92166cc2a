//! Partitioned tables, looked at before they run out of partitions: from that moment on rows are refused, or fall into
//! the default partition, which then forbids the very partition that they belong to. The next ones are made only where
//! the operator says so, each as wide as the last, or by pg_partman where that has the tables in its care.

mod table;
mod width;

use hostler_sdk::postgres::{Database, Execution, Options};
use hostler_sdk::prelude::*;
use hostler_sdk::{progress, quote_identifier};
use shared_relations::partition::Partitioned;
use shared_relations::table::Name;

use table::{Next, Table, ahead, next};

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    tables: Vec<String>,
    exclude: Vec<String>,
    ahead_warning: Range,
    ahead_critical: Range,
    create: bool,
    ahead: usize,
    method: String,
    partman_schema: String,
    limit: usize,
    lock_warning: Range,
    lock_critical: Range,
    wait: Duration,
    timeout: Duration,
}

impl Settings {
    fn options(&self) -> Options {
        let wait = format!("{}ms", self.wait.as_milliseconds());
        Options { settings: vec![("lock_timeout".into(), wait)], timeout_ms: Some(self.timeout.as_milliseconds()) }
    }

    /// The tables to look at, in the order in which the server lists them.
    fn chosen(&self, mut all: Vec<Table>) -> Result<Vec<Table>, TaskError> {
        let named: Vec<Name> = self.tables.iter().map(|text| Name::parse("tables", text)).collect::<Result<_, _>>()?;
        if let Some(missing) = named.iter().find(|name| !all.iter().any(|table| table.name == **name)) {
            return Err(TaskError::new(format!("{missing} is no partitioned table of the database"))
                .remedy("set `tables` to those that are, or leave it empty for all of them"));
        }
        all.retain(|table| named.is_empty() || named.contains(&table.name));
        all.retain(|table| !self.exclude.contains(&table.name.to_string()));
        Ok(all)
    }
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    let changes = settings.create && !database.info().in_recovery;
    if settings.create && database.info().in_recovery {
        return Err(TaskError::new("this is a standby, where no partition can be made")
            .remedy("bind the primary, or set create = false"));
    }
    let _lock = if changes { Some(context.lock("database", "partitions").await?) } else { None };
    let tables = settings.chosen(Table::all(&database).await?)?;
    let now = context.planned_at();
    let mut made = 0;
    if changes {
        made = match settings.method.as_str() {
            "partman" => partman(&context, &database, &settings).await?,
            _ => declarative(&context, &database, &settings, &tables).await?,
        };
    }
    for table in &tables {
        table.report_locks(&settings);
        let partitioned = Partitioned::look(&database, table.oid).await?;
        table.report_default(&database, &partitioned).await?;
        table.report_shape(&database, &partitioned, &settings).await?;
        let Some(key) = &partitioned.key else { continue };
        match table.present(&database, key, now).await {
            Ok(present) => table.report_ahead(&partitioned, present, &settings),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("values-unknown", table.name.to_string()).report(),
        }
    }
    let looked = counted(tables.len(), "partitioned table");
    Ok(match (changes, settings.method.as_str(), context.is_check()) {
        (false, ..) => looked,
        (true, "partman", true) => format!("{looked}, pg_partman's maintenance to be run"),
        (true, "partman", false) => {
            format!("{looked}, pg_partman's maintenance run: {} made", counted(made, "partition"))
        }
        (true, _, true) => format!("{looked}, {} to be made", counted(made, "partition")),
        (true, _, false) => format!("{looked}, {} made", counted(made, "partition")),
    })
}

/// Makes the next partitions of each table, one at a time, each by what the table has then.
async fn declarative(
    context: &Context,
    database: &Database,
    settings: &Settings,
    tables: &[Table],
) -> Result<usize, TaskError> {
    let mut made = 0;
    for (place, table) in tables.iter().enumerate() {
        progress(place as u64, Some(tables.len() as u64), &table.name.to_string());
        let mut partitioned = Partitioned::look(database, table.oid).await?;
        let Some(key) = partitioned.key.clone() else { continue };
        let Ok(present) = table.present(database, &key, context.planned_at()).await else { continue };
        while ahead(&partitioned.partitions, present).is_some_and(|ahead| ahead < settings.ahead) {
            if let Some(reason) = context.stop_requested() {
                stopped(reason, made);
                return Ok(made);
            }
            if made >= settings.limit {
                stopped(
                    &format!("{} are the most that a run makes (`limit`)", counted(settings.limit, "partition")),
                    made,
                );
                return Ok(made);
            }
            if !table.permitted {
                table.report_not_permitted();
                break;
            }
            let Some(next) = next(&table.name, &partitioned) else {
                table.report_no_range();
                break;
            };
            if partitioned.partitions.iter().any(|partition| !partition.plain) {
                table.report_sub_partitioned();
                break;
            }
            match create(context, database, settings, table, &next).await {
                Ok(Execution::Planned) => partitioned.partitions.push(next.made()),
                Ok(Execution::Applied(_)) => partitioned = Partitioned::look(database, table.oid).await?,
                Err(error) if error.ends_the_run() => return Err(error),
                Err(error) => {
                    failed(table, &next, &error);
                    break;
                }
            }
            made += 1;
        }
    }
    Ok(made)
}

async fn create(
    context: &Context,
    database: &Database,
    settings: &Settings,
    table: &Table,
    next: &Next,
) -> Result<Execution, TaskError> {
    let _step = context.step(&format!("make the partition {} of {}", next.name, table.name), 1, 1)?;
    database.execute_with(&next.statement(&table.name), &[], settings.options()).await
}

fn failed(table: &Table, next: &Next, error: &TaskError) {
    let name = next.name.to_string();
    let finding = if error.is("55P03") {
        finding!(Severity::Warning, "partition-busy", name, "it could not be made: {}", error.message())
            .remedy("run the task again; SELECT pid, query FROM pg_stat_activity WHERE state <> 'idle' ORDER BY xact_start says who is at it")
    } else if error.is("23514") {
        finding!(
            Severity::Critical,
            "default-blocks",
            name,
            "it could not be made, since rows of its range are in the default partition of {}",
            table.name
        )
        .remedy("see the finding rows-in-default for how to move them")
    } else {
        finding!(Severity::Critical, "partition-failed", name, "it could not be made: {}", error.message())
            .remedy(format!("{}; -- by hand, once the cause is mended", next.statement(&table.name)))
    };
    finding.report();
}

fn stopped(reason: &str, made: usize) {
    finding!(Severity::Warning, "stopped", "run", "{reason}: {} so far", counted(made, "partition"))
        .remedy("run the task again: it goes on with those that are left")
        .report();
}

/// pg_partman's own maintenance, which makes partitions and, where it is configured so, drops old ones.
async fn partman(context: &Context, database: &Database, settings: &Settings) -> Result<usize, TaskError> {
    let before = count(database).await?;
    let _step = context.step("run pg_partman's maintenance", 1, 1)?;
    let sql = format!("CALL {}.run_maintenance_proc()", quote_identifier(&settings.partman_schema));
    match database.execute_with(&sql, &[], settings.options()).await {
        Ok(_) => Ok(count(database).await?.saturating_sub(before)),
        Err(error) if error.ends_the_run() => Err(error),
        Err(error) => {
            finding!(Severity::Critical, "partition-failed", "pg_partman", "its maintenance failed: {}", error.message())
                .remedy("see the message; partman_schema has to be the extension's schema, and the role needs EXECUTE on its functions")
                .report();
            Ok(0)
        }
    }
}

const COUNT: &str = "SELECT count(*)::int8 AS partitions FROM pg_class WHERE relispartition AND relkind IN ('r', 'p')";

async fn count(database: &Database) -> Result<usize, TaskError> {
    let partitions: u64 = database.query(COUNT, &[]).await?.one().await?.get("partitions")?;
    Ok(usize::try_from(partitions).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests;
