//! The changes, each after a simulation of its own.

use hostler_sdk::prelude::*;
use hostler_sdk::shell::{Outcome, Program};
use hostler_sdk::{listed, progress};
use shared_packages::simulation::{EVERYTHING, NAMED, Simulation, Upgrade};

use crate::Settings;
use crate::choose::objections;
use crate::outcome::{self, Failure};

/// What the state is kept under: the packages whose upgrade was begun, until it is done.
const BEGUN: &str = "begun";

/// What the run does and did.
pub(crate) struct Work<'a> {
    context: &'a Context,
    settings: &'a Settings,
    upgraded: usize,
    left: usize,
    /// Package, before, after.
    rows: Vec<[String; 3]>,
}

impl<'a> Work<'a> {
    pub(crate) fn new(context: &'a Context, settings: &'a Settings) -> Self {
        Self { context, settings, upgraded: 0, left: 0, rows: vec![] }
    }

    /// Fetches the package lists, all of them or none counts. Whether the run goes on.
    pub(crate) async fn refresh(&self) -> Result<bool, TaskError> {
        if !self.settings.refresh {
            return Ok(true);
        }
        let _step = self.context.step("fetch the package lists", 1, 0)?;
        let program = quiet(self.context.program("upgrade"));
        match program.arguments(["update", "-q", "-o", "APT::Update::Error-Mode=any"]).run().await? {
            Outcome::Planned => Ok(true),
            Outcome::Completed(completed) => {
                match outcome::judge(&completed) {
                    Ok(_) => Ok(true),
                    Err(Failure::Locked(line)) => {
                        Failure::Locked(line).report("package lists");
                        Ok(false)
                    }
                    Err(Failure::Interrupted) => Ok(true),
                    Err(Failure::Failed(line)) => {
                        finding!(Severity::Unknown, "lists-not-refreshed", "package lists", "they could not be fetched, so nothing was upgraded: {line}")
                        .remedy("apt-get update    # says why; settings.refresh = false goes on with the lists that are there")
                        .report();
                        Ok(false)
                    }
                }
            }
        }
    }

    /// Finishes what was cut off, an earlier run of this task or somebody else's. Whether the run goes on, and with which
    /// packages that were begun: dpkg configures what it had unpacked, and what it was unpacking is upgraded again.
    pub(crate) async fn finish_unfinished(&self) -> Result<Option<Vec<String>>, TaskError> {
        let before = self.simulated_all().await?.unfinished;
        if before == 0 {
            return Ok(Some(vec![]));
        }
        let why = format!("{} {} half done", counted(before, "package"), agreed(before, "is", "are"));
        let step = self.context.step("finish the upgrade that was cut off", 1, 0)?;
        let finished = self.finish(&why).await?;
        drop(step);
        if !finished {
            return Ok(None);
        }
        let after = self.simulated_all().await?;
        let begun: Vec<String> = self.context.state().get(BEGUN).await?.unwrap_or_default();
        let again: Vec<String> = begun.into_iter().filter(|name| after.upgrade(name).is_some()).collect();
        if self.context.is_check() || after.unfinished <= again.len() {
            return Ok(Some(again));
        }
        let why = format!("dpkg --configure -a left {} half done", counted(after.unfinished, "package"));
        Failure::Failed(why).report("dpkg");
        Ok(None)
    }

