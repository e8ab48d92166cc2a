//! When to do maintenance. The guide has the window updated once a month; here the hours are taken from what the server
//! and the machine really did, the next windows are shown as they will come about across the change of the clocks, and the
//! schedule is read for what does not fit. It proposes lines for the configuration and edits none.

mod conflicts;
mod load;
mod zone;

use hostler_sdk::history::{self, Scheduled};
use hostler_sdk::postgres::Database;
use hostler_sdk::{Attachment, Counters, Difference, Timestamp, baseline_taken, prelude::*};

use conflicts::span;
use load::{Histogram, Hours};
use zone::{Zone, seconds};

hostler_sdk::plugin!(Settings, run);

const DAY: u64 = 86_400_000;
/// Windows that are shown.
const NEXT: usize = 5;

#[derive(Deserialize)]
struct Settings {
    metric: String,
    length: usize,
    days: u64,
    least_days: usize,
    busy: f64,
    ahead: u64,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let now = Timestamp::now();
    let since = Timestamp(now.0.saturating_sub(settings.days * DAY));
    let until = Timestamp(now.0 + settings.ahead * DAY);
    let database = match context.postgres("database").await {
        Ok(database) => Some(database),
        Err(error) if error.is_unbound() => None,
        Err(error) => return Err(error),
    };
    let name = context.info().time_zone;
    let zone = zone_of(database.as_ref(), &name, since, Timestamp(until.0 + 2 * DAY)).await?;
    let mut hours = match &database {
        Some(database) => of_database(&context, database, since).await?,
        None => Hours::new(),
    };
    let local = zone.clone().unwrap_or_default();
    let is_known =
        |hours: &Hours| Histogram::of(hours, &local).quietest(settings.length, settings.least_days).is_some();
    // Until this task has counted enough by itself, what others have measured will do.
    if !is_known(&hours) {
        let measured = load::of_history(&history::metrics("*", &settings.metric, since, None).await?);
        if hours.is_empty() || is_known(&measured) {
            hours = measured;
        }
    }
    let scheduled = history::schedule(now, until).await?;
    let runs = history::runs("*", Timestamp(now.0.saturating_sub(60 * DAY))).await?;
    let durations = conflicts::durations(runs.into_iter().map(|run| (run.task, run.duration_ms)));
    let zone_name = if zone.is_some() { name.as_str() } else { "UTC" };
    let zone = zone.unwrap_or_default();
    let looked = Looked { hours, zone, zone_name, scheduled, durations, now };
    Ok(report(&looked, &settings))
}

/// All that is known.
struct Looked<'a> {
    hours: Hours,
    zone: Zone,
    zone_name: &'a str,
    scheduled: Vec<Scheduled>,
    durations: std::collections::BTreeMap<String, f64>,
    now: Timestamp,
}

/// The zone's offsets; nothing where nobody knows them, which is told.
async fn zone_of(
    database: Option<&Database>,
    name: &str,
    from: Timestamp,
    until: Timestamp,
) -> Result<Option<Zone>, TaskError> {
    if ["UTC", "Etc/UTC", "Etc/GMT", "GMT", "Etc/UCT", "Zulu"].contains(&name) {
        return Ok(Some(Zone::default()));
    }
    let why = match database {
        None => "no database is bound, whose server would know them".to_owned(),
        Some(database) => match Zone::read(database, name, from, until).await {
            Ok(zone) => return Ok(Some(zone)),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.message().to_owned(),
        },
    };
    finding!(
        Severity::Unknown,
        "time-zone-unknown",
        name,
        "its offsets are not known, so all hours are those of UTC: {why}"
    )
    .remedy("bind a database of any PostgreSQL server to this task (bind.database), or read the hours as UTC")
    .report();
    Ok(None)
}

/// The hours as this task has counted them, with what was done since the last run.
async fn of_database(context: &Context, database: &Database, since: Timestamp) -> Result<Hours, TaskError> {
    let mut hours: Hours = context.state().get("hours").await?.unwrap_or_default();
    let counters: Counters = load::counters(database).await?;
    let earlier: Option<Counters> = context.state().get("counters").await?;
    match counters.since(earlier.as_ref()) {
        Difference::Growth(growth) => {
            let rate = growth.per_second("blocks");
            Metric::gauge("maintenance_load_per_second", rate).report();
            let from = Timestamp(counters.at.0.saturating_sub(growth.elapsed.as_milliseconds()));
            load::add(&mut hours, from, counters.at, rate);
        }
        Difference::Baseline => {
            baseline_taken("load", "what the server does is counted from now on, hour by hour").report();
        }
        Difference::Restarted(why) => baseline_taken("load", &why).report(),
    }
    load::forget(&mut hours, since);
    context.state().set("counters", &counters).await?;
    context.state().set("hours", &hours).await?;
    Ok(hours)
}

