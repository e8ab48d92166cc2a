//! Which packages have an advisory that counts, and how bad that is: one finding a package, however many advisories.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::listed;
use hostler_sdk::prelude::*;

use crate::Settings;
use crate::audit::Warned;
use crate::ecosystem::Ecosystem;
use crate::lock::Package;
use crate::osv::{Advisory, Level};
use crate::waiver::Waivers;

/// The limits, read.
pub(crate) struct Limits {
    warning: Level,
    critical: Level,
    unrated: Level,
}

/// What was found in all files.
#[derive(Default)]
pub(crate) struct Tally {
    vulnerable: BTreeMap<Level, usize>,
    pub(crate) waived: BTreeSet<String>,
    over: BTreeSet<(String, String, Timestamp)>,
    rows: Vec<[String; 5]>,
}

impl Limits {
    pub(crate) fn of(settings: &Settings) -> Result<Self, TaskError> {
        let level = |word: &str| Level::parse(word).ok_or_else(|| TaskError::new(format!("{word} is no severity")));
        Ok(Self {
            warning: level(&settings.warning)?,
            critical: level(&settings.critical)?,
            unrated: level(&settings.unrated)?,
        })
    }

    fn severity(&self, level: Level, fixable: bool) -> Severity {
        if level >= self.critical && fixable {
            Severity::Critical
        } else if level >= self.warning || level >= self.critical {
            Severity::Warning
        } else {
            Severity::Ok
        }
    }
}

/// An advisory that a package has.
struct Found<'a> {
    advisory: &'a Advisory,
    level: Level,
    rated: bool,
    fixed: Option<String>,
}

/// Judges one package of a file; whether it has an advisory.
pub(crate) fn package(
    file: &str,
    package: &Package,
    release: Option<&str>,
    advisories: &[Advisory],
    (limits, waivers, now): Rules<'_>,
    tally: &mut Tally,
) -> bool {
    let Package { ecosystem, name, version } = package;
    let mut found: Vec<Found<'_>> = vec![];
    for advisory in advisories {
        let Some(hit) = advisory.hits(*ecosystem, release, name, version) else { continue };
        if waivers.hold(advisory, *ecosystem, name, now) {
            tally.waived.insert(format!("{} {name}", advisory.id));
            continue;
        }
        tally.over.extend(waivers.over(advisory, *ecosystem, name, now));
        let level = hit.level.unwrap_or(limits.unrated);
        found.push(Found { advisory, level, rated: hit.level.is_some(), fixed: hit.fixed });
    }
    // The same hole under two names is one: what another one names as its own is left out.
    let mut known = BTreeSet::new();
    found.sort_by(|one, other| other.level.cmp(&one.level).then_with(|| one.advisory.id.cmp(&other.advisory.id)));
    found.retain(|one| {
        let is_new = !one.advisory.ids().any(|id| known.contains(id));
        known.extend(one.advisory.ids());
        is_new
    });
    let Some(worst) = found.iter().map(|one| one.level).max() else { return false };
    let severity = found.iter().map(|one| limits.severity(one.level, one.fixed.is_some())).max().unwrap_or_default();
    let fixes: Vec<&String> = found.iter().filter_map(|one| one.fixed.as_ref()).collect();
    let fixed = fixes.iter().max_by(|one, other| ecosystem.compare(one, other).unwrap_or(std::cmp::Ordering::Equal));
    let open = found.iter().filter(|one| one.fixed.is_none()).count();
    let names: Vec<&str> = found.iter().map(|one| one.advisory.id.as_str()).collect();
    let told = match (fixed, open) {
        (Some(fixed), 0) => format!("fixed in {fixed}"),
        (Some(fixed), open) => format!("fixed in {fixed} but for {open}"),
        (None, _) => "no fixed version is known".into(),
    };
    let detail: Vec<String> = found
        .iter()
        .map(|one| {
            let rated = if one.rated { "" } else { ", which has no severity of its own" };
            format!("{} ({}{rated}): {}", one.advisory.id, one.level.name(), one.advisory.title())
        })
        .collect();
    let remedy = match fixed {
        Some(fixed) => ecosystem.remedy(name, fixed),
        None => format!(
            "use something else, or waive it for a time: waivers = {{ {:?} = \"OWNER until DATE: why\" }}",
            names[0]
        ),
    };
    finding!(
        severity,
        "vulnerable",
        format!("{file}: {name} {version}"),
        "{}, {}: {}; {told}",
        worst.name(),
        if found.len() == 1 { "1 advisory".to_owned() } else { format!("{} advisories", found.len()) },
        listed(&names, 3)
    )
    .detail(detail.join("\n"))
    .remedy(remedy)
    .report_unless_ok();
    tally.add(worst, [file.into(), format!("{name} {version}"), worst.name().into(), listed(&names, 3), told]);
    true
}

