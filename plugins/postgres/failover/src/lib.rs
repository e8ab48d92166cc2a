//! Failover, before it is needed. Every day it is looked at whether a standby could take over and what would be lost; and
//! every month, where the operator has bound the programs for it, it is rehearsed on a clone that nobody else sees. A
//! procedure that was never tried is a hope, and one that is tried on production is the outage itself.

mod drill;
mod ready;

use hostler_sdk::files;
use hostler_sdk::{Timestamp, join_all, prelude::*};

use drill::Held;
use ready::{Primary, Standby};

hostler_sdk::plugin!(Settings, run);

/// What a rehearsal needs, beside the servers.
const PROGRAMS: [&str; 5] = ["pg-basebackup", "postgres", "pg-ctl", "psql", "psql-write"];

#[derive(Deserialize)]
struct Settings {
    loss_warning: ByteSize,
    loss_critical: ByteSize,
    replay: ByteSize,
    drill: bool,
    drill_every: Duration,
    drill_overdue: Duration,
    takeover: Duration,
    superuser: String,
    room: f64,
    timeout: Duration,
    start_timeout: Duration,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    if database.info().in_recovery {
        return Err(TaskError::new("what is bound as `database` is a standby")
            .remedy("bind the primary, and this as one of the standbys"));
    }
    let primary = Primary::read(&database).await?;
    drop(database);
    let names = context.postgres_targets("standbys");
    let mut standbys = vec![];
    for (name, standby) in names.iter().zip(join_all(names.iter().map(|name| Standby::read(name))).await) {
        match standby {
            Ok(standby) => standbys.push(standby),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("standby-unseen", name).report(),
        }
    }
    let ready = ready::report(&primary, &standbys, names.len() - standbys.len(), &settings);
    let state = match ready.first() {
        Some(best) => {
            format!("{} could take over and would lose {}", best.name, ByteSize::from_f64(best.loss(&primary)))
        }
        None => "no standby is known to be ready".to_owned(),
    };
    if !settings.drill {
        return Ok(state);
    }
    let last: Option<Held> = context.state().get("drill").await?;
    let age = last.as_ref().map(|held| held.at.until(Timestamp::now()));
    if age.is_some_and(|age| age < settings.drill_every) {
        told(last.as_ref(), &settings);
        return Ok(format!("{state}; rehearsed {} ago", age.unwrap_or_default()));
    }
    let done = rehearse(&context, &primary, ready.first(), &settings).await?;
    let held = done.is_some();
    if let Some(held) = &done {
        context.state().set("drill", held).await?;
    }
    told(done.or(last).as_ref(), &settings);
    Ok(match (held, context.is_check()) {
        (true, _) => format!("{state}; rehearsed now"),
        (false, true) => format!("{state}; a rehearsal is due"),
        (false, false) => format!("{state}; not rehearsed"),
    })
}

/// Holds a rehearsal where one can be held; nothing where none was, which is told.
async fn rehearse(
    context: &Context,
    primary: &Primary,
    standby: Option<&Standby>,
    settings: &Settings,
) -> Result<Option<Held>, TaskError> {
    let impossible = |why: &str, remedy: &str| {
        finding!(Severity::Unknown, "drill-not-possible", "drill", "no rehearsal could be held: {why}")
            .remedy(remedy)
            .report();
        Ok(None)
    };
    let directory = context.directory("clones");
    let free = match files::usage(&directory.root()).await {
        Ok(usage) => usage.available_bytes as f64,
        // Without the directory no rehearsal is wanted; whether one is overdue is told all the same.
        Err(error) if error.is_unbound() => return Ok(None),
        Err(error) => return impossible(error.message(), "mend the directory bound to clones"),
    };
    let _lock = context.lock("clones", "drill").await?;
    drill::sweep(context).await?;
    let Some(standby) = standby else {
        return impossible("no standby is ready", "mend what stands at the standbys");
    };
    if primary.tablespaces > 0 {
        return impossible(
            "the server has tablespaces, whose paths a copy on this machine would share",
            "rehearse by hand on another machine: pg_basebackup --tablespace-mapping=…",
        );
    }
    let needed = primary.bytes * settings.room;
    if free < needed {
        finding!(
            Severity::Warning,
            "no-room",
            "clones",
            "a clone needs {}, and {} are free",
            ByteSize::from_f64(needed),
            ByteSize::from_f64(free)
        )
        .remedy("bind a directory on a larger disk to clones")
        .report();
        return Ok(None);
    }
    if let Some(reason) = context.stop_requested() {
        finding!(Severity::Warning, "stopped", "drill", "{reason}: no rehearsal was begun")
            .remedy("run the task again")
            .report();
        return Ok(None);
    }
    match drill::hold(context, primary, standby, settings).await {
        Ok(held) => Ok(held),
        Err(error) if error.ends_the_run() => Err(error),
        Err(error) if error.is_denied() => {
            let programs = PROGRAMS.join(", ");
            let remedy = error.advice().map_or_else(String::new, |advice| format!("{advice}; "));
            impossible(
                error.message(),
                &format!("{remedy}a rehearsal needs {programs}, bound with the forms that `hostler show` prints"),
            )
        }
        Err(error) => {
            finding!(Severity::Critical, "drill-failed", &standby.name, "the rehearsal failed: {}", error.message())
                .detail("A failover to this standby may fail in the same way. Production was not touched.")
                .remedy(error.advice().unwrap_or("mend what the clone said, and run the task again: hostler run"))
                .report();
            Ok(None)
        }
    }
}

/// Tells of the last rehearsal that went well.
fn told(last: Option<&Held>, settings: &Settings) {
    let Some(held) = last else {
        finding!(Severity::Warning, "drill-overdue", "drill", "no rehearsal has gone well so far")
            .remedy("bind clones, pg-basebackup, postgres, pg-ctl, psql and psql-write, and let the task run; or set drill = false")
            .report();
        return;
    };
    let age = held.at.until(Timestamp::now());
    Metric::gauge("postgres_failover_drill_age_seconds", age.as_seconds()).report();
    Metric::gauge("postgres_failover_drill_clone_seconds", held.clone_seconds).report();
    Metric::gauge("postgres_failover_drill_promote_seconds", held.promote_seconds).report();
    Metric::gauge("postgres_failover_drill_takeover_seconds", held.takeover_seconds).report();
    Metric::gauge("postgres_failover_drill_lost_bytes", held.lost_bytes).report();
    let mut table =
        Table::new("Last rehearsal", &["when", "standby", "copied in", "promoted in", "written after", "lost"]);
    let seconds = Duration::from_seconds;
    table.row(&[
        &held.at,
        &held.standby,
        &seconds(held.clone_seconds),
        &seconds(held.promote_seconds),
        &seconds(held.takeover_seconds),
        &ByteSize::from_f64(held.lost_bytes),
    ]);
    table.report();
    if age > settings.drill_overdue {
        finding!(
            Severity::Warning,
            "drill-overdue",
            "drill",
            "the last rehearsal that went well was {age} ago, warning above {}",
            settings.drill_overdue
        )
        .remedy("let the task run with its programs bound, and see why no rehearsal went well")
        .report();
    }
    if held.takeover_seconds > settings.takeover.as_seconds() {
        finding!(
            Severity::Warning,
            "drill-slow",
            &held.standby,
            "its clone took {} from its promotion to its first write, warning above {}",
            seconds(held.takeover_seconds),
            settings.takeover
        )
        .remedy("look at the disk of the clone, and at how much WAL lay between its last restart point and its end")
        .report();
    }
}

#[cfg(test)]
mod tests;
