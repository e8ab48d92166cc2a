//! What a newer version asks for that nobody has consented to yet.

use std::collections::BTreeMap;

use hostler_configuration::{grant_of, wider};
use hostler_manifest::{Mode, Request};
use semver::Version;

use crate::{Candidate, Locked, describe};

/// What installing a candidate changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was not installed.
    New,
    /// The very same file is installed.
    Same,
    /// An older version is.
    Upgrade {
        /// The version installed.
        from: Version,
    },
    /// A newer version is.
    Downgrade {
        /// The version installed.
        from: Version,
    },
    /// Another file of the same version is.
    Replacement,
}

/// The difference between what was consented to and what a candidate asks for, in lines to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What is installed.
    pub change: Change,
    /// What it asks for beyond what was consented to; needs consent.
    pub more: Vec<String>,
    /// What it no longer asks for.
    pub less: Vec<String>,
    /// What reads otherwise and allows nothing more.
    pub other: Vec<String>,
}

impl Difference {
    /// Whether an operator has to consent before it is installed.
    pub fn needs_consent(&self) -> bool {
        self.change == Change::New || !self.more.is_empty()
    }

    pub(crate) fn between(installed: Option<&Locked>, candidate: &Candidate) -> Self {
        let plugin = &candidate.manifest.plugin;
        let nothing = BTreeMap::new();
        let change = match installed {
            None => Change::New,
            Some(installed) if installed.digest == candidate.digest => Change::Same,
            // Build metadata counts too: it is part of what was installed, and the lock is to name one file.
            Some(installed) => match installed.version.cmp(&plugin.version) {
                std::cmp::Ordering::Less => Change::Upgrade { from: installed.version.clone() },
                std::cmp::Ordering::Greater => Change::Downgrade { from: installed.version.clone() },
                std::cmp::Ordering::Equal => Change::Replacement,
            },
        };
        let before = installed.map_or(&nothing, |installed| &installed.requests);
        let after = &candidate.manifest.requests;
        let mut difference = Self { change, more: more(before, after), less: more(after, before), other: Vec::new() };
        match (installed.map(|installed| installed.mode), plugin.mode) {
            (Some(Mode::Check), Mode::Apply) => difference.more.push("mode: it changes something now".into()),
            (Some(Mode::Apply), Mode::Check) => difference.less.push("mode: it only looks now".into()),
            (None, Mode::Apply) => difference.more.push("mode: it changes something".into()),
            _ => {}
        }
        for (name, request) in after {
            match before.get(name) {
                Some(earlier) if earlier.reason() != request.reason() => {
                    difference.other.push(format!("{name}.reason: {}", request.reason()));
                }
                Some(earlier) if earlier.optional() != request.optional() => {
                    let now = if request.optional() { "optional" } else { "required" };
                    difference.other.push(format!("{name}: it is {now} now"));
                }
                _ => {}
            }
        }
        difference
    }
}

/// What `after` has beyond `before`.
fn more(before: &BTreeMap<String, Request>, after: &BTreeMap<String, Request>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, request) in after {
        match before.get(name) {
            Some(earlier) if earlier.kind() == request.kind() => within(name, earlier, request, &mut lines),
            _ => {
                lines.push(format!("{name}: {}, to {}", request.kind(), request.reason().trim()));
                lines.extend(describe(request).into_iter().map(|(field, text)| format!("{name}.{field}: {text}")));
            }
        }
    }
    lines
}

fn within(name: &str, before: &Request, after: &Request, lines: &mut Vec<String>) {
    for wider in wider(&grant_of(before), &grant_of(after)) {
        lines.push(format!("{name}.{}: {}", wider.field, wider.entry));
    }
    if after.many() && !before.many() {
        lines.push(format!("{name}.many: several resources"));
    }
    match (before, after) {
        (Request::Program(before), Request::Program(after)) => {
            if before.program != after.program {
                lines.push(format!("{name}.program: {}", after.program));
            }
            for (key, before, after) in
                [("arguments", &before.arguments, &after.arguments), ("reads", &before.reads, &after.reads)]
            {
                let forms = after.iter().filter(|form| !before.contains(form));
                lines.extend(forms.map(|form| format!("{name}.{key}: {}", form.join(" "))));
            }
            let variables = after.environment.iter().filter(|variable| !before.environment.contains(variable));
            lines.extend(variables.map(|variable| format!("{name}.environment: {variable}")));
        }
        (Request::Postgres(before), Request::Postgres(after)) => {
            let privileges = after.privileges.iter().filter(|privilege| !before.privileges.contains(privilege));
            lines.extend(privileges.map(|privilege| format!("{name}.privileges: {privilege}")));
        }
        _ => {}
    }
}
