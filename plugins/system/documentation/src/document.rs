//! One document: what it says of itself, and what is wrong with it.

use std::collections::BTreeSet;

use hostler_sdk::listed;
use hostler_sdk::prelude::*;

use crate::{
    Settings,
    commands::commands,
    fences::{Open, Parts},
    front::{Front, Reviewed},
    links::{Leads, leads, links},
};

/// What a document is held against.
pub struct Surroundings<'s> {
    /// Every path of its tree.
    pub there: &'s BTreeSet<String>,
    /// The programs of the machine; nothing where nobody said where they are.
    pub programs: Option<&'s BTreeSet<String>>,
    /// When git saw it change last.
    pub changed: Option<Timestamp>,
    pub now: Timestamp,
}

/// What one document came to.
#[derive(Debug, Default)]
pub struct Document {
    pub owner: Option<String>,
    /// Days since somebody looked at it, where that is known.
    pub days: Option<f64>,
    pub dead_links: usize,
    pub faults: Vec<Finding>,
}

/// Places of a document that a finding names.
const NAMED: usize = 5;

impl Document {
    /// Looks at the text of the document at `path`, called `subject`.
    pub fn look(path: &str, subject: &str, text: &str, around: &Surroundings<'_>, settings: &Settings) -> Self {
        let front = Front::read(text);
        let parts = Parts::read(text);
        let mut document = Self { owner: front.owner.clone(), ..Self::default() };
        document.review(subject, front.reviewed, around, settings);
        if settings.require_owner && document.owner.is_none() {
            document.faults.push(
                finding!(Severity::Warning, "owner-missing", subject, "it names no owner: nobody knows whom to ask")
                    .remedy("---\nowner: NAME\nlast-reviewed: YYYY-MM-DD\n---    # at the beginning of the file"),
            );
        }
        document.links(path, subject, &parts, around);
        document.faults.extend(fences(subject, &parts.open));
        if let Some(programs) = around.programs {
            document.faults.extend(missing(subject, &parts, programs));
        }
        document
    }

    fn review(&mut self, subject: &str, reviewed: Reviewed, around: &Surroundings<'_>, settings: &Settings) {
        let (at, how) = match (reviewed, around.changed) {
            (Reviewed::On(day), _) if day.0 <= around.now.0 => (day, "reviewed"),
            (Reviewed::On(_) | Reviewed::NotUnderstood, _) => {
                self.faults.push(
                    finding!(
                        Severity::Unknown,
                        "date-not-understood",
                        subject,
                        "the day of its review is no day of the past"
                    )
                    .remedy("write it as last-reviewed: YYYY-MM-DD"),
                );
                return;
            }
            (Reviewed::Silent, Some(changed)) => (changed, "changed"),
            (Reviewed::Silent, None) => {
                self.faults.push(
                    finding!(Severity::Unknown, "review-unknown", subject, "nothing says when it was reviewed")
                        .remedy("write last-reviewed: YYYY-MM-DD into its front matter, or bind `git` to the task"),
                );
                return;
            }
        };
        let days = at.until(around.now).as_days().floor();
        self.days = Some(days);
        let (severity, limit) = judged(days, &settings.review_warning, &settings.review_critical, Measure::Plain);
        if severity != Severity::Ok {
            let day = &at.compact()[..8];
            self.faults.push(
                finding!(
                    severity,
                    "review-overdue",
                    subject,
                    "last {how} on {day}, {} ago{limit}",
                    counted(days, "day")
                )
                .remedy("read it, mend what is no longer so, and write today as last-reviewed into its front matter"),
            );
        }
    }

    fn links(&mut self, path: &str, subject: &str, parts: &Parts, around: &Surroundings<'_>) {
        let (mut dead, mut outside) = (vec![], vec![]);
        for link in links(&parts.prose) {
            let told = format!("line {}: {}", link.line, link.target);
            match leads(path, &link.target, around.there) {
                Leads::Well => {}
                Leads::Nowhere => dead.push(told),
                Leads::Outside => outside.push(told),
            }
        }
        self.dead_links = dead.len();
        if !dead.is_empty() {
            self.faults.push(
                finding!(
                    Severity::Warning,
                    "link-dead",
                    subject,
                    "{} to nothing: {}",
                    links_lead(dead.len()),
                    listed(&dead, NAMED)
                )
                .remedy("mend the links, or take them out"),
            );
        }
        if !outside.is_empty() {
            self.faults.push(
                finding!(
                    Severity::Unknown,
                    "link-outside",
                    subject,
                    "{} out of the directory, where nothing can be looked at: {}",
                    links_lead(outside.len()),
                    listed(&outside, NAMED)
                )
                .remedy("bind the directory above as `documents`"),
            );
        }
    }
}

fn links_lead(count: usize) -> String {
    format!("{} {}", counted(count, "link"), agreed(count, "leads", "lead"))
}

fn fences(subject: &str, open: &[Open]) -> Option<Finding> {
    let first = open.first()?;
    let places: Vec<String> = open
        .iter()
        .map(|open| match open.instead {
            Some(line) => {
                format!("line {} (marks with a word behind them on line {line} begin a fence, and end none)", open.line)
            }
            None => format!("line {}", open.line),
        })
        .collect();
    let (fences, verb) = (counted(open.len(), "code fence"), agreed(open.len(), "does", "do"));
    let line = first.instead.unwrap_or(first.line);
    Some(
        finding!(
            Severity::Warning,
            "fence-not-closed",
            subject,
            "{fences} {verb} not close: {}",
            listed(&places, NAMED)
        )
        .remedy(format!("sed -n '{line}p' {subject}    # end each fence with its marks alone")),
    )
}

fn missing(subject: &str, parts: &Parts, programs: &BTreeSet<String>) -> Option<Finding> {
    let named = parts.blocks.iter().flat_map(commands).filter(|command| !programs.contains(&command.name));
    let mut seen = BTreeSet::new();
    let missing: Vec<String> = named
        .filter(|command| seen.insert(command.name.clone()))
        .map(|command| format!("{} (line {})", command.name, command.line))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let (commands, verb) = (counted(missing.len(), "command"), agreed(missing.len(), "is", "are"));
    Some(
        finding!(
            Severity::Warning,
            "command-missing",
            subject,
            "{commands} of it {verb} not on this machine: {}",
            listed(&missing, NAMED)
        )
        .remedy("install what it needs, or write down what is used today"),
    )
}