/// What findings are judged by.
pub(crate) type Rules<'a> = (&'a Limits, &'a Waivers, Timestamp);

/// Judges what the registry alone knows.
pub(crate) fn warned(file: &str, one: &Warned, (limits, waivers, now): Rules<'_>, tally: &mut Tally) {
    let waived = |id: &str| waivers.hold_for(id, Ecosystem::Npm, &one.name, now);
    let (left, out): (Vec<_>, Vec<_>) = one.advisories.iter().partition(|(id, _)| !waived(id));
    tally.waived.extend(out.iter().map(|(id, _)| format!("{id} {}", one.name)));
    if left.is_empty() {
        return;
    }
    let level = one.level.unwrap_or(limits.unrated);
    let told = if one.fixable { "a fix is to be had" } else { "no fix is known" };
    let names: Vec<&str> = left.iter().map(|(id, _)| id.as_str()).collect();
    let titles: Vec<String> = left.iter().map(|(id, title)| format!("{id}: {title}")).collect();
    finding!(
        limits.severity(level, one.fixable),
        "vulnerable",
        format!("{file}: {}", one.name),
        "{}, says npm's registry: {}; {told}",
        level.name(),
        listed(&names, 3)
    )
    .detail(titles.join("\n"))
    .remedy(if one.fixable { "npm audit fix" } else { "npm audit    -- and use something else in its place" })
    .report_unless_ok();
    tally.add(level, [file.into(), one.name.clone(), level.name().into(), listed(&names, 3), told.into()]);
}

impl Tally {
    fn add(&mut self, level: Level, row: [String; 5]) {
        *self.vulnerable.entry(level).or_default() += 1;
        self.rows.push(row);
    }

    /// Tells the figures; what it says is a count.
    pub(crate) fn report(self, packages: &BTreeMap<Ecosystem, usize>) -> String {
        for (id, owner, until) in &self.over {
            finding!(
                Severity::Warning,
                "waiver-expired",
                id.as_str(),
                "the waiver of {owner} ended on {}",
                &until.to_string()[..10]
            )
            .remedy(format!("install the fixed version, or have {owner} waive it anew"))
            .report();
        }
        for (ecosystem, count) in packages {
            Metric::gauge("packages_examined", *count as f64).label("ecosystem", ecosystem.name()).report();
        }
        for level in [Level::Low, Level::Medium, Level::High, Level::Critical] {
            let count = self.vulnerable.get(&level).copied().unwrap_or_default();
            Metric::gauge("vulnerable_packages", count as f64).label("severity", level.name()).report();
        }
        Metric::gauge("vulnerabilities_waived", self.waived.len() as f64).report();
        let mut table = Table::new("Vulnerable packages", &["file", "package", "severity", "advisories", "fix"]);
        for [file, package, level, names, fix] in &self.rows {
            table.row(&[file, package, level, names, fix]);
        }
        table.report();
        let waived = match self.waived.len() {
            0 => String::new(),
            waived => {
                format!(", {} waived", if waived == 1 { "1 advisory".into() } else { format!("{waived} advisories") })
            }
        };
        let all: usize = packages.values().sum();
        format!("{} examined, {} vulnerable{waived}", counted(all, "package"), self.rows.len())
    }
}
