//! Documents beside what they are about. A runbook that nobody has read for a year, whose link leads nowhere and whose
//! command is not installed, fails in the night in which it is needed: so what can be held against the machine is, and
//! nothing is written, since what a document should say its owner knows.

mod commands;
mod diagrams;
mod document;
mod fences;
mod front;
mod history;
mod links;

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::files::{self, Directory, Entry, Kind};
use hostler_sdk::matches_pattern;
use hostler_sdk::prelude::*;

use diagrams::Stale;
use document::{Document, Surroundings};

hostler_sdk::plugin!(Settings, run);

/// Bytes of a document that are read.
const LARGEST: usize = 4 << 20;

#[derive(Deserialize)]
struct Settings {
    files: Vec<String>,
    exclude: Vec<String>,
    review_warning: Range,
    review_critical: Range,
    require_owner: bool,
    draws: BTreeMap<String, String>,
    most: usize,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let programs = programs(&context).await?;
    let mut told = Told {
        most: settings.most,
        table: Table::new("Documents", &["document", "owner", "days", "faults"]),
        ..Told::default()
    };
    for directory in context.directories("documents") {
        match look(&context, &directory, programs.as_ref(), &settings, &mut told).await {
            Ok(()) => {}
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("not-looked-at", directory.name()).report(),
        }
    }
    Ok(told.finish(programs.is_some()))
}

/// The names of the programs of the machine; nothing where no directory of them is bound.
async fn programs(context: &Context) -> Result<Option<BTreeSet<String>>, TaskError> {
    let directories = context.directories("programs");
    if directories.is_empty() {
        return Ok(None);
    }
    let mut names = BTreeSet::new();
    for directory in directories {
        let tree = directory.list(Some(1)).await.during(format!("listing {}", directory.name()))?;
        names.extend(tree.entries.iter().filter_map(|entry| entry.path.rsplit('/').next().map(str::to_owned)));
    }
    Ok(Some(names))
}

async fn look(
    context: &Context,
    directory: &Directory,
    programs: Option<&BTreeSet<String>>,
    settings: &Settings,
    told: &mut Told,
) -> Result<(), TaskError> {
    let tree = directory.list(None).await?;
    for (path, reason) in &tree.unreadable {
        finding!(Severity::Unknown, "not-looked-at", path, "it cannot be read: {reason}")
            .remedy("let the host's user read it")
            .report();
    }
    let below = format!("{}/", directory.root());
    let relative = |entry: &Entry| entry.path.strip_prefix(&below).map(str::to_owned);
    let left_out =
        |path: &str| path.split('/').any(|part| settings.exclude.iter().any(|pattern| matches_pattern(pattern, part)));
    let there: BTreeSet<String> = tree.entries.iter().filter_map(relative).collect();
    let changes = history::changes(context, directory).await?;
    let mut changed: BTreeMap<String, Timestamp> = BTreeMap::new();
    for entry in tree.entries.iter().filter(|entry| entry.metadata.kind == Kind::File) {
        if let Some(path) = relative(entry).filter(|path| !left_out(path)) {
            let known = changes.as_ref().and_then(|changes| changes.get(&path).copied());
            changed.insert(path, known.unwrap_or_else(|| files::modified(&entry.metadata)));
        }
    }
    let is_document = |path: &&String| {
        let name = path.rsplit('/').next().unwrap_or_default();
        settings.files.iter().any(|pattern| matches_pattern(pattern, name))
    };
    let before = told.documents;
    for path in changed.keys().filter(is_document) {
        let subject = format!("{}/{path}", directory.name());
        let text = match files::read(&directory.path(path), LARGEST).await {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                error.finding("not-looked-at", subject).report();
                continue;
            }
        };
        let known = changes.as_ref().and_then(|changes| changes.get(path).copied());
        let around = Surroundings { there: &there, programs, changed: known, now: context.planned_at() };
        told.add(&subject, Document::look(path, &subject, &text, &around, settings));
    }
    if told.documents == before {
        finding!(
            Severity::Unknown,
            "no-documents",
            directory.name(),
            "there is no document in it ({})",
            settings.files.join(", ")
        )
        .remedy("bind the directory that holds the runbooks, or name them as `files`")
        .report();
    }
    told.diagrams(directory.name(), &diagrams::stale(&changed, &settings.draws));
    Ok(())
}

/// What the run told.
#[derive(Default)]
struct Told {
    most: usize,
    documents: usize,
    faulty: usize,
    oldest: Option<f64>,
    dead_links: usize,
    stale: usize,
    table: Table,
    /// By code: how many were told, and the worst and the number of those that were not.
    counts: BTreeMap<String, (usize, Severity, usize)>,
}

impl Told {
    fn add(&mut self, subject: &str, document: Document) {
        self.documents += 1;
        self.faulty += usize::from(!document.faults.is_empty());
        self.dead_links += document.dead_links;
        if let Some(days) = document.days {
            self.oldest = Some(self.oldest.unwrap_or_default().max(days));
        }
        let days = document.days.map_or("unknown".into(), |days| days.to_string());
        self.table.row(&[&subject, &document.owner.unwrap_or_else(|| "none".into()), &days, &document.faults.len()]);
        for fault in document.faults {
            self.tell(fault);
        }
    }

    /// Tells a fault, or counts it where there are so many of its kind that no one would read them.
    fn tell(&mut self, fault: Finding) {
        let (told, worst, more) = self.counts.entry(fault.code.clone()).or_default();
        if *told < self.most {
            *told += 1;
            fault.report();
        } else {
            *worst = (*worst).max(fault.severity);
            *more += 1;
        }
    }

    fn diagrams(&mut self, directory: &str, stale: &[Stale]) {
        self.stale += stale.len();
        for Stale { picture, source, changed, drawn } in stale {
            let (changed, drawn) = (&changed.compact()[..8], &drawn.compact()[..8]);
            self.tell(
                finding!(
                    Severity::Warning,
                    "diagram-stale",
                    format!("{directory}/{picture}"),
                    "it was drawn on {drawn}, and {source} changed on {changed}"
                )
                .remedy("draw it again from its source"),
            );
        }
    }

    fn finish(self, with_programs: bool) -> String {
        for (code, (_, worst, more)) in &self.counts {
            if *more > 0 {
                Finding::new(*worst, code.as_str(), format!("{more} more"), format!("{more} more of the same kind"))
                    .remedy("the table of the documents has each; raise `most` to have them told one by one")
                    .report();
            }
        }
        Metric::gauge("documentation_documents", self.documents as f64).report();
        Metric::gauge("documentation_dead_links", self.dead_links as f64).report();
        Metric::gauge("documentation_stale_diagrams", self.stale as f64).report();
        if let Some(days) = self.oldest {
            Metric::gauge("documentation_oldest_review_seconds", days * 86_400.0).report();
        }
        self.table.report();
        let commands = if with_programs { "" } else { "; commands were not looked at, since no `programs` are bound" };
        format!("{} of {} with faults{commands}", self.faulty, counted(self.documents, "document"))
    }
}

#[cfg(test)]
mod tests;
