//! New rules, which may cut off whoever loads them. So the rollback is armed first, outside this host, and is there to be
//! seen before anything changes; only a confirmation disarms it. A file that was taken back is not loaded again, since
//! nobody confirmed it the first time.
//!
//! What stands in the state is written before the change it tells of: a run that was killed at any point leaves either the
//! old rules, or the new ones with the rollback armed.

use std::collections::BTreeSet;

use hostler_sdk::files::{self, Directory};
use hostler_sdk::prelude::*;
use hostler_sdk::shell::Outcome;

use crate::decision::{Change, Next, Outcomes, Seen, is_repeatable, next, rollback};
use crate::ruleset::{Ruleset, fingerprint};
use crate::timer::{self, Done};
use crate::{Settings, read};

const KEY: &str = "change";
const LARGEST: usize = 4 << 20;
const ROLLBACK: &str = "rollback.nft";
const CONFIRMED: &str = "confirmed";
/// Only root reads the rules.
const MODE: u32 = 0o600;

struct Work<'a> {
    context: &'a Context,
    settings: &'a Settings,
    directory: Directory,
    digest: String,
}

/// What it says of the change in the summary; nothing where no rules are wanted.
pub(crate) async fn look(
    context: &Context,
    settings: &Settings,
    ruleset: &Ruleset,
) -> Result<Option<String>, TaskError> {
    let directory = context.directory("rules");
    let file = directory.path(&settings.rules_file);
    let text = match files::read(&file, LARGEST).await {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.is_unbound() || error.is("ENOENT") => return Ok(None),
        Err(error) => return Err(error.during("reading the wanted rules")),
    };
    let _lock = context.lock("rules", "firewall").await?;
    let work = Work { context, settings, directory, digest: files::sha256(&file).await? };
    let change: Option<Change> = context.state().get(KEY).await?;
    let seen = Seen {
        wanted: &work.digest,
        confirmed: work.is_confirmed().await?,
        armed: match timer::is_armed(context, settings).await {
            Ok(armed) => armed,
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                // Where nobody can see the rollback, nothing is loaded.
                not_armed(&settings.rules_file, error);
                return Ok(Some("wanted rules not looked at".into()));
            }
        },
        rules: rules(ruleset, settings),
        now: Timestamp::now(),
    };
    let said = match (next(change.as_ref(), seen), change) {
        (Next::Load, _) => work.load(&text, ruleset).await?,
        (Next::Confirm, Some(change)) => work.confirm(change).await?,
        (Next::ByHand, Some(change)) => {
            work.keep(Change { outcome: Outcomes::Confirmed, ..change }).await?;
            "the wanted rules are confirmed, since the rollback was disarmed by hand"
        }
        (Next::Await, change) => {
            work.awaited(change.map(|change| change.until), &[]);
            "a confirmation of the new rules is awaited"
        }
        (Next::Unclear, _) => {
            finding!(
                Severity::Warning,
                "confirmation-unclear",
                settings.rules_file.as_str(),
                "the time of the rollback is over, it is no longer armed, and the new rules still hold: it failed, or somebody disarmed it late"
            )
            .remedy(format!("where they should hold: {}", work.how_to_confirm()))
            .report();
            "the wanted rules hold, unconfirmed"
        }
        (Next::TakenBack, change) => {
            if let Some(change) = change {
                work.keep(Change { outcome: Outcomes::RolledBack, ..change }).await?;
            }
            finding!(
                Severity::Warning,
                "rolled-back",
                settings.rules_file.as_str(),
                "nobody confirmed these rules, and they were taken back; the same file is not loaded again"
            )
            .detail(format!("SHA-256 of the file: {}", work.digest))
            .remedy(format!("look why, and change {}: another file is loaded", settings.rules_file))
            .report();
            "the wanted rules were taken back"
        }
        (Next::Holds, _) => "the wanted rules were loaded and confirmed",
        (Next::Confirm | Next::ByHand, None) => "nothing to confirm",
    };
    Ok(Some(said.into()))
}

/// The rules without what changes by itself.
fn rules(ruleset: &Ruleset, settings: &Settings) -> u64 {
    fingerprint(settings.counts(ruleset.lines()))
}

