//! certbot and lego: what they are told, and what to make of their answer. Both end with 0 whether or not they renewed
//! anything, so their end says only whether they failed.

use hostler_sdk::prelude::*;
use hostler_sdk::shell::{Completed, Outcome, Program};

use crate::Settings;
use crate::lineage::Lineage;

/// What became of a call.
pub(crate) enum Answer {
    Planned,
    EndedWell(String),
}

/// A trial with the staging server; nothing where the client has none, or the operator wants none.
pub(crate) fn trial(context: &Context, settings: &Settings, lineage: &Lineage) -> Option<Program> {
    let name = format!("--cert-name={}", lineage.name);
    (settings.dry_run && settings.client == "certbot")
        .then(|| context.program("certbot").arguments(["renew", "--dry-run", &name, "--no-random-sleep-on-renew"]))
}

/// The renewal itself.
pub(crate) fn renewal(context: &Context, settings: &Settings, lineage: &Lineage, now: Timestamp) -> Program {
    if settings.client == "lego" {
        // lego renews what has fewer days left than it is told: here it is decided that it has.
        let days = lineage.left(now).0.as_days().max(0.0).ceil() as u64 + 1;
        let domains = format!("--domains={}", lineage.name);
        return context.program("lego").arguments([domains, "renew".into(), format!("--days={}", days.min(3650))]);
    }
    let name = format!("--cert-name={}", lineage.name);
    context.program("certbot").arguments(["renew", &name, "--no-random-sleep-on-renew"])
}

/// Runs a program, and takes an end other than 0 for a failure, with the last that it said.
pub(crate) async fn run(program: Program, timeout: Duration) -> Result<Answer, TaskError> {
    match program.timeout(timeout).run().await? {
        Outcome::Planned => Ok(Answer::Planned),
        Outcome::Completed(completed) if completed.exit_code == Some(0) => Ok(Answer::EndedWell(said(&completed))),
        Outcome::Completed(completed) => {
            let how = match (completed.exit_code, completed.signal) {
                (Some(code), _) => format!("it ended with {code}"),
                (None, Some(signal)) => format!("it was ended by signal {signal}"),
                (None, None) => "it did not end well".into(),
            };
            Err(TaskError::new(format!("{how}: {}", said(&completed))))
        }
    }
}

/// The lines that say most, the last of them.
pub(crate) fn said(completed: &Completed) -> String {
    let text = [completed.stderr.as_slice(), b"\n", completed.stdout.as_slice()].concat();
    let text = String::from_utf8_lossy(&text);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("- -"));
    let has = |line: &str, words: &[&str]| {
        let line = line.to_ascii_lowercase();
        words.iter().any(|word| line.contains(word))
    };
    // What went wrong says more than that something did.
    let line = lines()
        .rfind(|line| has(line, &["error", "emerg", "too many", "denied"]))
        .or_else(|| lines().rfind(|line| has(line, &["fail", "not yet due", "not due", "invalid"])))
        .or_else(|| lines().next_back())
        .unwrap_or("it said nothing");
    line.chars().take(300).collect()
}
