//! What an operator approved, as lines of text: rights, rules, sockets. A line is what it says and no pattern, so that an
//! approval never covers more than was read; and it is text, so that it can be kept, compared and reviewed like a source.
//!
//! Nobody writes such a list by hand: the first run proposes it, keeps its proposal, and goes on telling what is new
//! beside it. As long as nobody approved anything, that itself is told: what was there before the first run may be just
//! what should not be.

use std::collections::BTreeSet;

use hostler_sdk::files;
use hostler_sdk::prelude::*;
use hostler_sdk::{Attachment, listed};
use serde::Serialize;

/// Many more lines than anybody reads.
const LARGEST: usize = 4 << 20;
/// Where the proposal is kept.
const KEY: &str = "proposed";

/// What is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    lines: BTreeSet<String>,
    origin: Origin,
    file: String,
}

/// Where the lines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Somebody approved them.
    Approved,
    /// The first run proposed them.
    Proposed,
    /// Nowhere: this is the first run.
    None,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    lines: BTreeSet<String>,
}

impl Baseline {
    /// The lines approved in the settings and in a file of the directory bound to `request`; where there are none, those
    /// that the first run proposed.
    ///
    /// # Errors
    /// Where the file is there and cannot be read: then nothing can be compared.
    pub async fn read(
        context: &Context,
        request: &str,
        file: &str,
        approved: Option<&[String]>,
    ) -> Result<Self, TaskError> {
        let text = match files::read(&context.directory(request).path(file), LARGEST).await {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.is_unbound() || error.is("ENOENT") => None,
            Err(error) => return Err(error.during(format!("reading the approved {file}"))),
        };
        if text.is_some() || approved.is_some() {
            return Ok(Self::approved(file, text.as_deref().unwrap_or_default(), approved.unwrap_or_default()));
        }
        let kept: Option<Kept> = context.state().get(KEY).await?;
        Ok(Self::proposed(file, kept.map(|kept| kept.lines)))
    }

    /// Lines that somebody approved: a file's text, and those of the settings.
    #[must_use]
    pub fn approved(file: &str, text: &str, settings: &[String]) -> Self {
        let written = text.lines().chain(settings.iter().map(String::as_str)).map(str::trim);
        let lines = written.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect();
        Self { lines, origin: Origin::Approved, file: file.into() }
    }

    /// Lines that an earlier run proposed.
    #[must_use]
    pub fn proposed(file: &str, lines: Option<BTreeSet<String>>) -> Self {
        let origin = if lines.is_some() { Origin::Proposed } else { Origin::None };
        Self { lines: lines.unwrap_or_default(), origin, file: file.into() }
    }

    /// Where the lines come from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether a line is among them.
    #[must_use]
    pub fn has(&self, line: &str) -> bool {
        self.lines.contains(line)
    }

    /// Whether a line is new: not among them, where there is something to compare with.
    #[must_use]
    pub fn is_new(&self, line: &str) -> bool {
        self.origin != Origin::None && !self.has(line)
    }

    /// Whether somebody approved a line.
    #[must_use]
    pub fn is_approved(&self, line: &str) -> bool {
        self.origin == Origin::Approved && self.has(line)
    }

