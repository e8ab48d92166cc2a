//! A firewall beside what was approved. What changed is drift, whoever changed it; what listens and was not there before
//! is new; and a database that the rules leave open to the world is critical, approved or not.
//!
//! New rules are loaded only with their rollback armed, and fail2ban is reloaded only with a right configuration: the
//! guide's `fail2ban-client reload` and a rule typed at night are how people lock themselves out.

mod bans;
mod change;
mod decision;
mod reach;
mod ruleset;
mod sockets;
mod timer;

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::prelude::*;
use hostler_sdk::{machine, matches_pattern};
use shared_baseline::{Baseline, Origin, one_line};

use ruleset::Ruleset;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    approved: Option<Vec<String>>,
    baseline_file: String,
    ignore: Vec<String>,
    database_ports: Vec<String>,
    public_interfaces: Vec<String>,
    jails: Vec<String>,
    fail2ban_reload: String,
    rules_file: String,
    rollback: Duration,
    timeout: Duration,
}

impl Settings {
    /// The lines that are compared.
    fn counts(&self, lines: &BTreeSet<String>) -> BTreeSet<String> {
        let lines = lines.iter().map(|line| one_line(line));
        lines.filter(|line| !self.ignore.iter().any(|pattern| matches_pattern(pattern, line))).collect()
    }

    fn ports(&self) -> Result<Vec<u16>, TaskError> {
        let port = |text: &String| {
            text.trim().parse().map_err(|_| {
                TaskError::new(format!("{text:?} in `database_ports` is no port"))
                    .remedy("write numbers such as \"5432\"")
            })
        };
        self.database_ports.iter().map(port).collect()
    }
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let ports = settings.ports()?;
    let baseline = Baseline::read(&context, "baseline", &settings.baseline_file, settings.approved.as_deref()).await?;
    let mut parts = vec![];
    let ruleset = match read(&context, &settings).await {
        Ok(ruleset) => Some(ruleset),
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => {
            error.finding("rules-not-read", "nft").report();
            None
        }
    };
    let sockets = match machine::listening_sockets().await {
        Ok(sockets) => Some(sockets),
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => {
            error.finding("sockets-not-read", "machine").report();
            None
        }
    };
    let mut found = BTreeSet::new();
    if let Some(ruleset) = &ruleset {
        found.extend(settings.counts(ruleset.lines()));
        Metric::gauge("firewall_rules", ruleset.rules as f64).report();
        parts.push(counted(ruleset.rules, "rule"));
        if !reach::filters(ruleset) {
            finding!(Severity::Warning, "no-firewall", "nft", "nothing filters what comes in: no chain of hook input has a rule or drops")
                .remedy("write rules with a chain of type filter, hook input and policy drop, and bind their directory as `rules`")
                .report();
        }
    }
    if let Some(sockets) = &sockets {
        let lines = sockets::lines(sockets);
        Metric::gauge("listening_sockets", lines.len() as f64).report();
        parts.push(counted(lines.len(), "listening socket"));
        found.extend(settings.counts(&lines));
        let open = sockets::databases(sockets, ruleset.as_ref(), &ports, &settings.public_interfaces);
        Metric::gauge("database_ports_open", open as f64).report();
        if open > 0 {
            parts.push(format!("{} open to the world", counted(open, "database port")));
        }
    }
    let looked_at = |line: &str| if line.starts_with("listen ") { sockets.is_some() } else { ruleset.is_some() };
    let drift = compare(&baseline, &found, looked_at);
    parts.push(match drift {
        0 => "no drift".into(),
        drift => format!("{} not as approved", counted(drift, "line")),
    });
    baseline.report("rules and sockets", &found, &BTreeSet::new());
    baseline.keep(&context, &found, ruleset.is_some() && sockets.is_some()).await?;
    if let Some(ruleset) = &ruleset {
        parts.extend(change::look(&context, &settings, ruleset).await?);
    }
    parts.extend(bans::look(&context, &settings).await?);
    Ok(parts.join(", "))
}

/// The rules that hold.
async fn read(context: &Context, settings: &Settings) -> Result<Ruleset, TaskError> {
    let program = context.program("nft").arguments(["-j", "list", "ruleset"]).timeout(settings.timeout);
    Ruleset::parse(&program.output().await?).map_err(|error| error.during("reading the rules that hold"))
}

/// Tells what is new and what is gone, one finding for each chain, table and set; how many lines.
fn compare(baseline: &Baseline, found: &BTreeSet<String>, looked_at: impl Fn(&str) -> bool) -> usize {
    let mut drift: BTreeMap<String, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    let mut count = 0;
    let since = if baseline.origin() == Origin::Approved { "approved" } else { "there at the first run" };
    for line in found.iter().filter(|line| baseline.is_new(line)) {
        count += 1;
        if let Some(socket) = line.strip_prefix("listen ") {
            finding!(Severity::Warning, "listener-not-approved", socket, "it listens, and was not {since}")
                .remedy(format!("ss -lntup; stop what should not listen, or approve the line: {line}"))
                .report();
        } else {
            drift.entry(subject(line)).or_default().0.push(line);
        }
    }
    for line in baseline.gone(found, looked_at).filter(|line| !line.starts_with("listen ")) {
        count += 1;
        drift.entry(subject(line)).or_default().1.push(line);
    }
    for (subject, (new, gone)) in &drift {
        let detail = new.iter().map(|line| format!("+ {line}")).chain(gone.iter().map(|line| format!("- {line}")));
        finding!(
            Severity::Warning,
            "rules-drift",
            subject.as_str(),
            "{} {since}, and {} that {} no longer there",
            match new.len() {
                1 => "1 line that was not".to_owned(),
                lines => format!("{lines} lines that were not"),
            },
            gone.len(),
            agreed(gone.len(), "is", "are")
        )
        .detail(detail.collect::<Vec<_>>().join("\n"))
        .remedy(
            "nft -a list ruleset; take back what nobody wanted, or approve the lines with + and take out those with -",
        )
        .report();
    }
    if count > 0 && baseline.origin() == Origin::Approved {
        baseline.attach(found, &BTreeSet::new());
    }
    count
}

/// `inet filter input`, of a line about it.
fn subject(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let end = if words.first() == Some(&"table") { 3 } else { 4 };
    words.get(1..end.min(words.len())).unwrap_or_default().join(" ")
}

#[cfg(test)]
mod tests;
