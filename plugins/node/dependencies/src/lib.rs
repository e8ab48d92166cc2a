//! The packages of a Node.js project: which are outdated, which are not what the lock file says, and what becomes of the
//! project with the updates that its ranges allow. That is tried on a copy and handed back as a patch: whether to take it
//! is for whoever answers for the project.

mod copy;
mod lock;
mod outdated;
mod project;

use hostler_sdk::prelude::*;
use hostler_sdk::shell::Outcome;

use project::Project;

hostler_sdk::plugin!(Settings, run);

/// A lock file of a large project has some megabytes.
const LONGEST: usize = 64 << 20;

#[derive(Deserialize)]
struct Settings {
    path: String,
    majors: u64,
    ignore: Vec<String>,
    audit_fix: bool,
    test: bool,
    build: bool,
    timeout: Duration,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    check_path(&settings.path)?;
    let Some(project) = Project::read(&context, &settings).await? else {
        return Ok("without a lock file there is nothing to hold the packages against".into());
    };
    let mut parts = vec![];
    match project.judge().await {
        Ok(part) => parts.push(part),
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => error.finding("project-unread", "node_modules").report(),
    }
    match ask(&context, &project).await {
        Ok(found) => {
            parts.push(format!("{} within the ranges", counted(outdated::report(&found, &settings), "update")))
        }
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) if error.is_unbound() => {}
        Err(error) => {
            let remedy = "npm outdated    # in the project, as the host's user; the bound npm needs network = true";
            error.remedy(remedy).finding("outdated-unseen", "npm outdated").report();
        }
    }
    if settings.test && !project.has_tests {
        finding!(
            Severity::Unknown,
            "not-tested",
            "package.json",
            "it has no script `test`, so that nobody knows whether the project works with the updates"
        )
        .remedy("give it one; where it is to have none, set test = false for this task")
        .report();
    }
    match copy::work(&context, &project, &settings).await {
        Err(error) if error.is_unbound() => {}
        other => parts.push(other?),
    }
    Ok(parts.join("; "))
}

async fn ask(context: &Context, project: &Project) -> Result<Vec<outdated::Outdated>, TaskError> {
    let npm = context.program("npm").arguments(["outdated", "--json"]).working_directory(project.root());
    match npm.run().await? {
        Outcome::Completed(done) => outdated::parse(&done),
        Outcome::Planned => Err(TaskError::new("`npm outdated` was planned and not run: its grant calls it a change")),
    }
}

/// A path that leads out of the bound directory is a mistake of the settings, told as such.
fn check_path(path: &str) -> Result<(), TaskError> {
    let leads_out = path.is_empty() || path.starts_with(['/', '-']) || path.split('/').any(|part| part == "..");
    if leads_out {
        return Err(TaskError::new(format!("settings.path is {path:?}, which is no place below the bound directory"))
            .remedy("write it as \"apps/shop\", or leave it out where the project is the directory itself"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
