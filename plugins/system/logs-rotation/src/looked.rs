//! What `logrotate -d` says: which logs its rules cover, which of them are due, and what it leaves out because of an error.
//!
//! Times are in the machine's own zone, without its name, so that only their differences are used.

use std::collections::BTreeMap;

use hostler_sdk::prelude::*;
use hostler_sdk::shell::Outcome;

use crate::Settings;

/// So many errors are told.
const ERRORS: usize = 20;

/// A log that a rule covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Covered {
    /// The paths of its rule, as they are written there.
    pub pattern: String,
    /// Whether it would be rotated if logrotate ran now.
    pub due: bool,
    /// Whether logrotate has no record of it yet.
    pub new: bool,
}

/// What its rules are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Looked {
    /// By their real paths.
    pub logs: BTreeMap<String, Covered>,
    pub errors: Vec<String>,
    /// Whether it has ever kept a record.
    pub has_state: bool,
}

impl Looked {
    pub(crate) async fn read(context: &Context, settings: &Settings) -> Result<Self, TaskError> {
        let arguments = ["-d", "-s", &settings.state_file, &settings.configuration];
        match context.program("logrotate").arguments(arguments).run().await? {
            Outcome::Planned => {
                Err(TaskError::new("logrotate -d was planned and not run: its grant calls it a change")
                    .remedy("write effect = \"reads\" at this form of [program.logrotate]"))
            }
            // With an error in one rule it ends with 1, and has said all the same what the others do.
            Outcome::Completed(done) => {
                if done.truncated {
                    return Err(TaskError::new("logrotate -d wrote more than the run may take in")
                        .remedy("raise the task's limit on output"));
                }
                let found = Self::parse(&String::from_utf8_lossy(&done.stderr))?;
                match found.errors.iter().find(|error| error.contains(&settings.configuration)) {
                    Some(error) if found.logs.is_empty() => {
                        Err(TaskError::new(format!("logrotate read nothing: {error}")).remedy(
                            "name its main configuration in settings.configuration; only root may be able to write it",
                        ))
                    }
                    _ => Ok(found),
                }
            }
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, TaskError> {
        let mut found = Self { has_state: true, ..Self::default() };
        let (mut pattern, mut current, mut handled) = (String::new(), None, false);
        for line in text.lines() {
            let line = line.trim();
            if let Some(error) = line.strip_prefix("error: ") {
                found.errors.push(error.to_owned());
            } else if line.starts_with("state file ") && line.ends_with(" does not exist") {
                found.has_state = false;
            } else if line.starts_with("Handling ") && line.ends_with(" logs") {
                handled = true;
            } else if let Some(rest) = line.strip_prefix("rotating pattern: ") {
                pattern = without_period(rest);
            } else if let Some(path) = line.strip_prefix("considering log ") {
                let covered = Covered { pattern: pattern.clone(), ..Covered::default() };
                found.logs.insert(path.to_owned(), covered);
                current = Some(path.to_owned());
            } else if let Some(log) = current.as_ref().and_then(|path| found.logs.get_mut(path)) {
                match line {
                    "Creating new state" => log.new = true,
                    "log needs rotating" => log.due = true,
                    _ => {}
                }
            }
        }
        if handled {
            return Ok(found);
        }
        let said = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("warning:"));
        Err(TaskError::new(format!("logrotate -d did not say what it handles: {}", said.unwrap_or("it said nothing")))
            .remedy("name logrotate's main configuration in settings.configuration, and let the host's user read it"))
    }

    /// The first error about each rule or log; the lines that follow from it name no other.
    pub(crate) fn report_errors(&self) {
        let follows = |error: &&String| error.starts_with("found error in ") || error.contains("is already running");
        let told: Vec<&String> = self.errors.iter().filter(|error| !follows(error)).take(ERRORS).collect();
        for error in told {
            finding!(Severity::Warning, "rule-broken", subject(error), "logrotate leaves something out: {error}")
                .detail("An error in a file of rules makes it skip the whole file, and no log in it is rotated any more.")
                .remedy("mend it, then: logrotate -d /etc/logrotate.conf    # changes nothing, and is silent about errors when they are gone")
                .report();
        }
    }
}

/// `app:3 unknown option 'dialy'` is about `app:3`; a path in quotes or behind a colon is what it is about otherwise.
fn subject(error: &str) -> &str {
    let path = error.split(['"', ' ', '\'']).find(|word| word.starts_with('/'));
    let place = error.split(' ').next().filter(|word| word.contains(':') && !word.ends_with(':'));
    place.or(path).unwrap_or("logrotate")
}

/// `/var/log/a.log /var/log/b*.log  after 1 days (7 rotations)` without what comes behind the paths.
fn without_period(rest: &str) -> String {
    let paths: Vec<&str> = rest.split_whitespace().take_while(|word| word.starts_with(['/', '"', '~'])).collect();
    paths.join(" ")
}
