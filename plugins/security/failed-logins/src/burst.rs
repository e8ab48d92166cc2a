//! Many within minutes: from one address, from one network, for one user; and a success after them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hostler_sdk::prelude::*;

use crate::{Settings, attempt::Attempt};

/// Attempts of one run that are looked at; beyond, they are counted.
const KEPT: usize = 500_000;
/// Attempts that the next run begins with.
const RECENT: usize = 2000;
/// Findings of a kind.
const TOLD: usize = 20;

/// What was tried since the last run, and just before it.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    all: Vec<Attempt>,
    /// How many of them the last run has told of.
    before: usize,
    beyond: u64,
}

/// The largest burst of one origin.
#[derive(Debug, Clone, Default, PartialEq)]
struct Burst {
    most: usize,
    failures: usize,
    services: BTreeSet<String>,
}

impl Attempts {
    /// Those that are just before this run's.
    pub(crate) fn after(recent: Vec<Attempt>) -> Self {
        Self { before: recent.len(), all: recent, beyond: 0 }
    }

    pub(crate) fn add(&mut self, attempt: Attempt) {
        if self.all.len() < KEPT {
            self.all.push(attempt);
        } else {
            self.beyond += 1;
        }
    }

    pub(crate) fn put_in_order(&mut self) {
        let before = self.before.min(self.all.len());
        self.all[before..].sort_by_key(|attempt| attempt.at);
    }

    /// Those of the last window.
    pub(crate) fn recent(&self, settings: &Settings) -> Vec<Attempt> {
        let last = self.all.iter().map(|attempt| attempt.at).max().unwrap_or_default();
        let from = last - settings.window.as_seconds() as i64;
        let recent: Vec<Attempt> = self.all.iter().filter(|attempt| attempt.at >= from).cloned().collect();
        recent[recent.len().saturating_sub(RECENT)..].to_vec()
    }

    pub(crate) fn report(&self, settings: &Settings) -> String {
        let new = &self.all[self.before.min(self.all.len())..];
        let failures = new.iter().filter(|attempt| !attempt.success).count();
        self.report_successes(settings);
        let addresses =
            self.bursts(settings, |attempt| Some(attempt.address.clone()).filter(|address| !address.is_empty()));
        for (address, burst) in told(&addresses, settings.burst) {
            finding!(
                Severity::Warning,
                "login-burst",
                address,
                "{} failed within {}, {} since the last run, at {}",
                counted(burst.most, "login"),
                settings.window,
                burst.failures,
                listed(&burst.services)
            )
            .remedy(format!(
                "fail2ban-client set sshd banip {address}    # or drop it in the firewall; then ask whose address it is"
            ))
            .report();
        }
        let networks = self.bursts(settings, |attempt| network(&attempt.address));
        let alone: BTreeSet<String> =
            told(&addresses, settings.burst).iter().filter_map(|(address, _)| network(address)).collect();
        for (network, burst) in
            told(&networks, settings.burst).into_iter().filter(|(network, _)| !alone.contains(*network))
        {
            finding!(
                Severity::Warning,
                "login-burst-network",
                network,
                "{} failed within {} from several addresses of it",
                counted(burst.most, "login"),
                settings.window
            )
            .remedy(format!(
                "nft insert rule inet filter input ip saddr {network} drop    # where nobody of yours is in it"
            ))
            .report();
        }
        // Only a name that has logged in is known to be one.
        let known: BTreeSet<&str> =
            self.all.iter().filter(|attempt| attempt.success).map(|attempt| attempt.user.as_str()).collect();
        let users = self.bursts(settings, |attempt| {
            Some(attempt.user.clone()).filter(|user| known.contains(user.as_str()) || user == "root")
        });
        for (user, burst) in told(&users, settings.burst) {
            finding!(
                Severity::Warning,
                "user-under-attack",
                user,
                "{} failed for this user within {}, at {}",
                counted(burst.most, "login"),
                settings.window,
                listed(&burst.services)
            )
            .remedy("let the user log in with a key alone, and look whether a job of theirs has an old password")
            .report();
        }
        if self.beyond > 0 {
            finding!(
                Severity::Unknown,
                "too-many",
                "logins",
                "{} more were not looked at one by one",
                counted(self.beyond, "attempt")
            )
            .remedy("run the task more often")
            .report();
        }
        Metric::gauge("failed_logins", failures as f64).report();
        let mut table = Table::new(
            "addresses by their failed logins",
            &["address", "failed", "most within the window", "services"],
        );
        let mut all: Vec<(&String, &Burst)> = addresses.iter().filter(|(_, burst)| burst.failures > 0).collect();
        all.sort_by_key(|(address, burst)| (std::cmp::Reverse(burst.failures), (*address).clone()));
        for (address, burst) in all.into_iter().take(TOLD) {
            table.row(&[address, &burst.failures, &burst.most, &listed(&burst.services)]);
        }
        table.report();
        format!(
            "{} failed since the last run, from {}",
            counted(failures, "login"),
            counted(addresses.values().filter(|burst| burst.failures > 0).count(), "address")
        )
    }

