//! Waivers: an advisory that somebody took upon themselves, for a time and with a reason. One without an owner, an end or
//! a reason does not hold, since nobody could be asked about it; one that is over is told, and its advisory counts again.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::prelude::*;

use crate::ecosystem::Ecosystem;
use crate::osv::Advisory;

/// A waiver that holds or held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiver {
    /// An advisory's identifier, or one of its other names.
    id: String,
    /// For one package alone.
    package: Option<String>,
    owner: String,
    until: Timestamp,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Waivers {
    all: Vec<Waiver>,
    wrong: Vec<String>,
}

impl Waiver {
    /// `CVE-2021-23337 lodash` and `OWNER until 2026-03-31: why`.
    pub(crate) fn parse(key: &str, value: &str) -> Option<Self> {
        let mut words = key.split_whitespace();
        let (id, package) = (words.next()?.to_owned(), words.next().map(str::to_owned));
        let (owner, rest) = value.split_once(" until ")?;
        let (date, reason) = rest.split_once(':')?;
        let until = Timestamp::from_day(date.trim())?.end_of_day();
        let whole = words.next().is_none() && !owner.trim().is_empty() && !reason.trim().is_empty();
        whole.then(|| Self { id, package, owner: owner.trim().to_owned(), until })
    }

    fn covers(&self, advisory: &Advisory, ecosystem: Ecosystem, name: &str) -> bool {
        advisory.ids().any(|id| self.is_for(id, ecosystem, name))
    }

    fn is_for(&self, id: &str, ecosystem: Ecosystem, name: &str) -> bool {
        let package = self.package.as_ref().is_none_or(|package| ecosystem.normalise(package) == name);
        package && id.eq_ignore_ascii_case(&self.id)
    }
}

impl Waivers {
    pub(crate) fn read(settings: &BTreeMap<String, String>) -> Self {
        let mut waivers = Self::default();
        for (key, value) in settings {
            match Waiver::parse(key, value) {
                Some(waiver) => waivers.all.push(waiver),
                None => waivers.wrong.push(key.clone()),
            }
        }
        waivers
    }

    /// Whether an advisory does not count for a package.
    pub(crate) fn hold(&self, advisory: &Advisory, ecosystem: Ecosystem, name: &str, now: Timestamp) -> bool {
        self.all.iter().any(|waiver| waiver.until >= now && waiver.covers(advisory, ecosystem, name))
    }

    /// As [`hold`](Self::hold), for what the registry tells by its identifier alone.
    pub(crate) fn hold_for(&self, id: &str, ecosystem: Ecosystem, name: &str, now: Timestamp) -> bool {
        self.all.iter().any(|waiver| waiver.until >= now && waiver.is_for(id, ecosystem, name))
    }

    /// Those that were for an advisory and are over, as `id, its owner, its end`.
    pub(crate) fn over(
        &self,
        advisory: &Advisory,
        ecosystem: Ecosystem,
        name: &str,
        now: Timestamp,
    ) -> BTreeSet<(String, String, Timestamp)> {
        let over = self.all.iter().filter(|waiver| waiver.until < now && waiver.covers(advisory, ecosystem, name));
        over.map(|waiver| (waiver.id.clone(), waiver.owner.clone(), waiver.until)).collect()
    }

    /// Tells those that do not hold.
    pub(crate) fn report_wrong(&self) {
        for key in &self.wrong {
            finding!(
                Severity::Unknown,
                "waiver-wrong",
                key.as_str(),
                "this waiver has no owner, end or reason, so that it does not hold"
            )
            .remedy(format!("waivers = {{ {key:?} = \"OWNER until 2026-03-31: why\" }}"))
            .report();
        }
    }
}
