//! Which versions of a package there are, and where each comes from: `apt-cache policy`.
//!
//! The simulation names the newest version alone. Where a point release came after a security fix, it is the point
//! release that is named, and the fix within it would not be counted.

use std::collections::{BTreeMap, BTreeSet};

/// Where packages come from, by the words that a version table names it with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(BTreeMap<String, String>);

impl Sources {
    /// Reads `apt-cache policy` without a package. An address may carry a password, so none is ever shown.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut sources = BTreeMap::new();
        let mut source = None;
        for line in text.lines() {
            let line = line.trim();
            if let Some(release) = line.strip_prefix("release ") {
                if let Some(source) = source.take() {
                    sources.insert(source, origin(release));
                }
            } else {
                source = without_priority(line);
            }
        }
        Self(sources)
    }

    /// The packages that have, above what is installed, a version whose origin is one of `is_security`: from
    /// `apt-cache policy` with packages.
    #[must_use]
    pub fn with_fix(&self, tables: &str, is_security: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let (mut package, mut above) = ("", false);
        for line in tables.lines() {
            if let Some(name) = line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
                (package, above) = (name, false);
            } else if line.trim() == "Version table:" {
                above = true;
            } else if line.starts_with(" ***") {
                above = false;
            } else if above && let Some(source) = line.strip_prefix("        ").and_then(without_priority) {
                let origin = self.0.get(&source).map_or("", String::as_str);
                if is_security(origin) {
                    found.insert(package.to_owned());
                }
            }
        }
        found
    }
}

/// The packages that are installed, with their versions: from `apt-cache policy` with packages.
#[must_use]
pub fn installed(tables: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut package = "";
    for line in tables.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
            package = name;
        } else if let Some(version) = line.trim().strip_prefix("Installed: ").filter(|version| *version != "(none)") {
            found.insert(package.to_owned(), version.to_owned());
        }
    }
    found
}

/// `500 http://… bookworm/main amd64 Packages` without its priority.
fn without_priority(line: &str) -> Option<String> {
    let (priority, source) = line.trim().split_once(' ')?;
    priority.parse::<i64>().ok().map(|_| source.trim().to_owned())
}

/// `v=12,o=Debian,a=stable-security,l=Debian-Security,…` as the simulation writes it.
fn origin(release: &str) -> String {
    let field = |name: &str| {
        // A label may have commas: a field ends where the next one begins.
        let start =
            if release.starts_with(name) { Some(0) } else { release.find(&format!(",{name}")).map(|at| at + 1) };
        let text = start.map_or("", |start| &release[start + name.len()..]);
        let end = text.match_indices(',').map(|(at, _)| at).find(|at| text.as_bytes().get(at + 2) == Some(&b'='));
        end.map_or(text, |end| &text[..end]).to_owned()
    };
    let (label, version, suite) = (field("l="), field("v="), field("a="));
    let version = if version.is_empty() { version } else { version + "/" };
    format!("{label}:{version}{suite}")
}
