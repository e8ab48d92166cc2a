//! A dashboard that shows what the tasks measure today. One that was drawn by hand shows what they measured when it was
//! drawn: a metric that came since is nowhere, and one that went is an empty panel that looks like silence. So it is
//! rendered anew from the history, compared with the file, and written where they differ; one that somebody edited is
//! theirs, and left alone.

mod dashboard;
mod found;
mod metrics;

use hostler_sdk::files::{self, Directory, Effect};
use hostler_sdk::history;
use hostler_sdk::{Attachment, Timestamp, listed, prelude::*};
use serde_json::Value;

use metrics::Metrics;

hostler_sdk::plugin!(Settings, run);

/// A dashboard is longer only by mistake.
const MOST: usize = 4 << 20;

#[derive(Deserialize)]
struct Settings {
    file: String,
    title: String,
    uid: String,
    datasource: String,
    tasks: String,
    days: u32,
    overwrite: bool,
}

impl Settings {
    fn check(&self) -> Result<(), TaskError> {
        let is_name = !self.file.contains('/') && !self.file.starts_with('.') && self.file.ends_with(".json");
        if !is_name {
            return Err(TaskError::new(format!("settings.file is {:?}, which is no name of a dashboard", self.file))
                .remedy("write a file name that ends in .json, without a path"));
        }
        let is_uid = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        if self.uid.is_empty() || self.uid.len() > 40 || !self.uid.chars().all(is_uid) {
            return Err(TaskError::new(format!("settings.uid is {:?}, which Grafana does not take", self.uid))
                .remedy("write at most 40 letters, digits, hyphens and underscores"));
        }
        Ok(())
    }
}

/// A file of the directory.
enum File {
    Missing,
    Unreadable(String),
    Dashboard { text: String, dashboard: Value },
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    settings.check()?;
    let since = Timestamp(context.planned_at().0.saturating_sub(u64::from(settings.days) * 86_400_000));
    let series = history::metrics(&settings.tasks, "*", since, Some(Duration::from_days(1.0))).await?;
    let mut metrics = metrics::of(&series);
    // What this task itself measures would make each first run change the dashboard once more.
    metrics.remove(&context.info().task);
    if metrics.is_empty() {
        finding!(
            Severity::Unknown,
            "history-short",
            "history",
            "no task has reported a metric in {} days",
            settings.days
        )
        .remedy("let the tasks run every day (`hostler timers`), and keep their runs (host.keep_days)")
        .report();
        return Ok("there is nothing to show, and no dashboard was touched".into());
    }
    let _lock = context.lock("dashboards", &settings.file).await?;
    let directory = context.directory("dashboards");
    let rendered = dashboard::render(&metrics, &settings)?;
    // All metrics of the history count as reported, not only those that have panels.
    let all = if settings.tasks == "*" { metrics::of(&series) } else { all(since).await? };
    let others = others(&directory, &settings, &all).await?;
    let own = read(&directory.path(&settings.file)).await?;
    let stale = others + stale_panels(&settings.file, &own, &all);
    Metric::gauge("dashboard_panels", dashboard::panels(&metrics) as f64).report();
    Metric::gauge("dashboard_panels_stale", stale as f64).report();
    let done = write(&context, &directory, &settings, own, &rendered).await?;
    Ok(format!("{}: {done}, {stale} stale", counted(dashboard::panels(&metrics), "panel")))
}

async fn all(since: Timestamp) -> Result<Metrics, TaskError> {
    Ok(metrics::of(&history::metrics("*", "*", since, Some(Duration::from_days(1.0))).await?))
}

async fn read(path: &str) -> Result<File, TaskError> {
    let bytes = match files::read(path, MOST).await {
        Ok(bytes) => bytes,
        Err(error) if error.is("ENOENT") => return Ok(File::Missing),
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => return Ok(File::Unreadable(error.message().to_owned())),
    };
    let Ok(text) = String::from_utf8(bytes) else { return Ok(File::Unreadable("it is not UTF-8".into())) };
    Ok(match serde_json::from_str(&text) {
        Ok(dashboard) => File::Dashboard { text, dashboard },
        Err(error) => File::Unreadable(format!("it is no JSON: {error}")),
    })
}

/// The other dashboards of the directory: how many of their panels show what nobody reports.
async fn others(directory: &Directory, settings: &Settings, metrics: &Metrics) -> Result<usize, TaskError> {
    let mut names: Vec<String> = directory
        .list(Some(1))
        .await?
        .entries
        .into_iter()
        .filter(|entry| entry.metadata.kind == files::Kind::File)
        .filter_map(|entry| entry.path.rsplit('/').next().map(str::to_owned))
        .filter(|name| name.ends_with(".json") && *name != settings.file)
        .collect();
    names.sort();
    let mut stale = 0;
    for name in names {
        stale += stale_panels(&name, &read(&directory.path(&name)).await?, metrics);
    }
    Ok(stale)
}