    /// Lines that begin so and are no longer found. What was not looked at is not gone: `looked_at` says what was.
    pub fn gone<'a>(
        &'a self,
        found: &'a BTreeSet<String>,
        looked_at: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = &'a str> {
        self.lines.iter().map(String::as_str).filter(move |line| looked_at(line) && !found.contains(*line))
    }

    /// Keeps what the first run found as its proposal. `whole` says whether everything could be looked at: half a list
    /// would make the other half new.
    ///
    /// # Errors
    /// Where the state cannot be written.
    pub async fn keep(&self, context: &Context, found: &BTreeSet<String>, whole: bool) -> Result<(), TaskError> {
        if self.origin == Origin::None && whole {
            context.state().set(KEY, &Kept { lines: found.clone() }).await?;
        }
        Ok(())
    }

    /// Tells that nobody approved anything yet, with the list to approve; `faults` are written as comments, since they
    /// are better put right.
    pub fn report(&self, what: &str, found: &BTreeSet<String>, faults: &BTreeSet<String>) {
        if self.origin == Origin::Approved {
            return;
        }
        self.attach(found, faults);
        let count = found.len();
        let remedy = format!(
            "read the attached {0}, take out what should not be, and put it as {0} into the directory bound as \
             `baseline`, or its lines into `approved`",
            self.file
        );
        let first = self.origin == Origin::None;
        let summary = if first {
            format!("baseline proposed: {count} {what} found, which nobody has approved")
        } else {
            format!("{count} {what}, compared with the first run's, which nobody has approved")
        };
        Finding::new(
            Severity::Unknown,
            if first { "baseline-proposed" } else { "baseline-not-approved" },
            "baseline",
            summary,
        )
        .detail(listed(&found.iter().collect::<Vec<_>>(), 10))
        .remedy(remedy)
        .report();
    }

    /// Hands the list out, to be approved.
    pub fn attach(&self, found: &BTreeSet<String>, faults: &BTreeSet<String>) {
        let mut text = format!("# {}: what may be, a line each. Take out what should not be.\n", self.file);
        for line in found {
            text += line;
            text.push('\n');
        }
        if !faults.is_empty() {
            text += "\n# Better put right than approved; without the # a line is approved all the same.\n";
        }
        for line in faults {
            text += &format!("# {line}\n");
        }
        Attachment { name: self.file.clone(), media_type: "text/plain".into(), content: text.into_bytes() }.report();
    }
}

/// Text as one line may carry it: control characters are escaped, so that none ends it.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_sdk::testing;

    fn lines(lines: &[&str]) -> BTreeSet<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn an_approval_covers_its_own_line_alone() {
        let baseline = Baseline::approved("a.txt", "# comment\n\n  rule /bin/x *  \n", &["rule b".into()]);
        assert!(baseline.has("rule /bin/x *") && baseline.has("rule b"));
        assert!(baseline.is_new("rule /bin/x *, /bin/sh") && !baseline.is_approved("# comment"));
        let found = lines(&["rule b", "other a"]);
        assert_eq!(baseline.gone(&found, |_| true).collect::<Vec<_>>(), ["rule /bin/x *"]);
        assert_eq!(baseline.gone(&found, |line| !line.starts_with("rule")).count(), 0);
        assert!(testing::record(|| baseline.report("rights", &found, &lines(&[]))).findings.is_empty());
    }

    #[test]
    fn the_first_run_proposes_and_later_ones_tell_what_is_new_beside_it() {
        let first = Baseline::proposed("a.txt", None);
        assert!(!first.is_new("rule a") && !first.is_approved("rule a"));
        let recorded = testing::record(|| first.report("rights", &lines(&["rule a"]), &lines(&["fault b"])));
        assert_eq!(recorded.told(), [("baseline-proposed", "baseline", Severity::Unknown)]);
        let text = String::from_utf8(recorded.attachments[0].content.clone()).expect("text");
        assert!(text.contains("\nrule a\n") && text.contains("\n# fault b\n"), "{text}");
        // What was handed out is what is read again, and the faults in it are not approved.
        let approved = Baseline::approved("a.txt", &text, &[]);
        assert!(approved.is_approved("rule a") && !approved.has("fault b"));
        let second = Baseline::proposed("a.txt", Some(lines(&["rule a"])));
        assert!(second.is_new("rule b") && !second.is_new("rule a") && !second.is_approved("rule a"));
        let recorded = testing::record(|| second.report("rights", &lines(&["rule a"]), &lines(&[])));
        assert_eq!(recorded.told(), [("baseline-not-approved", "baseline", Severity::Unknown)]);
    }

    #[test]
    fn a_name_cannot_end_its_line() {
        assert_eq!(one_line("a\nb\u{1b}"), "a\\nb\\u{1b}");
    }
}
