//! The work on a copy. npm changes what it works on from its first step, and a step may fail: so it works on a copy that
//! one call makes, uses and leaves behind as one file, and the project is as it was whatever happens. What comes of it is
//! a patch, to be read and put in by whoever answers for the project.
//!
//! The guide updates without what is for development and then runs the tests, which need just that; here it is installed
//! whatever the environment says.

use hostler_sdk::Attachment;
use hostler_sdk::files::{self, Directory};
use hostler_sdk::prelude::*;
use hostler_sdk::shell::Outcome;
use serde_json::Value;
use similar::TextDiff;

use crate::lock::{self, Lock};
use crate::project::Project;
use crate::{LONGEST, Settings};

const STEPS: &str = include_str!("steps.mjs");
/// Lines of the project's around a change.
const AROUND: usize = 3;
/// Writing the steps, two runs, and taking away what each leaves, and the steps.
const EFFECTS: u64 = 6;

/// What became of one step.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Done {
    pub step: String,
    pub code: i64,
    #[serde(default)]
    pub milliseconds: u64,
    #[serde(default)]
    pub said: String,
    #[serde(default)]
    pub audit: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub done: Vec<Done>,
    pub manifest: String,
}

/// What is done on the copy.
pub(crate) fn steps(project: &Project, settings: &Settings) -> Vec<&'static str> {
    let wanted = [
        ("update", true),
        ("fix", settings.audit_fix),
        ("audit", settings.audit_fix),
        ("install", true),
        ("test", settings.test && project.has_tests),
        ("build", settings.build),
    ];
    wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(step, _)| step).collect()
}

/// Works on a copy, and hands back what came of it.
pub(crate) async fn work(context: &Context, project: &Project, settings: &Settings) -> Result<String, TaskError> {
    let work = context.directory("work");
    let _lock = context.lock("work", "copy").await?;
    let steps = steps(project, settings);
    let _step = context.step(&format!("on a copy of the project: {}", steps.join(", ")), EFFECTS, 0)?;
    files::write(&work.path("steps.mjs"), 0o600, STEPS.as_bytes().to_vec()).await?;
    let tried = try_steps(context, &work, project, settings, &steps).await;
    files::remove(&work.path("steps.mjs"), None).await?;
    let Some((answer, after, before)) = tried? else {
        return Ok(format!("on a copy: {}", steps.join(", ")));
    };
    report_steps(&answer.done);
    if !project.is_unchanged().await? {
        finding!(
            Severity::Unknown,
            "changed-meanwhile",
            project.lock_name,
            "it was changed while the copy was worked on, and no patch is handed back"
        )
        .remedy("run the task again")
        .report();
        return Ok("the project was changed meanwhile".into());
    }
    if let Some(failed) = failed(&answer.done) {
        return Ok(report_failure(failed, before.as_ref()));
    }
    report_audit(&answer.done);
    hand_back(project, &after, &answer.manifest)
}

/// What became of the steps, and the lock file that came of them; and where one failed, of those without the updates, so
/// that what they break is told from what was broken. Nothing where it was planned.
async fn try_steps(
    context: &Context,
    work: &Directory,
    project: &Project,
    settings: &Settings,
    steps: &[&str],
) -> Result<Option<(Answer, String, Option<Answer>)>, TaskError> {
    let answer = run(context, work, project, settings, steps).await?;
    let after = if answer.is_some() { take_lock(work, project).await? } else { String::new() };
    let mut before = None;
    if answer.as_ref().is_none_or(|answer| failed(&answer.done).is_some()) {
        let without: Vec<&str> =
            steps.iter().copied().filter(|step| ["install", "test", "build"].contains(step)).collect();
        before = run(context, work, project, settings, &without).await?;
        match before {
            Some(_) => drop(take_lock(work, project).await?),
            None => drop(files::remove(&work.path(project.lock_name), None).await?),
        }
    }
    Ok(answer.map(|answer| (answer, after, before)))
}

async fn run(
    context: &Context,
    work: &Directory,
    project: &Project,
    settings: &Settings,
    steps: &[&str],
) -> Result<Option<Answer>, TaskError> {
    let program = context.program("update").path(work.path("steps.mjs")).path(project.directory.root());
    let program =
        program.path(work.path(project.lock_name)).argument(project.below.as_str()).argument(project.lock_name);
    match program.arguments(steps.iter().copied()).timeout(settings.timeout).run().await.during("working on a copy")? {
        Outcome::Planned => Ok(None),
        Outcome::Completed(done) if done.exit_code == Some(0) && !done.truncated => {
            Ok(Some(serde_json::from_slice(&done.stdout)?))
        }
        Outcome::Completed(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            let line = said.lines().find(|line| line.contains("Error")).or_else(|| said.lines().next());
            let line: String = line.unwrap_or("it said nothing").trim().chars().take(300).collect();
            Err(TaskError::new(format!("the project could not be copied, or not worked on: {line}")).remedy(
                "settings.path names the project below the bound directory; links that lead out of it are not followed",
            ))
        }
    }
}