fn report(looked: &Looked<'_>, settings: &Settings) -> String {
    let histogram = Histogram::of(&looked.hours, &looked.zone);
    let quiet = histogram.quietest(settings.length, settings.least_days);
    let windows = looked.scheduled.iter().filter(|run| run.window_ends_at.is_some());
    let mut opened: Vec<(u64, &str)> = windows.map(|run| (run.starts_at, run.procedure.as_str())).collect();
    opened.sort_unstable();
    opened.dedup();
    let mut table = Table::new("Load by hour of the day", &["hour", "usual load", "days"]);
    for hour in 0..24 {
        if histogram.days[hour] > 0 {
            table.row(&[&format!("{hour:02}:00"), &format!("{:.1}", histogram.usual[hour]), &histogram.days[hour]]);
        }
    }
    table.report();
    let proposed = quiet.map(|(start, _)| propose(start, looked, settings));
    if proposed.is_none() {
        let known = histogram.days.iter().filter(|days| **days >= settings.least_days).count();
        finding!(Severity::Unknown, "history-short", "load", "{known} of 24 hours are known of {} or more", counted(settings.least_days, "day"))
            .remedy("let this task run every hour ([procedures.NAME] schedule = \"hourly\", tasks = [this task]), with a database bound; or let system-resources run every hour")
            .report();
    }
    if opened.is_empty() {
        let finding = finding!(
            Severity::Warning,
            "no-window",
            "schedule",
            "no procedure has a window in the next {}: changes may begin at any hour",
            counted(settings.ahead, "day")
        );
        finding
            .remedy(match &proposed {
                Some(lines) => lines.clone(),
                None => "in the procedure whose tasks change something: window = \"02:00-04:00\"; which hours are quiet is not known yet".into(),
            })
            .report();
    }
    let mut found = conflicts::windows(&looked.scheduled, &looked.durations, &looked.zone);
    found.extend(conflicts::overlaps(&looked.scheduled, &looked.durations, &looked.zone));
    if let Some(quiet) = quiet {
        let (length, limit) = (settings.length, settings.busy);
        found.extend(conflicts::busy(&looked.scheduled, &histogram, quiet, length, limit, &looked.zone));
    }
    let conflicts = found.len();
    found.into_iter().for_each(Finding::report);
    Metric::gauge("maintenance_windows_scheduled", opened.len() as f64).report();
    Metric::gauge("maintenance_schedule_conflicts", conflicts as f64).report();
    let quietest = match quiet {
        Some((start, _)) => format!("the quietest hours are {} ({})", span(start, settings.length), looked.zone_name),
        None => "the quietest hours are not known yet".to_owned(),
    };
    format!(
        "{quietest}; {} scheduled in {}, {}",
        counted(opened.len(), "window"),
        counted(settings.ahead, "day"),
        counted(conflicts, "conflict")
    )
}

/// The lines for the configuration, which are attached, and the next windows that they bring, in a table.
fn propose(start: usize, looked: &Looked<'_>, settings: &Settings) -> String {
    let zone = &looked.zone;
    let mut table =
        Table::new("Next windows in the quietest hours", &["opens", "closes", "opens (UTC)", "open for", "clock"]);
    for window in zone.windows(start, settings.length, seconds(looked.now), NEXT) {
        let open = Duration::from_seconds((window.closes - window.opens) as f64);
        let shifts = zone.offset(window.opens) != zone.offset(window.closes)
            || open.as_seconds() != settings.length as f64 * 3600.0
            || zone.hour(window.opens) != start;
        let clock = if shifts { "is set in it" } else { "" };
        let utc = Timestamp::from_seconds(window.opens);
        table.row(&[&zone.shown(window.opens), &zone.shown(window.closes), &utc, &open, &clock]);
    }
    table.report();
    let lines = format!(
        "[procedures.maintenance]    # or at the procedure whose tasks change something\nschedule = \"daily {start:02}:00\"\nwindow = \"{}\"\ntime_zone = \"{}\"\n",
        span(start, settings.length),
        looked.zone_name
    );
    let attachment = Attachment {
        name: "window.toml".into(),
        media_type: "application/toml".into(),
        content: lines.clone().into_bytes(),
    };
    attachment.report();
    lines
}

#[cfg(test)]
mod tests;
