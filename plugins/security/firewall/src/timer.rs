//! The rollback as a timer of systemd's: outside this host, so that it fires also where the new rules cut the host, its
//! operator or the whole machine off.

use hostler_sdk::prelude::*;
use hostler_sdk::shell::{Outcome, Program};

use crate::Settings;

/// As the manifest proposes it; a timer of this name is nobody else's.
const UNIT: &str = "hostler-firewall-rollback";
const TIMER: &str = "hostler-firewall-rollback.timer";
/// What the timer starts. The operator's form of systemd-run has it too.
const NFT: &str = "/usr/sbin/nft";

/// What became of a call.
pub(crate) enum Done {
    Planned,
    Well,
}

/// Whether the rollback is armed. Only a plain yes and a plain no count.
pub(crate) async fn is_armed(context: &Context, settings: &Settings) -> Result<bool, TaskError> {
    let program = context.program("systemctl").arguments(["is-active", TIMER]).timeout(settings.timeout);
    match program.run().await? {
        Outcome::Planned => Err(TaskError::new("whether the rollback is armed was planned and not asked")
            .remedy("write effect = \"reads\" at the form [\"is-active\", …] of [program.systemctl]")),
        Outcome::Completed(completed) => {
            let said = String::from_utf8_lossy(&completed.stdout).trim().to_owned();
            match (said.as_str(), completed.exit_code) {
                ("active" | "activating", Some(0 | 3)) => Ok(true),
                ("inactive" | "failed" | "unknown", Some(3 | 4)) => Ok(false),
                _ => {
                    let why = String::from_utf8_lossy(&completed.stderr).trim().to_owned();
                    Err(TaskError::new(format!("systemctl does not say whether {TIMER} is armed: {said} {why}")))
                }
            }
        }
    }
}

/// Arms it: in so long, the rules of a file are loaded.
pub(crate) async fn arm(context: &Context, settings: &Settings, rollback: &str) -> Result<Done, TaskError> {
    let after = format!("--on-active={}", settings.rollback.as_seconds() as u64);
    let unit = format!("--unit={UNIT}");
    let program =
        context.program("systemd-run").arguments([after.as_str(), &unit, "--collect", NFT, "-f"]).path(rollback);
    done("systemd-run", program, settings).await
}

pub(crate) async fn disarm(context: &Context, settings: &Settings) -> Result<Done, TaskError> {
    done("systemctl stop", context.program("systemctl").arguments(["stop", TIMER]), settings).await
}

/// Runs a program that has to end well.
pub(crate) async fn done(name: &str, program: Program, settings: &Settings) -> Result<Done, TaskError> {
    match program.timeout(settings.timeout).run().await? {
        Outcome::Planned => Ok(Done::Planned),
        Outcome::Completed(completed) if completed.exit_code == Some(0) => Ok(Done::Well),
        Outcome::Completed(completed) => {
            let text = [completed.stderr, completed.stdout].concat();
            let text = String::from_utf8_lossy(&text);
            let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
            Err(TaskError::new(format!("{name} failed: {}", line.chars().take(300).collect::<String>())))
        }
    }
}