    /// Has dpkg finish; whether it did, or would.
    async fn finish(&self, why: &str) -> Result<bool, TaskError> {
        // apt-get sets dpkg's path itself; without /sbin dpkg does not begin.
        let program = quiet(self.context.program("dpkg"))
            .variable("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        match program.arguments(["--force-confdef", "--force-confold", "--configure", "-a"]).run().await {
            Ok(Outcome::Planned) => {
                finding!(Severity::Critical, "packages-unfinished", "dpkg", "{why}; the run finishes them first")
                    .remedy("hostler run of this task, or dpkg --configure -a")
                    .report();
                Ok(true)
            }
            Ok(Outcome::Completed(completed)) => match outcome::judge(&completed) {
                Ok(kept) => {
                    outcome::report_kept("a package that was half done", &kept);
                    Ok(true)
                }
                Err(failure) => {
                    failure.report("dpkg");
                    Ok(false)
                }
            },
            Err(error) if error.is_unbound() => {
                finding!(Severity::Critical, "packages-unfinished", "dpkg", "{why}: nothing can be upgraded before")
                    .remedy("dpkg --configure -a    # or bind the request dpkg, and the run does it")
                    .report();
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn simulated_all(&self) -> Result<Simulation, TaskError> {
        let said = self.context.program("simulate").arguments(EVERYTHING).output().await?;
        Simulation::parse(&said)
    }

    /// Those of the wanted against which nothing speaks. Where something does, each is asked for on its own, so that one
    /// does not keep the others from being upgraded.
    pub(crate) async fn vetted(&mut self, mut wanted: Vec<Upgrade>) -> Result<Vec<Upgrade>, TaskError> {
        self.left += wanted.len().saturating_sub(self.settings.limit);
        wanted.truncate(self.settings.limit);
        if wanted.is_empty() || self.against(&wanted).await?.is_empty() {
            return Ok(wanted);
        }
        let mut good = vec![];
        for upgrade in wanted {
            match self.against(std::slice::from_ref(&upgrade)).await? {
                why if why.is_empty() => good.push(upgrade),
                why => self.refuse(std::slice::from_ref(&upgrade), &why),
            }
        }
        if good.is_empty() {
            return Ok(good);
        }
        let why = self.against(&good).await?;
        if !why.is_empty() {
            self.refuse(&good, &why);
            good.clear();
        }
        Ok(good)
    }

    fn refuse(&mut self, upgrades: &[Upgrade], why: &[String]) {
        let names: Vec<&str> = upgrades.iter().map(|upgrade| upgrade.name.as_str()).collect();
        self.left += names.len();
        finding!(
            Severity::Warning,
            "upgrade-refused",
            listed(&names, 3),
            "its upgrade {}: it is left",
            why.join(", and ")
        )
        .remedy(format!(
            "apt-get -s install --only-upgrade {}    # shows it; decide, and do it by hand",
            names.join(" ")
        ))
        .report();
    }

    /// What speaks against upgrading these together.
    async fn against(&self, upgrades: &[Upgrade]) -> Result<Vec<String>, TaskError> {
        Ok(match self.simulated(upgrades).await? {
            Ok(simulation) => objections(&simulation, upgrades, self.settings),
            Err(why) => vec![format!("cannot be worked out ({why})")],
        })
    }

    /// What upgrading these would do, or why apt-get finds no way to.
    async fn simulated(&self, upgrades: &[Upgrade]) -> Result<Result<Simulation, String>, TaskError> {
        let program = self.context.program("simulate").arguments(NAMED);
        match program.arguments(upgrades.iter().map(Upgrade::exactly)).output().await {
            Ok(said) => Ok(Ok(Simulation::parse(&said)?)),
            Err(error) if error.message().contains(" ended with 100") => Ok(Err(error.message().to_owned())),
            Err(error) => Err(error),
        }
    }

    /// Upgrades each alone, and what goes together alone at the end.
    pub(crate) async fn upgrade(&mut self, wanted: Vec<Upgrade>) -> Result<(), TaskError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = wanted.iter().map(|upgrade| upgrade.name.as_str()).collect();
        let title = format!("upgrade {}: {}", counted(wanted.len(), "package"), listed(&names, 10));
        // One more, to finish what was cut off before.
        let _step = self.context.step(&title, wanted.len() as u64 + 1, 0)?;
        if self.context.is_check() {
            for upgrade in &wanted {
                self.row(upgrade, &upgrade.candidate);
            }
            self.left += wanted.len();
            // One stands for all: the table names each, and the step says how many there may be.
            self.install(&wanted).await?;
            return Ok(());
        }
        let total = wanted.len();
        let mut together = vec![];
        for (place, upgrade) in wanted.into_iter().enumerate() {
            progress(place as u64, Some(total as u64), &upgrade.name);
            if let Some(reason) = self.stops() {
                return self.stop(reason, total - place + together.len());
            }
            let alone = std::slice::from_ref(&upgrade);
            match self.simulated(alone).await? {
                // It came along with an earlier one.
                Ok(simulation) if simulation.upgrade(&upgrade.name).is_none() => self.done(alone),
                Ok(simulation) if objections(&simulation, alone, self.settings).is_empty() => {
                    if !self.install(alone).await? {
                        self.left += total - place + together.len();
                        return Ok(());
                    }
                }
                _ => together.push(upgrade),
            }
        }
        if together.is_empty() {
            return Ok(());
        }
        let why = self.against(&together).await?;
        if !why.is_empty() {
            self.refuse(&together, &why);
        } else if let Some(reason) = self.stops() {
            return self.stop(reason, together.len());
        } else if !self.install(&together).await? {
            self.left += together.len();
        }
        Ok(())
    }

    /// Whether it went well; in a check, whether it was planned.
    async fn install(&mut self, upgrades: &[Upgrade]) -> Result<bool, TaskError> {
        let wait = format!("DPkg::Lock::Timeout={}", self.settings.lock_wait.as_seconds() as u64);
        let program = quiet(self.context.program("upgrade"))
            .arguments(["-y", "-q", "--only-upgrade", "--no-remove", "-o", wait.as_str()])
            .arguments(["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold", "install"]);
        let program = program.arguments(upgrades.iter().map(Upgrade::exactly));
        let names: Vec<&str> = upgrades.iter().map(|upgrade| upgrade.name.as_str()).collect();
        self.context.state().set(BEGUN, &names).await?;
        let subject = listed(&names, 3);
        let mut tried = false;
        loop {
            let Outcome::Completed(completed) = program.clone().run().await? else { return Ok(true) };
            match outcome::judge(&completed) {
                Ok(kept) => {
                    outcome::report_kept(&subject, &kept);
                    break;
                }
                // A simulation does not see that dpkg was cut off; the first that asks for its lock is told.
                Err(Failure::Interrupted) if !tried => {
                    tried = true;
                    if !self.finish("dpkg was cut off").await? {
                        return Ok(false);
                    }
                }
                Err(failure) => {
                    failure.report(&subject);
                    return Ok(false);
                }
            }
        }
        self.context.state().delete(BEGUN).await?;
        // Its exit code is not taken for proof.
        match self.simulated(upgrades).await? {
            Ok(after) if !upgrades.iter().any(|one| after.upgrade(&one.name).is_some()) => self.done(upgrades),
            _ => {
                Failure::Failed("apt-get ended well, and it still is not the newest".into()).report(&subject);
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn done(&mut self, upgrades: &[Upgrade]) {
        self.upgraded += upgrades.len();
        for upgrade in upgrades {
            self.row(upgrade, &upgrade.candidate);
        }
    }

    fn row(&mut self, upgrade: &Upgrade, after: &str) {
        let before = upgrade.installed.clone().unwrap_or_default();
        self.rows.push([upgrade.name.clone(), before, after.to_owned()]);
    }

    fn stops(&self) -> Option<String> {
        if let Some(reason) = self.context.stop_requested() {
            return Some(reason.to_owned());
        }
        let left = Timestamp::now().until(Timestamp(self.context.info().deadline?));
        let reserve = self.settings.reserve;
        (left < reserve).then(|| format!("the run ends in {left}, and {reserve} are kept for a package"))
    }

    fn stop(&mut self, reason: String, left: usize) -> Result<(), TaskError> {
        self.left += left;
        finding!(Severity::Warning, "stopped", "run", "{reason}: {} left", counted(left, "package"))
            .remedy("run the task again: it goes on with those that are left")
            .report();
        Ok(())
    }

    pub(crate) fn report(self) -> String {
        let check = self.context.is_check();
        let mut table = Table::new(if check { "To be upgraded" } else { "Upgraded" }, &["package", "before", "after"]);
        for [package, before, after] in &self.rows {
            table.row(&[package, before, after]);
        }
        table.report();
        Metric::gauge("system_patch_upgraded", self.upgraded as f64).report();
        Metric::gauge("system_patch_left", self.left as f64).report();
        match check {
            true => format!("{} to be upgraded", counted(self.rows.len(), "package")),
            false => format!("{} upgraded, {} left", counted(self.upgraded, "package"), self.left),
        }
    }
}

/// No questions, no news to be read, and above all no restart of services by needrestart's hook.
fn quiet(program: Program) -> Program {
    program
        .variable("DEBIAN_FRONTEND", "noninteractive")
        .variable("NEEDRESTART_SUSPEND", "1")
        .variable("UCF_FORCE_CONFFOLD", "1")
        .variable("APT_LISTCHANGES_FRONTEND", "none")
}