/// Reads the file that a run left, and takes it away.
async fn take_lock(work: &Directory, project: &Project) -> Result<String, TaskError> {
    let path = work.path(project.lock_name);
    let bytes = files::read(&path, LONGEST).await?;
    files::remove(&path, None).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The step that did not succeed; an audit's own code says only that something is left.
pub(crate) fn failed(done: &[Done]) -> Option<&Done> {
    done.iter().find(|one| one.code != 0 && one.step != "audit" && one.step != "fix")
}

fn report_steps(done: &[Done]) {
    let mut table = Table::new("On the copy", &["step", "ended with", "took"]);
    for one in done {
        table.row(&[&one.step, &one.code, &Duration::from_milliseconds(one.milliseconds)]);
    }
    table.report();
}

pub(crate) fn report_failure(failed: &Done, before: Option<&Answer>) -> String {
    let before = before.and_then(|before| self::failed(&before.done));
    let (severity, code, whose) = match before {
        Some(before) if before.step == failed.step => {
            (Severity::Critical, "broken-before", "as it is, without any update")
        }
        _ => (Severity::Warning, "update-failed", "with the updates"),
    };
    let said: Vec<&str> = failed.said.lines().rev().take(30).collect();
    let said: Vec<&str> = said.into_iter().rev().collect();
    finding!(severity, code, failed.step.clone(), "{} fails on a copy of the project {whose}", in_words(&failed.step))
        .detail(said.join("\n"))
        .remedy("read what it said below; the project was not touched, and there is no patch")
        .report();
    format!("{} fails {whose}; there is no patch", in_words(&failed.step))
}

fn in_words(step: &str) -> &str {
    match step {
        "update" => "npm update",
        "install" => "npm ci",
        "test" => "npm test",
        "build" => "npm run build",
        other => other,
    }
}

/// What the audit says is left.
pub(crate) fn report_audit(done: &[Done]) {
    let Some(audit) = done.iter().find(|one| one.step == "audit") else { return };
    let answer: Value = serde_json::from_str(&audit.audit).unwrap_or_default();
    let counts = &answer["metadata"]["vulnerabilities"];
    let Some(total) = counts["total"].as_u64() else {
        TaskError::new("npm audit did not say which vulnerabilities are known")
            .remedy("npm audit    # in the project; a registry of one's own may have no list of them")
            .finding("audit-unseen", "npm audit")
            .report();
        return;
    };
    Metric::gauge("node_vulnerabilities", total as f64).report();
    if total == 0 {
        return;
    }
    let of = |level: &str| counts[level].as_u64().filter(|count| *count > 0).map(|count| format!("{count} {level}"));
    let levels: Vec<String> = ["critical", "high", "moderate", "low", "info"].into_iter().filter_map(of).collect();
    let packages = answer["vulnerabilities"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let packages: Vec<String> = packages.collect();
    finding!(
        Severity::Warning,
        "vulnerable",
        "npm audit",
        "{} left that no update within the ranges puts right ({}): {}",
        counted(total, "known vulnerability").replace("vulnerabilitys", "vulnerabilities"),
        levels.join(", "),
        hostler_sdk::listed(&packages, 5)
    )
    .remedy("npm audit    # in the project; what it says a new major version is needed for is to be taken by hand")
    .report();
}

/// The patch, where there is something to change.
fn hand_back(project: &Project, after: &str, manifest: &str) -> Result<String, TaskError> {
    let changes = lock::changes(&project.lock, &Lock::parse(after)?);
    Metric::gauge("node_packages_updated", changes.len() as f64).report();
    let mut table = Table::new("Updates", &["package", "before", "after"]);
    for change in &changes {
        table.row(&[&change.name, &change.before, &change.after]);
    }
    table.report();
    let mut patch = patch(&project.place("package.json"), &project.manifest_text, manifest);
    patch += &self::patch(&project.place(project.lock_name), &project.lock_text, after);
    if patch.is_empty() {
        return Ok("installs, tests and builds; there is nothing to update within the ranges".into());
    }
    let (name, media_type) = ("dependencies.patch".to_owned(), "text/x-diff".to_owned());
    Attachment { name, media_type, content: patch.into_bytes() }.report();
    Ok(format!(
        "{} updated on a copy, which installs{}; dependencies.patch is for `git apply`",
        counted(changes.len(), "package"),
        if project.has_tests { " and passes its tests" } else { "" }
    ))
}

/// A unified diff; nothing where nothing differs.
pub(crate) fn patch(place: &str, before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    let diff = TextDiff::from_lines(before, after);
    diff.unified_diff().context_radius(AROUND).header(&format!("a/{place}"), &format!("b/{place}")).to_string()
}
