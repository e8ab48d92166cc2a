//! Which services ran before and do not after. A package's scripts stop and start its own service, and what breaks is
//! seldom the package that was upgraded.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration as Pause, Instant};

use hostler_sdk::prelude::*;

use crate::Settings;

const SHOW: [&str; 4] = ["show", "--no-pager", "--property=Id,Names,LoadState,ActiveState,SubState,Result", "*"];
/// Between two looks.
const PAUSE: Pause = Pause::from_millis(500);

/// Units, each with what it is in: `active (running)`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Services {
    /// Whether systemctl is bound and answered.
    seen: bool,
    states: BTreeMap<String, (String, String)>,
    /// Each other name of a unit.
    aliases: BTreeMap<String, String>,
}

impl Services {
    /// What runs; nothing where systemctl is not bound, or does not answer, which is told.
    pub(crate) async fn look(context: &Context) -> Result<Self, TaskError> {
        match context.program("systemctl").arguments(SHOW).output().await {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.ends_the_run() => Err(error),
            Err(error) if error.is_unbound() => Ok(Self::default()),
            Err(error) => {
                error.finding("services-not-looked-at", "systemctl").report();
                Ok(Self::default())
            }
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        let mut found = Self { seen: true, ..Self::default() };
        for block in text.split("\n\n") {
            let field = |name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default().to_owned()
            };
            let id = field("Id");
            if !id.is_empty() {
                let names = field("Names");
                found.aliases.extend(names.split_whitespace().map(|name| (name.to_owned(), id.clone())));
                found.states.insert(id, (field("ActiveState"), field("SubState")));
            }
        }
        found
    }

    fn state(&self, unit: &str) -> (&str, &str) {
        let id = self.aliases.get(unit).map_or(unit, String::as_str);
        self.states.get(id).map_or(("not loaded", ""), |(active, sub)| (active, sub))
    }

    /// Units that ran before and do not now, that failed since, or that have to run: each with what it is in now.
    pub(crate) fn down_since(&self, before: &Self, required: &[String]) -> BTreeMap<String, String> {
        let ends_with_its_user = |unit: &str| unit.starts_with("user@") || unit.starts_with("user-runtime-dir@");
        let ran = before.states.iter().filter(|(unit, (active, sub))| {
            active == "active" && sub == "running" && unit.ends_with(".service") && !ends_with_its_user(unit)
        });
        let ran: Vec<&String> = ran.map(|(unit, _)| unit).collect();
        let failed =
            self.states.iter().filter(|(unit, (active, _))| active == "failed" && before.state(unit).0 != "failed");
        let failed = failed.map(|(unit, _)| unit);
        let stopped =
            ran.into_iter().chain(required).filter(|unit| !["active", "reloading"].contains(&self.state(unit).0));
        let shown = |unit: &String| match self.state(unit) {
            (active, "") => active.to_owned(),
            (active, sub) => format!("{active} ({sub})"),
        };
        stopped.chain(failed).map(|unit| (unit.clone(), shown(unit))).collect()
    }
}

pub(crate) async fn check(context: &Context, before: &Services, settings: &Settings) -> Result<(), TaskError> {
    if !before.seen {
        return Ok(());
    }
    let start = Instant::now();
    let limit = Pause::from_secs_f64(settings.settle.as_seconds());
    loop {
        let now = Services::look(context).await?;
        if !now.seen {
            return Ok(());
        }
        let down = now.down_since(before, &settings.services);
        if down.is_empty() || start.elapsed() >= limit || context.stop_requested().is_some() {
            report(&down);
            return Ok(());
        }
        sleep(PAUSE);
    }
}

pub(crate) fn report(down: &BTreeMap<String, String>) {
    for (unit, state) in down {
        finding!(Severity::Critical, "service-down", unit, "it is {state} after the upgrade")
            .remedy(format!("systemctl status {unit}; journalctl -u {unit} -n 50"))
            .report();
    }
}
