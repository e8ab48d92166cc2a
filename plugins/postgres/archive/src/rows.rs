//! Rows moved into the archive table, a batch in a transaction.

use hostler_sdk::postgres::{Isolation, Parameter};
use hostler_sdk::prelude::*;
use hostler_sdk::progress;
use serde::Serialize;
use shared_relations::table::{Name, TableLook};

use crate::Run;
use crate::statements::Statements;

/// Where the last run stopped: the order of its batches, and the last row that moved. A run that came to its end
/// leaves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Watermark {
    order: Vec<(String, String)>,
    after: Vec<String>,
}

/// What became of a batch.
enum Batch {
    Planned,
    /// So many rows moved; the last of them, where there are more behind it.
    Moved(u64, Option<Vec<String>>),
    /// What the archive had is not what was deleted.
    Differs(String),
}

pub async fn archive(run: &Run) -> Result<String, TaskError> {
    let (database, settings) = (&run.database, &run.settings);
    if settings.archive.is_empty() {
        return Err(TaskError::new("`archive` is not set: where the rows are to move to")
            .remedy("set it to a table as in archive = \"archive.orders\", or set method = \"partitions\""));
    }
    let name = Name::parse("archive", &settings.archive)?;
    if name == run.source.name {
        return Err(TaskError::new("`source` and `archive` are the same table"));
    }
    if database.info().version < 140_000 {
        return Err(TaskError::new("the archive's rows can only be compared on PostgreSQL 14 or newer"));
    }
    let archive = match TableLook::find(database, &name).await? {
        Some(archive) => archive,
        None => {
            return Err(TaskError::new(format!("there is no table {name} to archive into")).remedy(format!(
                "CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED);",
                name.quoted(),
                run.source.name.quoted()
            )));
        }
    };
    run.source.refuse_cascades(database).await?;
    let statements = Statements::look(database, &run.source, &archive, &settings.time_column).await?;
    let cut_off = run.cut_off()?;
    let mut moved = 0;
    let mut bounds = (u64::MAX, u64::MAX);
    if run.context.is_check() {
        let row =
            database.query_with(&statements.due(), &[cut_off.as_str().into()], settings.patient()).await?.one().await?;
        let due: u64 = row.get("rows")?;
        Metric::gauge("postgres_archive_due_rows", due as f64).report();
        if due == 0 {
            return Ok(format!("no row of {} is older than {cut_off}", run.source.name));
        }
        let now = due.min(settings.limit);
        bounds = ((now.div_ceil(settings.batch) + 2) * 2, now.saturating_add(settings.batch) * 2);
        moved = now;
    }
    let title =
        format!("move rows of {} older than {cut_off} to {name}, {} at a time", run.source.name, settings.batch);
    let step = run.context.step(&title, bounds.0, bounds.1)?;
    let key = format!("rows of {} to {name}", run.source.name);
    let kept: Option<Watermark> = run.context.state().get(&key).await?;
    let mut after = kept.filter(|kept| kept.order == statements.order).map(|kept| kept.after);
    let mut resumed = after.is_some();
    let mut batches = 0_u64;
    loop {
        if let Some(reason) = run.stops().await? {
            stopped(&reason, moved);
            break;
        }
        progress(moved, None, &format!("{moved} rows moved"));
        match batch(run, &statements, &cut_off, after.clone()).await {
            Ok(Batch::Planned) => break,
            Ok(Batch::Moved(rows, next)) => {
                moved += rows;
                batches += u64::from(rows > 0);
                after = next;
            }
            Ok(Batch::Differs(how)) => {
                differs(&name, &how);
                break;
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                failed(run, &name, &error);
                break;
            }
        }
        match &after {
            Some(after) => {
                let mark = Watermark { order: statements.order.clone(), after: after.clone() };
                run.context.state().set(&key, &mark).await?;
            }
            // What became old behind the place where the last run stopped is looked for from the beginning.
            None if resumed => resumed = false,
            None => {
                run.context.state().delete(&key).await?;
                break;
            }
        }
        if moved >= settings.limit {
            stopped(&format!("{} rows are the most that a run moves (`limit`)", settings.limit), moved);
            break;
        }
    }
    drop(step);
    if run.context.is_check() {
        return Ok(format!("{} of {} to be moved to {name}", counted(moved, "row"), run.source.name));
    }
    Metric::gauge("postgres_archive_moved_rows", moved as f64).report();
    let batches = counted(batches, "batch");
    Ok(format!(
        "{} older than {cut_off} moved from {} to {name} in {batches}, each compared",
        counted(moved, "row"),
        run.source.name
    ))
}

