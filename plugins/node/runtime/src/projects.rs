//! What projects ask for: a version in `.nvmrc` or `.node-version`, a range in the engines of `package.json`.

use hostler_sdk::files::{self, Directory};
use hostler_sdk::prelude::*;

use crate::schedule;
use crate::versions::{Version, satisfies};

/// Such files are small; a package.json has been seen with a megabyte of settings.
const LONGEST: usize = 4 << 20;

/// Looks at one project.
pub(crate) async fn look(directory: &Directory, version: Version, now: Timestamp) -> Result<(), TaskError> {
    for name in [".nvmrc", ".node-version"] {
        if let Some(text) = read(directory, name).await? {
            judge_version(&format!("{}/{name}", directory.name()), &text, version, now);
        }
    }
    if let Some(text) = read(directory, "package.json").await? {
        judge_engines(&format!("{}/package.json", directory.name()), &text, version);
    }
    Ok(())
}

async fn read(directory: &Directory, name: &str) -> Result<Option<String>, TaskError> {
    match files::read(&directory.path(name), LONGEST).await {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.is("ENOENT") => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn judge_version(subject: &str, text: &str, version: Version, now: Timestamp) {
    let wanted =
        text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).find(|line| !line.is_empty());
    let wanted = wanted.unwrap_or_default();
    let range = match wanted.strip_prefix("lts/") {
        Some(name) => schedule::supported(name, now).map(|line| line.to_string()),
        None => Some(wanted.to_owned()).filter(|wanted| !wanted.is_empty()),
    };
    match range.and_then(|range| satisfies(version, &range)) {
        Some(true) => {}
        Some(false) => finding!(
            Severity::Warning,
            "version-differs",
            subject,
            "it asks for {}, and {version} is in use",
            shortened(wanted)
        )
        .remedy("install what it asks for (settings.line of this task), or change the file where the project works with both")
        .report(),
        None => unread(subject, wanted),
    }
}

pub(crate) fn judge_engines(subject: &str, text: &str, version: Version) {
    let package: serde_json::Value = match serde_json::from_str(text) {
        Ok(package) => package,
        Err(error) => return TaskError::from(error).finding("version-unread", subject).report(),
    };
    let Some(range) = package["engines"]["node"].as_str() else { return };
    match satisfies(version, range) {
        Some(true) => {}
        Some(false) => finding!(
            Severity::Warning,
            "engines-unmet",
            subject,
            "its engines are {}, and {version} is in use",
            shortened(range)
        )
        .remedy("install a release within the range (settings.line of this task), or change the range where the project works with both")
        .report(),
        None => unread(subject, range),
    }
}

fn unread(subject: &str, wanted: &str) {
    finding!(
        Severity::Unknown,
        "version-unread",
        subject,
        "{:?} is no version or range that can be held against the one in use",
        shortened(wanted)
    )
    .remedy("write a version such as 22.11.0, a line such as 22 or lts/jod, or a range such as >=20 <23")
    .report();
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}