/// Tells of one dashboard's panels that show what nobody reports; how many.
fn stale_panels(name: &str, file: &File, metrics: &Metrics) -> usize {
    match file {
        File::Missing => 0,
        File::Unreadable(why) => {
            finding!(Severity::Unknown, "dashboard-unreadable", name, "its panels were not looked at: {why}")
                .remedy("mend the file, or move it out of the directory")
                .report();
            0
        }
        File::Dashboard { dashboard, .. } => {
            let mut count = 0;
            for panel in found::panels(dashboard) {
                let gone = found::stale(&panel, metrics);
                if gone.is_empty() {
                    continue;
                }
                count += 1;
                let verb = agreed(gone.len(), "is", "are");
                finding!(Severity::Warning, "panel-stale", format!("{name}: {}", panel.title), "it shows {}, which {verb} no longer reported", listed(&gone, 3))
                    .detail("An empty panel looks like silence. Either the task does not run any more, or it is called otherwise, or its plugin has renamed the metric.")
                    .remedy("hostler history    -- whether the task still runs; then mend or remove the panel")
                    .report();
            }
            count
        }
    }
}

/// Writes the dashboard where it is another and may be written; what became of it.
async fn write(
    context: &Context,
    directory: &Directory,
    settings: &Settings,
    own: File,
    rendered: &str,
) -> Result<&'static str, TaskError> {
    let name = settings.file.as_str();
    let hash = hash(rendered);
    let written: Option<u64> = context.state().get("written").await?;
    match judge(&own, rendered, written, settings) {
        Verdict::Same => {
            if written != Some(hash) {
                context.state().set("written", &hash).await?;
            }
            return Ok("the dashboard is as it should be");
        }
        Verdict::Left(finding) => {
            finding.report();
            return Ok("the dashboard was left alone");
        }
        Verdict::Write(why) => {
            let attachment = Attachment {
                name: name.to_owned(),
                media_type: "application/json".into(),
                content: rendered.as_bytes().to_vec(),
            };
            attachment.report();
            if context.is_check() {
                finding!(Severity::Warning, "dashboard-outdated", name, "{why}")
                    .remedy("hostler run of this task writes it; the attachment is what it will be")
                    .report();
            }
        }
    }
    let _step = context.step(&format!("write {name}"), 1, 0)?;
    // It may have changed since it was compared.
    if !context.is_check() && text_of(&read(&directory.path(name)).await?) != text_of(&own) {
        return Err(
            TaskError::new(format!("{name} was changed while this task looked at it")).remedy("run the task again")
        );
    }
    match files::write(&directory.path(name), 0o644, rendered.as_bytes().to_vec()).await? {
        Effect::Planned => Ok("the dashboard would be written"),
        Effect::Applied => {
            context.state().set("written", &hash).await?;
            Ok("the dashboard was written")
        }
    }
}

fn text_of(file: &File) -> Option<&str> {
    match file {
        File::Dashboard { text, .. } => Some(text),
        File::Missing | File::Unreadable(_) => None,
    }
}

/// What is to be done with the file.
#[derive(Debug, PartialEq)]
enum Verdict {
    Same,
    Left(Finding),
    Write(String),
}

fn judge(own: &File, rendered: &str, written: Option<u64>, settings: &Settings) -> Verdict {
    let name = settings.file.as_str();
    let (text, dashboard) = match own {
        File::Missing => return Verdict::Write("the dashboard is not there".into()),
        File::Unreadable(_) => {
            return Verdict::Left(
                finding!(
                    Severity::Warning,
                    "dashboard-foreign",
                    name,
                    "it is no dashboard of this task, and is left alone"
                )
                .remedy("name another file at the task: settings.file"),
            );
        }
        File::Dashboard { text, dashboard } => (text, dashboard),
    };
    if text == rendered {
        return Verdict::Same;
    }
    if !found::is_own(dashboard, &settings.uid) {
        return Verdict::Left(
            finding!(
                Severity::Warning,
                "dashboard-foreign",
                name,
                "it is another dashboard (its uid is {}), and is left alone",
                dashboard["uid"]
            )
            .remedy("name another file at the task: settings.file"),
        );
    }
    if written != Some(hash(text)) && !settings.overwrite {
        return Verdict::Left(
            finding!(Severity::Warning, "dashboard-edited", name, "it is not as this task wrote it, and is left alone")
                .detail("Somebody edited it, or another host wrote it: what they did would be lost.")
                .remedy("save it in Grafana under another name and uid, and remove the file; or set overwrite = true at the task"),
        );
    }
    let (before, after) = (found::panels(dashboard), serde_json::from_str(rendered).map(|value| found::panels(&value)));
    let after = after.unwrap_or_default();
    let titles = |of: &[found::Panel], than: &[found::Panel]| -> Vec<String> {
        of.iter().filter(|panel| !than.contains(panel)).map(|panel| panel.title.clone()).collect()
    };
    let (new, gone) = (titles(&after, &before), titles(&before, &after));
    let words = |panels: &[String], verb: &str| match panels {
        [] => String::new(),
        panels => format!(", {verb} {}", listed(panels, 3)),
    };
    Verdict::Write(format!("it is not what the tasks report today{}{}", words(&new, "new:"), words(&gone, "gone:")))
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests;
