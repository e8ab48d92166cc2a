//! Node.js itself: how long its release line gets fixes, whether it is the version that the projects ask for, whether
//! the services' options let it start and their heaps fit; and the way to another release line that can be gone back.
//!
//! What a service has in NODE_OPTIONS is held against what the bound node takes there, as node itself lists it, so that
//! the answer is right for that version.

mod options;
mod projects;
mod releases;
mod schedule;
mod sources;
mod versions;

use std::collections::BTreeMap;

use hostler_sdk::prelude::*;
use hostler_sdk::{judged_below, machine};

use options::{Allowed, Room, Source};
use versions::Version;

hostler_sdk::plugin!(Settings, run);

/// As the manifest proposes it.
const ABOUT: &str = "JSON.stringify([process.version,process.arch,[...process.allowedNodeEnvironmentFlags]])";

#[derive(Deserialize)]
struct Settings {
    line: Option<String>,
    package: String,
    end_of_life_warning: Duration,
    end_of_life_critical: Duration,
    schedule: BTreeMap<String, String>,
    heap_warning: Range,
    heap_critical: Range,
    ignore: Vec<String>,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let line = releases::line(&settings)?;
    check_schedule(&settings)?;
    let now = context.planned_at();
    let said = context.program("node").arguments(["-p", ABOUT]).output().await;
    let (version, architecture, flags) = match said.and_then(|said| about(&said)) {
        Ok(about) => about,
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => {
            error.finding("node-unseen", "node").remedy("run node --version as the host's user").report();
            return Ok("node could not be asked".into());
        }
    };
    judge_line("node", version, now, &settings);
    for project in context.directories("projects") {
        match projects::look(&project, version, now).await {
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("project-unread", project.name()).report(),
            Ok(()) => {}
        }
    }
    let sources = sources::read(&context, &settings).await?;
    let memory = machine::memory().await?;
    let room = Room { bytes: memory.limit_bytes.unwrap_or(memory.total_bytes).min(memory.total_bytes) };
    let allowed = Allowed::new(flags);
    judge_sources(&sources, &allowed, &room, version, &settings);
    let mut parts = vec![format!("node {version}"), format!("{} with options", counted(sources.len(), "source"))];
    let package =
        if settings.package.is_empty() { format!("node-linux-{architecture}") } else { settings.package.clone() };
    parts.extend(install(&context, &settings, &package, line, now).await?);
    Ok(parts.join("; "))
}

/// The release in use through the link, and the one to come.
async fn install(
    context: &Context,
    settings: &Settings,
    package: &str,
    line: Option<u32>,
    now: Timestamp,
) -> Result<Option<String>, TaskError> {
    let directory = context.directory("releases");
    let shelf = match releases::look(context, &directory).await {
        Ok(Some(shelf)) => shelf,
        Ok(None) => return Ok(None),
        Err(error) if error.is_unbound() && line.is_none() => return Ok(None),
        Err(error) => return Err(error.during("looking at the releases")),
    };
    if let Some(version) = shelf.version() {
        judge_line("current", version, now, settings);
    }
    match line {
        Some(line) if !releases::has_ended(line, end_of(line, settings), now) => {
            releases::apply(context, package, line, &directory, &shelf).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// What node says of itself.
fn about(said: &str) -> Result<(Version, String, Vec<String>), TaskError> {
    let (version, architecture, flags): (String, String, Vec<String>) = serde_json::from_str(said)?;
    let version = Version::parse(&version)
        .ok_or_else(|| TaskError::new(format!("node calls itself {version:?}, which is no release")))?;
    Ok((version, architecture, flags))
}

fn check_schedule(settings: &Settings) -> Result<(), TaskError> {
    let wrong =
        settings.schedule.iter().find(|(line, day)| line.parse::<u32>().is_err() || Timestamp::from_day(day).is_none());
    wrong.map_or(Ok(()), |(line, day)| {
        Err(TaskError::new(format!("settings.schedule has {line:?} = {day:?}"))
            .remedy("write the line and the day, such as schedule = { 28 = \"2031-04-30\" }"))
    })
}

/// The day on which a line's life ends: the operator's word, or the table's.
fn end_of(line: u32, settings: &Settings) -> Option<Timestamp> {
    let written = settings.schedule.get(&line.to_string()).map(String::as_str);
    written.or_else(|| schedule::end_of_life(line)).and_then(Timestamp::from_day)
}

fn judge_line(subject: &str, version: Version, now: Timestamp, settings: &Settings) {
    let Some(end) = end_of(version.0, settings) else {
        finding!(
            Severity::Unknown,
            "release-unknown",
            subject,
            "{version} is of a line whose end of life is not known here"
        )
        .remedy(format!("look it up at nodejs.org, and write schedule = {{ {} = \"YEAR-MONTH-DAY\" }}", version.0))
        .report();
        return;
    };
    let left = now.until(end).as_seconds();
    let (warning, critical) = (settings.end_of_life_warning.as_seconds(), settings.end_of_life_critical.as_seconds());
    // The day itself belongs to the time after it.
    let (severity, limit) = judged_below(left, warning, critical, Measure::Seconds);
    let severity = if left <= 0.0 && critical <= 0.0 { Severity::Critical } else { severity };
    Metric::gauge("node_end_of_life_seconds", left)
        .label("node", subject)
        .ranges(&Range::below(warning), &Range::below(critical))
        .report();
    let day = &end.to_string()[..10];
    let summary = if left > 0.0 {
        format!("{version} gets security fixes until {day}, {} from now{limit}", Duration::from_seconds(left))
    } else {
        format!("{version} has had no security fixes since {day}, {} ago", Duration::from_seconds(-left))
    };
    let next = schedule::supported("*", now).filter(|line| *line > version.0);
    let remedy = next.map_or_else(
        || {
            "set settings.line to a later line, bind `registry`, `npm`, `link` and `releases`, and run the task"
                .to_owned()
        },
        |line| {
            format!("set line = \"{line}\" for this task, bind `registry`, `npm`, `link` and `releases`, and run it")
        },
    );
    Finding::new(severity, "end-of-life", subject, summary).remedy(remedy.clone()).report_unless_ok();
    if severity == Severity::Ok && schedule::is_odd(version.0) {
        finding!(
            Severity::Warning,
            "release-odd",
            subject,
            "{version} is of an odd line, which never gets long-term support"
        )
        .remedy(remedy)
        .report();
    }
}

fn judge_sources(sources: &[Source], allowed: &Allowed, room: &Room, version: Version, settings: &Settings) {
    for source in sources {
        source.judge(allowed, room, &version.to_string(), settings);
    }
    Metric::gauge("node_option_sources", sources.len() as f64).report();
}

#[cfg(test)]
mod tests;