/// One batch, from behind a row on: copied, compared with what goes, and kept only where both are the same.
async fn batch(
    run: &Run,
    statements: &Statements,
    cut_off: &str,
    after: Option<Vec<String>>,
) -> Result<Batch, TaskError> {
    let settings = &run.settings;
    let mut parameters = vec![Parameter::from(cut_off)];
    parameters.extend(values(after.as_deref(), statements));
    let transaction = run.database.begin_with(Isolation::RepeatableRead, settings.options()).await?;
    let rows =
        transaction.query_with(&statements.end(settings.batch), &parameters, settings.patient()).await?.rows().await?;
    let end: Option<Vec<String>> = match rows.iter().next() {
        Some(row) => {
            Some((0..statements.order.len()).map(|place| row.get(&format!("o{place}"))).collect::<Result<_, _>>()?)
        }
        None => None,
    };
    if end.is_none() && !run.context.is_check() {
        // The batch before was the last, and a full one.
        let rest = transaction.query_with(&statements.rest(), &parameters, settings.patient()).await?.one().await?;
        if !rest.get::<bool>("more")? {
            return Ok(Batch::Moved(0, None));
        }
    }
    parameters.extend(values(end.as_deref(), statements));
    let copied = transaction.execute_returning(&statements.copy(), &parameters).await?;
    let Some(copied) = copied else {
        transaction.execute_returning(&statements.delete(), &parameters).await?;
        return Ok(Batch::Planned);
    };
    let copied = copied.one().await?;
    let (first, last): (Option<String>, Option<String>) = (copied.get("first")?, copied.get("last")?);
    let places = [
        Parameter::from(first.unwrap_or_else(|| "(0,0)".into())),
        Parameter::from(last.unwrap_or_else(|| "(0,0)".into())),
    ];
    let archived = transaction.query_with(&statements.archived(), &places, settings.patient()).await?.one().await?;
    let kept: (u64, String) = (archived.get("rows")?, archived.get("hash")?);
    let gone = match transaction.execute_returning(&statements.delete(), &parameters).await? {
        Some(gone) => gone.one().await?,
        None => return Ok(Batch::Planned),
    };
    let gone: (u64, String) = (gone.get("rows")?, gone.get("hash")?);
    if kept != gone {
        transaction.rollback().await?;
        return Ok(Batch::Differs(match kept.0 == gone.0 {
            true => format!("{} in both, and not the same", counted(gone.0, "row")),
            false => format!("{} in the archive for {} in the source", counted(kept.0, "row"), gone.0),
        }));
    }
    transaction.commit().await?;
    Ok(Batch::Moved(gone.0, end))
}

fn values(row: Option<&[String]>, statements: &Statements) -> Vec<Parameter> {
    match row {
        Some(row) => row.iter().map(|value| Parameter::from(value.as_str())).collect(),
        None => vec![Parameter::Null; statements.order.len()],
    }
}

pub fn stopped(reason: &str, moved: u64) {
    finding!(Severity::Warning, "stopped", "run", "{reason}: {} moved so far", counted(moved, "row"))
        .remedy("run the task again: it goes on where it stopped")
        .report();
}

pub fn differs(archive: &Name, how: &str) {
    finding!(
        Severity::Critical,
        "batch-differs",
        archive.to_string(),
        "a batch was rolled back and nothing of it deleted: {how}"
    )
    .remedy(format!(
        "\\d+ {} in psql: see which trigger, rule or column type changes what is written",
        archive.quoted()
    ))
    .report();
}

fn failed(run: &Run, archive: &Name, error: &TaskError) {
    let source = run.source.name.quoted();
    let (severity, code, remedy) = if ["40001", "40P01", "55P03"].iter().any(|code| error.is(code)) {
        (Severity::Warning, "batch-busy", "run the task again: somebody changed or locked rows of the batch".to_owned())
    } else if error.is("23505") {
        let remedy = format!(
            "see which rows are in both: SELECT * FROM {source} s JOIN {} a USING (…); then remove one of each pair",
            archive.quoted()
        );
        (Severity::Critical, "batch-conflict", remedy)
    } else {
        let remedy = error.advice().unwrap_or("mend what the message says, then run the task again").to_owned();
        (Severity::Critical, "batch-failed", remedy)
    };
    let message = error.message();
    finding!(severity, code, archive.to_string(), "a batch was rolled back and nothing of it deleted: {message}")
        .remedy(remedy)
        .report();
}
