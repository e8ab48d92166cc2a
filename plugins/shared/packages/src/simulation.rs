//! What `apt-get -s` says that it would do.
//!
//! Each line of it stands for one act of dpkg, and is the same since a dozen years; the lists for people above them are
//! read for what is held back alone.

use hostler_sdk::TaskError;

/// The arguments of a simulation of everything that there is. As root apt would take dpkg's lock even for it.
pub const EVERYTHING: [&str; 4] = ["-s", "-o", "Debug::NoLocking=true", "dist-upgrade"];
/// The arguments before the packages of a simulation of these alone. It does not forbid removals, so that it names them.
pub const NAMED: [&str; 5] = ["-s", "-o", "Debug::NoLocking=true", "--only-upgrade", "install"];

/// A package that would be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// Its name, with the architecture where it is a foreign one.
    pub name: String,
    /// The version that is there; nothing where the package would be new.
    pub installed: Option<String>,
    /// The version that there would be.
    pub candidate: String,
    /// Where that comes from: `Label:Version/Suite`.
    pub origins: Vec<String>,
}

impl Upgrade {
    /// The package and the very version that was simulated, as apt-get takes them.
    #[must_use]
    pub fn exactly(&self) -> String {
        format!("{}={}", self.name, self.candidate)
    }
}

/// What would be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simulation {
    /// What would be installed, upgrades and new packages.
    pub upgrades: Vec<Upgrade>,
    /// What would be removed.
    pub removals: Vec<String>,
    /// What could be upgraded, and would be left: held, deferred, or in the way of something.
    pub held: Vec<String>,
    /// How many packages an earlier run of dpkg unpacked or removed, and did not finish.
    pub unfinished: usize,
}

impl Simulation {
    /// Reads what apt-get wrote.
    ///
    /// # Errors
    /// Where it is not a simulation that came to its end.
    pub fn parse(text: &str) -> Result<Self, TaskError> {
        let mut found = Self::default();
        let (mut ended, mut holding) = (false, false);
        for line in text.lines() {
            if let Some(listed) = line.strip_prefix("  ") {
                if holding {
                    found.held.extend(listed.split_whitespace().map(str::to_owned));
                }
                continue;
            }
            holding = line.contains("have been kept back:") || line.contains("deferred due to phasing:");
            ended |= line.contains(" upgraded, ") && line.contains(" not upgraded");
            match line.split_once(' ') {
                Some((count, "not fully installed or removed.")) => {
                    found.unfinished = count.parse().unwrap_or(usize::MAX);
                }
                Some(("Inst", rest)) => found.upgrades.extend(upgrade(rest)),
                Some(("Remv" | "Purg", rest)) => {
                    found.removals.extend(rest.split_whitespace().next().map(str::to_owned));
                }
                _ => {}
            }
        }
        if ended {
            return Ok(found);
        }
        Err(TaskError::new("what apt-get printed is no simulation: its last line, with the counts, is missing")
            .remedy("apt-get -s dist-upgrade    # shows what it says here"))
    }

    /// A package that would be installed, by its name.
    #[must_use]
    pub fn upgrade(&self, name: &str) -> Option<&Upgrade> {
        self.upgrades.iter().find(|upgrade| upgrade.name == name)
    }
}

/// `tzdata [2025b-0] (2026f-0 Debian-Security:12/stable-security [all])`, where the installed version may be missing and
/// a label may have spaces and commas of its own.
fn upgrade(line: &str) -> Option<Upgrade> {
    let (name, rest) = line.split_once(' ')?;
    let (before, rest) = rest.split_once('(')?;
    let installed = before.trim().strip_prefix('[').and_then(|version| version.strip_suffix(']'));
    // Behind the architecture there may be what is broken for the moment.
    let inside = rest.split_once("])").map_or(rest, |(inside, _)| inside);
    let (candidate, origins) = inside.split_once(' ').unwrap_or((inside, ""));
    let origins = origins.rsplit_once('[').map_or(origins, |(origins, _)| origins);
    Some(Upgrade {
        name: name.to_owned(),
        installed: installed.map(str::to_owned),
        candidate: candidate.trim_end_matches(')').to_owned(),
        origins: origins.split(", ").map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect(),
    })
}