fn not_armed(subject: &str, error: TaskError) {
    let remedy = error.advice().unwrap_or("systemctl status hostler-firewall-rollback.timer").to_owned();
    finding!(
        Severity::Critical,
        "rollback-not-armed",
        subject,
        "nothing was changed, since the rollback could not be armed and seen: {}",
        error.message()
    )
    .remedy(remedy)
    .report();
}

impl Work<'_> {
    async fn keep(&self, change: Change) -> Result<(), TaskError> {
        self.context.state().set(KEY, &change).await
    }

    async fn is_confirmed(&self) -> Result<bool, TaskError> {
        match files::read(&self.directory.path(CONFIRMED), LARGEST).await {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).contains(&self.digest)),
            Err(error) if error.is("ENOENT") => Ok(false),
            Err(error) => Err(error.during(format!("reading `{CONFIRMED}`"))),
        }
    }

    fn how_to_confirm(&self) -> String {
        format!(
            "sha256sum {} > {CONFIRMED}    -- in the directory bound as `rules`, then hostler run this task",
            self.settings.rules_file
        )
    }

    fn awaited(&self, until: Option<Timestamp>, gone: &[String]) {
        let until = match until {
            Some(until) => format!("at {until}, in {}", Timestamp::now().until(until)),
            None => "when its timer fires".into(),
        };
        let gone = match gone {
            [] => String::new(),
            gone => format!(
                "Tables that are gone with the old rules: {}. Who made them has to be told (fail2ban-client reload --restart).",
                gone.join(", ")
            ),
        };
        finding!(
            Severity::Warning,
            "confirmation-awaited",
            self.settings.rules_file.as_str(),
            "new rules hold, and the old ones come back {until} unless somebody confirms"
        )
        .detail(gone)
        .remedy(format!("try a new connection; then {}", self.how_to_confirm()))
        .report();
    }

    /// `nft -c -f`: whether the file can be loaded.
    async fn check(&self, file: &str) -> Result<(), TaskError> {
        let program = self.context.program("nft").arguments(["-c", "-f"]).path(self.directory.path(file));
        timer::done("nft -c", program, self.settings).await.map(drop)
    }

    async fn load(&self, text: &str, before: &Ruleset) -> Result<&'static str, TaskError> {
        let file = self.settings.rules_file.as_str();
        if !is_repeatable(text) {
            finding!(
                Severity::Critical,
                "rules-not-repeatable",
                file,
                "it flushes nothing, so that each load would add to what is there"
            )
            .remedy("begin it with `flush ruleset`, or with `table inet filter` and `delete table inet filter`")
            .report();
            return Ok("the wanted rules are refused");
        }
        if let Err(error) = self.check(file).await {
            if error.ends_the_run() {
                return Err(error);
            }
            finding!(
                Severity::Critical,
                "rules-refused",
                file,
                "nft does not take it, so nothing was changed: {}",
                error.message()
            )
            .remedy(error.advice().map_or_else(|| format!("nft -c -f {file}"), str::to_owned))
            .report();
            return Ok("the wanted rules are refused");
        }
        // A plan is approved for this very file, so the titles of its steps name what is in it.
        let digest = format!("sha256 {}", self.digest.get(..16).unwrap_or(&self.digest));
        let until = Timestamp(Timestamp::now().0 + self.settings.rollback.as_milliseconds());
        let armed = {
            let title = format!("arm the rollback of {file}, {digest}: a timer that loads the rules as they are");
            let _step = self.context.step(&title, 2, 0)?;
            self.arm(until).await
        };
        match armed {
            Ok(Done::Well) => {}
            Ok(Done::Planned) => {}
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                not_armed(file, error);
                return Ok("the wanted rules were not loaded");
            }
        }
        let _step = self.context.step(&format!("load {file}, {digest}"), 1, 0)?;
        if !self.context.is_check() && files::sha256(&self.directory.path(file)).await? != self.digest {
            not_armed(
                file,
                TaskError::new("the file changed meanwhile").remedy("run the task again when the rollback is over"),
            );
            return Ok("the wanted rules were not loaded");
        }
        let program = self.context.program("nft").argument("-f").path(self.directory.path(file));
        match timer::done("nft -f", program, self.settings).await {
            Ok(Done::Planned) => {
                finding!(
                    Severity::Warning,
                    "rules-due",
                    file,
                    "it is new, and would be loaded with a rollback after {}",
                    self.settings.rollback
                )
                .remedy("hostler run this task, where plan only looks")
                .report();
                Ok("the wanted rules would be loaded")
            }
            Ok(Done::Well) => {
                let after = read(self.context, self.settings).await?;
                let change = Change {
                    digest: self.digest.clone(),
                    until,
                    after: Some(rules(&after, self.settings)),
                    outcome: Outcomes::Awaited,
                };
                self.keep(change).await?;
                let tables = |ruleset: &Ruleset| -> BTreeSet<String> {
                    let lines = ruleset.lines().iter().filter_map(|line| line.strip_prefix("table "));
                    lines.map(str::to_owned).collect()
                };
                let gone: Vec<String> = tables(before).difference(&tables(&after)).cloned().collect();
                self.awaited(Some(until), &gone);
                Ok("the wanted rules were loaded, and wait for a confirmation")
            }
            Err(error) if error.ends_the_run() => Err(error),
            Err(error) => {
                finding!(
                    Severity::Critical,
                    "rules-failed",
                    file,
                    "it was not loaded: {}; the rollback brings back what is there",
                    error.message()
                )
                .remedy(error.advice().map_or_else(|| format!("nft -c -f {file}"), str::to_owned))
                .report();
                Ok("the wanted rules were not loaded")
            }
        }
    }

    /// Writes the rules as they are, has nft check that they can be loaded, arms the timer, and looks whether it is armed.
    async fn arm(&self, until: Timestamp) -> Result<Done, TaskError> {
        let listed = self.context.program("nft").arguments(["list", "ruleset"]).timeout(self.settings.timeout);
        let listed = match listed.run().await? {
            Outcome::Completed(completed) if completed.exit_code == Some(0) && !completed.truncated => {
                String::from_utf8_lossy(&completed.stdout).into_owned()
            }
            Outcome::Planned => String::new(),
            Outcome::Completed(_) => return Err(TaskError::new("the rules as they are could not be listed")),
        };
        let path = self.directory.path(ROLLBACK);
        files::write(&path, MODE, rollback(&listed).into_bytes()).await?;
        if self.context.is_check() {
            return timer::arm(self.context, self.settings, &path).await;
        }
        self.check(ROLLBACK).await?;
        // Before the timer runs: whoever comes after a kill here finds what was begun.
        self.keep(Change { digest: self.digest.clone(), until, after: None, outcome: Outcomes::Awaited }).await?;
        timer::arm(self.context, self.settings, &path).await?;
        if !timer::is_armed(self.context, self.settings).await? {
            return Err(TaskError::new("systemd-run ended well, and no timer is armed"));
        }
        Ok(Done::Well)
    }

    async fn confirm(&self, change: Change) -> Result<&'static str, TaskError> {
        let _step = self.context.step("disarm the rollback: the new rules are confirmed", 1, 0)?;
        let failed = |why: &str| {
            finding!(
                Severity::Critical,
                "disarm-failed",
                self.settings.rules_file.as_str(),
                "the new rules are confirmed, and the rollback is still armed: {why}"
            )
            .detail(format!("It fires at {}.", change.until))
            .remedy("systemctl stop hostler-firewall-rollback.timer")
            .report();
            Ok("the rollback could not be disarmed")
        };
        match timer::disarm(self.context, self.settings).await {
            Ok(Done::Planned) => {
                self.awaited(Some(change.until), &[]);
                return Ok("the rollback would be disarmed");
            }
            Ok(Done::Well) => {}
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => return failed(error.message()),
        }
        if timer::is_armed(self.context, self.settings).await? {
            return failed("systemctl stop ended well, and the timer is still active");
        }
        // It may have fired in between.
        let now = rules(&read(self.context, self.settings).await?, self.settings);
        if change.after.is_some_and(|after| after != now) {
            finding!(
                Severity::Warning,
                "rolled-back",
                self.settings.rules_file.as_str(),
                "the rollback fired before it was disarmed: the old rules hold"
            )
            .remedy(format!("change {}: another file is loaded", self.settings.rules_file))
            .report();
            self.keep(Change { outcome: Outcomes::RolledBack, ..change }).await?;
            return Ok("the wanted rules were taken back");
        }
        self.keep(Change { outcome: Outcomes::Confirmed, ..change }).await?;
        Ok("the wanted rules are confirmed, and the rollback is disarmed")
    }
}