    /// A success that has failures of the same address in its window.
    fn report_successes(&self, settings: &Settings) {
        let mut failed: BTreeMap<&str, VecDeque<i64>> = BTreeMap::new();
        let window = settings.window.as_seconds() as i64;
        for (place, attempt) in self.all.iter().enumerate().filter(|(_, attempt)| !attempt.address.is_empty()) {
            let times = failed.entry(&attempt.address).or_default();
            while times.front().is_some_and(|time| attempt.at - time > window) {
                times.pop_front();
            }
            if !attempt.success {
                times.push_back(attempt.at);
            } else if times.len() >= settings.before_success && place >= self.before {
                let times = counted(times.len(), "failed login");
                finding!(Severity::Critical, "success-after-burst", &attempt.address, "{} logged in at {} after {times} within {}", attempt.user, attempt.service, settings.window)
                    .remedy(format!("ask {} whether it was them; if not: end their sessions, change the password, and look at what was done since", attempt.user))
                    .report();
            }
        }
    }

    /// The largest number of failures within the window, by origin. Only failures of this run count by themselves.
    fn bursts(&self, settings: &Settings, origin: impl Fn(&Attempt) -> Option<String>) -> BTreeMap<String, Burst> {
        let window = settings.window.as_seconds() as i64;
        let mut times: BTreeMap<String, VecDeque<i64>> = BTreeMap::new();
        let mut bursts: BTreeMap<String, Burst> = BTreeMap::new();
        for (place, attempt) in self.all.iter().enumerate().filter(|(_, attempt)| !attempt.success) {
            let Some(origin) = origin(attempt) else { continue };
            let times = times.entry(origin.clone()).or_default();
            times.push_back(attempt.at);
            while times.front().is_some_and(|time| attempt.at - time > window) {
                times.pop_front();
            }
            if place >= self.before {
                let burst = bursts.entry(origin).or_default();
                burst.most = burst.most.max(times.len());
                burst.failures += 1;
                burst.services.insert(attempt.service.clone());
            }
        }
        bursts
    }
}

/// Those that reach the number, the largest first.
fn told(bursts: &BTreeMap<String, Burst>, least: usize) -> Vec<(&String, &Burst)> {
    let mut told: Vec<_> = bursts.iter().filter(|(_, burst)| burst.most >= least).collect();
    told.sort_by_key(|(origin, burst)| (std::cmp::Reverse(burst.most), (*origin).clone()));
    told.truncate(TOLD);
    told
}

/// An address's network: /24, or /64.
fn network(address: &str) -> Option<String> {
    match address.parse().ok()? {
        std::net::IpAddr::V4(four) => {
            let [a, b, c, _] = four.octets();
            Some(format!("{a}.{b}.{c}.0/24"))
        }
        std::net::IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            Some(format!("{}/64", std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
        }
    }
}

fn listed(services: &BTreeSet<String>) -> String {
    services.iter().cloned().collect::<Vec<_>>().join(", ")
}
