//! What a Node.js process spends its time on. The guide's `node --prof` leaves a log of its own format for each process
//! and needs a second program to read it; `--cpu-prof` writes one profile, which is folded here.
//!
//! The time is boxed by whoever profiles: a script is ended when it is up, and what a bound program does to a running
//! process is that program's.

mod flame;
mod stacks;

use hostler_sdk::Attachment;
use hostler_sdk::files::{self, Directory};
use hostler_sdk::prelude::*;
use hostler_sdk::shell::{Completed, Outcome, Program};

use stacks::Stacks;

hostler_sdk::plugin!(Settings, run);

const STEPS: &str = include_str!("profile.mjs");
/// A long profile of a deep program.
const LONGEST: usize = 256 << 20;
/// Below this a share is chance.
const FEWEST: u64 = 20;
/// What is told as a metric, so that a history has no thousand names.
const MEASURED: usize = 5;
/// How long behind the time box an answer is waited for.
const BEHIND: f64 = 30.0;

#[derive(Deserialize)]
struct Settings {
    script: Option<String>,
    arguments: Vec<String>,
    process: Option<String>,
    duration: Duration,
    interval: u64,
    functions: usize,
}

impl Settings {
    fn seconds(&self) -> u64 {
        (self.duration.as_seconds().round() as u64).max(1)
    }
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    check_script(settings.script.as_deref())?;
    let profiles = context.directory("profiles");
    let mut parts = vec![];
    if let Some(script) = &settings.script {
        parts.push(of_script(&context, &profiles, script, &settings).await?);
    }
    if let Some(process) = &settings.process {
        parts.push(of_process(&context, &profiles, process, &settings).await?);
    }
    if parts.is_empty() {
        finding!(Severity::Unknown, "nothing-to-profile", "task", "neither a script nor a process is named")
            .remedy("set script (with node and application bound), or process (with attach bound)")
            .report();
    }
    Ok(if parts.is_empty() { "nothing was looked at".into() } else { parts.join("; ") })
}

/// A script that leads out of the bound directory is a mistake of the settings, told as such.
fn check_script(script: Option<&str>) -> Result<(), TaskError> {
    let leads_out =
        |script: &str| script.is_empty() || script.starts_with('/') || script.split('/').any(|part| part == "..");
    match script.filter(|script| leads_out(script)) {
        Some(script) => {
            Err(TaskError::new(format!("settings.script is {script:?}, which is no place below `application`"))
                .remedy("write it as \"app.js\" or \"bin/app.js\""))
        }
        None => Ok(()),
    }
}

/// What became of the script.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ended {
    code: Option<i32>,
    signal: Option<String>,
    time_is_up: bool,
    milliseconds: u64,
    said: String,
    written: bool,
}

async fn of_script(
    context: &Context,
    profiles: &Directory,
    script: &str,
    settings: &Settings,
) -> Result<String, TaskError> {
    let application = context.directory("application");
    let (steps, profile) = (profiles.path("profile.mjs"), profiles.path("script.cpuprofile"));
    let _lock = context.lock("profiles", "profile").await?;
    let _step =
        context.step(&format!("run {script} for {} s at most, and keep its profile", settings.seconds()), 3, 0)?;
    files::write(&steps, 0o600, STEPS.as_bytes().to_vec()).await?;
    let program = context.program("node").path(steps.as_str()).path(application.path(script)).path(profile.as_str());
    let program = program.argument(settings.seconds().to_string()).argument(settings.interval.to_string());
    let program = program.arguments(settings.arguments.iter().cloned()).working_directory(application.root());
    let outcome = within(program, settings).await;
    files::remove(&steps, None).await?;
    let done = match outcome? {
        Outcome::Planned => return Ok(format!("{script} would run for {} s at most", settings.seconds())),
        Outcome::Completed(done) => done,
    };
    let ended: Ended = match serde_json::from_slice(&done.stdout) {
        Ok(ended) => ended,
        Err(_) => return Ok(no_profile(script, &first_line(&done))),
    };
    let how = judge_end(script, &ended);
    if !ended.written || done.exit_code != Some(0) {
        return Ok(no_profile(script, &how));
    }
    Ok(format!("{script}: {how}{}", show(&profile, script, "script", settings).await?))
}

async fn of_process(
    context: &Context,
    profiles: &Directory,
    process: &str,
    settings: &Settings,
) -> Result<String, TaskError> {
    let profile = profiles.path("process.cpuprofile");
    let _lock = context.lock("profiles", "profile").await?;
    let title = format!("look at process {process} for {} s, and keep its profile", settings.seconds());
    let _step = context.step(&title, 1, 0)?;
    let program =
        context.program("attach").argument(process).argument(settings.seconds().to_string()).path(profile.as_str());
    let done = match within(program, settings).await? {
        Outcome::Planned => return Ok(format!("process {process} would be looked at for {} s", settings.seconds())),
        Outcome::Completed(done) => done,
    };
    if done.exit_code != Some(0) {
        return Ok(no_profile(process, &first_line(&done)));
    }
    Ok(format!("process {process}{}", show(&profile, process, "process", settings).await?))
}

