//! The limits that nginx is told to keep, from its configuration files. Directives are found by their names, one by one:
//! what they mean together is nginx's to say, and only their presence and their rates are asked for here.

use std::collections::BTreeMap;

use hostler_sdk::files::{self, Directory, Kind};
use hostler_sdk::prelude::*;

/// No configuration file is longer.
const LONGEST: usize = 4 << 20;

/// What is configured.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Limits {
    /// Whether the configuration was read.
    pub known: bool,
    /// Requests a second, by zone.
    pub zones: BTreeMap<String, f64>,
    /// Zones that some place uses.
    pub used: Vec<String>,
    /// Whether connections are limited.
    pub connections: bool,
}

pub(crate) async fn read(context: &Context) -> Result<Limits, TaskError> {
    let mut limits = Limits::default();
    for directory in context.directories("configuration") {
        match add_all(&directory, &mut limits).await {
            Ok(()) => limits.known = true,
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("configuration-unreadable", directory.name()).report(),
        }
    }
    Ok(limits)
}

/// Adds what the files of a directory say.
async fn add_all(directory: &Directory, limits: &mut Limits) -> Result<(), TaskError> {
    let tree = directory.list(None).await?;
    for (path, reason) in &tree.unreadable {
        finding!(Severity::Unknown, "configuration-unreadable", path, "it could not be read: {reason}")
            .remedy("let the host's user read the web server's configuration")
            .report();
    }
    for entry in tree.entries.iter().filter(|entry| entry.metadata.kind == Kind::File) {
        let text = files::read(&entry.path, LONGEST).await?;
        limits.add(&String::from_utf8_lossy(&text));
    }
    Ok(())
}

impl Limits {
    /// Adds what a file says.
    pub(crate) fn add(&mut self, text: &str) {
        for directive in text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default())
            .flat_map(|line| line.split([';', '{', '}']))
        {
            let words: Vec<&str> = directive.split_whitespace().collect();
            let value = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            let zone = value("zone").and_then(|zone| zone.split(':').next()).unwrap_or_default();
            match words.first() {
                Some(&"limit_req_zone") => {
                    if let Some(rate) = value("rate").and_then(rate) {
                        self.zones.insert(zone.to_owned(), rate);
                    }
                }
                Some(&"limit_req") => self.used.push(zone.to_owned()),
                Some(&"limit_conn") => self.connections = true,
                _ => {}
            }
        }
    }

    /// The lowest rate that some place keeps.
    pub(crate) fn lowest(&self) -> Option<f64> {
        let rates = self.zones.iter().filter(|(zone, _)| self.used.contains(zone)).map(|(_, rate)| *rate);
        rates.min_by(f64::total_cmp)
    }
}

/// `10r/s` and `300r/m` as requests a second.
fn rate(text: &str) -> Option<f64> {
    let (number, per) = text.split_once("r/")?;
    let number: f64 = number.parse().ok()?;
    match per {
        "s" => Some(number),
        "m" => Some(number / 60.0),
        _ => None,
    }
}
