//! What is installed beside what is known to be broken. The advisories are a copy on this machine, so that nobody learns
//! what is installed here and no registry has to answer; whoever wants npm's own opinion too binds npm.
//!
//! The danger of such a comparison is its silence: a project without a lock file, a copy that nobody renewed, a version
//! that cannot be compared all find nothing. Each of them is told as unknown.

mod audit;
mod cvss;
mod database;
mod dpkg;
mod ecosystem;
mod judge;
mod lock;
mod osv;
mod pep440;
mod project;
mod waiver;

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::files;
use hostler_sdk::prelude::*;
use hostler_sdk::progress;

use database::{Database, Wanted};
use ecosystem::Ecosystem;
use judge::{Limits, Tally};
use lock::{Package, debian};
use project::LockFile;
use waiver::Waivers;

hostler_sdk::plugin!(Settings, run);

/// dpkg's list of a large machine has a few million bytes.
const LARGEST: usize = 64 << 20;

#[derive(Deserialize)]
struct Settings {
    warning: String,
    critical: String,
    unrated: String,
    waivers: BTreeMap<String, String>,
    fetched_within: Duration,
    modified_within: Duration,
    debian_release: Option<String>,
    depth: u32,
    ignore: Vec<String>,
    timeout: Duration,
}

/// What is to be compared.
#[derive(Default)]
struct Examined {
    files: Vec<(String, BTreeSet<Package>)>,
    npm: Vec<(String, String)>,
    release: Option<String>,
    looked_at: bool,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let limits = Limits::of(&settings)?;
    let waivers = Waivers::read(&settings.waivers);
    waivers.report_wrong();
    let examined = examine(&context, &settings).await?;
    if !examined.looked_at {
        finding!(
            Severity::Unknown,
            "no-lock-file",
            "projects",
            "neither a project nor dpkg's directory is bound, so that nothing was looked at"
        )
        .remedy("bind `projects`, `dpkg` or both at the task")
        .report();
        return Ok("nothing was looked at".into());
    }
    let all: BTreeSet<&Package> = examined.files.iter().flat_map(|(_, packages)| packages).collect();
    let wanted: Wanted = all.iter().map(|package| (package.ecosystem, package.name.clone())).collect();
    let database = match Database::read(&context.directory("advisories"), &wanted).await {
        Ok(database) => database,
        Err(error) if error.is_unbound() => Database::default(),
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => {
            error.finding("directory-not-read", "advisories").report();
            Database::default()
        }
    };
    database.report_damaged();
    let now = Timestamp::now();
    let mut tally = Tally::default();
    let mut told: BTreeSet<(String, String)> = BTreeSet::new();
    for (file, packages) in &examined.files {
        for package in packages {
            let release = examined.release.as_deref();
            let rules = (&limits, &waivers, now);
            if judge::package(file, package, release, &database.advisories, rules, &mut tally) {
                told.insert((file.clone(), package.name.clone()));
            }
        }
    }
    let audited = audit(&context, &settings, &examined, (&limits, &waivers, now), &told, &mut tally).await?;
    let mut packages: BTreeMap<Ecosystem, usize> = BTreeMap::new();
    for package in all {
        *packages.entry(package.ecosystem).or_default() += 1;
    }
    for ecosystem in packages.keys() {
        // Where the registry answered, a copy of its advisories is not needed.
        if *ecosystem != Ecosystem::Npm || !audited || database.has(Ecosystem::Npm) {
            database.serves(*ecosystem, &settings, now);
        }
    }
    Ok(tally.report(&packages))
}

async fn examine(context: &Context, settings: &Settings) -> Result<Examined, TaskError> {
    let mut examined = Examined::default();
    let directories = context.directories("projects");
    for directory in &directories {
        examined.looked_at = true;
        match project::look(directory, settings).await {
            Ok(files) => {
                for LockFile { subject, directory, is_npm, locked } in files {
                    if is_npm {
                        examined.npm.push((subject.clone(), directory));
                    }
                    examined.files.push((subject, locked.packages));
                }
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("directory-not-read", directory.name()).report(),
        }
    }
    match files::read(&context.directory("dpkg").path("status"), LARGEST).await {
        Ok(bytes) => {
            examined.looked_at = true;
            installed(&String::from_utf8_lossy(&bytes), settings, &mut examined);
        }
        Err(error) if error.is_unbound() => {}
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => {
            examined.looked_at = true;
            error.finding("directory-not-read", "dpkg/status").report();
        }
    }
    Ok(examined)
}

fn installed(status: &str, settings: &Settings, examined: &mut Examined) {
    let (locked, base) = match debian::parse(status) {
        Ok(parsed) => parsed,
        Err(damage) => {
            finding!(Severity::Unknown, "lock-damaged", "dpkg/status", "{damage}").remedy("dpkg --audit").report();
            return;
        }
    };
    let found = base.as_deref().and_then(debian::release);
    let Some(release) = settings.debian_release.clone().or(found) else {
        finding!(
            Severity::Unknown,
            "release-unknown",
            "dpkg/status",
            "it is not known which release of Debian this is, so that none of {} was compared",
            counted(locked.packages.len(), "package")
        )
        .remedy("give `debian_release`, such as \"12\"; for other distributions there are no rules here")
        .report();
        return;
    };
    examined.release = Some(release);
    examined.files.push(("dpkg/status".into(), locked.packages));
}

/// What the registry knows beside the copy; whether it answered for every project.
async fn audit(
    context: &Context,
    settings: &Settings,
    examined: &Examined,
    rules: judge::Rules<'_>,
    told: &BTreeSet<(String, String)>,
    tally: &mut Tally,
) -> Result<bool, TaskError> {
    let mut answered = !examined.npm.is_empty();
    for (place, (file, directory)) in examined.npm.iter().enumerate() {
        progress(place as u64, Some(examined.npm.len() as u64), &format!("npm audit of {file}"));
        match audit::ask(context, directory, settings.timeout).await {
            Ok(None) => return Ok(false),
            Ok(Some(warned)) => {
                for one in warned.iter().filter(|one| !told.contains(&(file.clone(), one.name.clone()))) {
                    judge::warned(file, one, rules, tally);
                }
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                answered = false;
                error.finding("npm-audit-unanswered", file.as_str()).report();
            }
        }
    }
    Ok(answered)
}

#[cfg(test)]
mod tests;