async fn within(program: Program, settings: &Settings) -> Result<Outcome, TaskError> {
    program.timeout(Duration::from_seconds(settings.seconds() as f64 + BEHIND)).run().await
}

fn first_line(done: &Completed) -> String {
    let said = String::from_utf8_lossy(&done.stderr);
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().find(|line| line.contains("Error")).or_else(|| lines().next()).unwrap_or("it said nothing");
    line.chars().take(300).collect()
}

fn no_profile(subject: &str, why: &str) -> String {
    finding!(Severity::Unknown, "no-profile", subject, "no profile was written: {why}")
        .remedy(
            "run it by hand: node --cpu-prof SCRIPT; what it needs beyond its directory is set at the bound program",
        )
        .report();
    format!("{subject}: no profile")
}

/// How the script ended, in words; where it failed, that is told.
fn judge_end(script: &str, ended: &Ended) -> String {
    let took = Duration::from_milliseconds(ended.milliseconds);
    if ended.time_is_up && ended.written {
        return format!("ended when its time was up, after {took}");
    }
    match (ended.code, &ended.signal) {
        (Some(0), _) => format!("ended by itself after {took}"),
        (Some(code), _) => {
            let said: Vec<&str> = ended.said.lines().rev().take(20).collect();
            let said: Vec<&str> = said.into_iter().rev().collect();
            finding!(
                Severity::Warning,
                "script-failed",
                script,
                "it ended with {code} after {took}: the profile is of what it did until then"
            )
            .detail(said.join("\n"))
            .remedy(
                "run it by hand; what it needs beyond its directory (network, variables) is set at the bound program",
            )
            .report();
            format!("ended with {code} after {took}")
        }
        (None, signal) => {
            let signal = signal.as_deref().unwrap_or("a signal");
            format!("it did not end when its time was up, and was ended by {signal} after {took}")
        }
    }
}

/// Shows a profile that was written, and says what is hottest.
async fn show(path: &str, subject: &str, kind: &str, settings: &Settings) -> Result<String, TaskError> {
    let bytes = files::read(path, LONGEST).await.during("reading the profile")?;
    match Stacks::parse(&String::from_utf8_lossy(&bytes)) {
        Ok(stacks) => Ok(report(&stacks, subject, kind, settings)),
        Err(error) => {
            let remedy = "it has to be a .cpuprofile of V8's, or folded stacks: `a;b;c 12`, one a line";
            error.remedy(remedy).finding("profile-unread", subject).report();
            Ok(", whose profile could not be read".into())
        }
    }
}

fn report(stacks: &Stacks, subject: &str, kind: &str, settings: &Settings) -> String {
    let whole = stacks.total();
    let percent = |part: f64| Percent::of(part, whole).map_or_else(String::new, |share| share.to_string());
    let time = |part: f64| {
        if stacks.seconds { Duration::from_seconds(part).to_string() } else { counted(part, "sample") }
    };
    Metric::gauge("node_profile_samples", stacks.samples as f64).label("profile", kind).report();
    if stacks.seconds {
        Metric::gauge("node_profile_busy_seconds", whole).label("profile", kind).report();
    }
    let hottest = stacks.hottest();
    let mut table = Table::new(
        format!("Hottest functions of {subject}"),
        &["function", "where", "itself", "share", "with what it called"],
    );
    for hot in hottest.iter().take(settings.functions) {
        table.row(&[&hot.name, &hot.place, &time(hot.own), &percent(hot.own), &percent(hot.total)]);
    }
    table.report();
    if stacks.samples > 0 {
        let title = format!("{subject}: {} at work, {}", time(whole), counted(stacks.samples, "sample"));
        let content = flame::draw(stacks, &title).into_bytes();
        Attachment { name: format!("{kind}-flame.svg"), media_type: "image/svg+xml".into(), content }.report();
    }
    if stacks.samples < FEWEST {
        finding!(
            Severity::Unknown,
            "too-few-samples",
            subject,
            "it was at work in {} alone, fewer than {FEWEST}: the figures are chance",
            counted(stacks.samples, "sample")
        )
        .remedy("profile it under load, for longer (duration), or at shorter intervals (interval)")
        .report();
        return ", hardly at work".into();
    }
    for hot in hottest.iter().take(MEASURED) {
        let share = Percent::of(hot.own, whole).map_or(0.0, |share| share.0);
        let function = if hot.place.is_empty() { hot.name.clone() } else { format!("{} {}", hot.name, hot.place) };
        Metric::gauge("node_profile_function_percent", share)
            .label("profile", kind)
            .label("function", function)
            .report();
    }
    let first = hottest.first().map(|hot| format!("; hottest is {} with {}", hot.name, percent(hot.own)));
    format!(", {} at work{}", time(whole), first.unwrap_or_default())
}

#[cfg(test)]
mod tests;
