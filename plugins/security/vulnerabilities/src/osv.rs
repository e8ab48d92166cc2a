//! Advisories in the OSV format, and which versions one is about.
//!
//! The rules are those of the format's specification: an explicit version, or a place between the events of a range, read
//! in the order of the ecosystem's own versions. Ranges of commits say nothing about a release and are left out.

use std::cmp::Ordering;

use hostler_sdk::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::cvss;
use crate::ecosystem::Ecosystem;

/// How bad an advisory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Low,
    Medium,
    High,
    Critical,
}

impl Level {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "low" | "negligible" | "unimportant" | "info" | "none" => Self::Low,
            "medium" | "moderate" => Self::Medium,
            "high" | "important" => Self::High,
            "critical" => Self::Critical,
            _ => return None,
        })
    }

    pub(crate) fn of_score(score: f64) -> Self {
        match score {
            score if score >= 9.0 => Self::Critical,
            score if score >= 7.0 => Self::High,
            score if score >= 4.0 => Self::Medium,
            _ => Self::Low,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// One advisory.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Advisory {
    pub(crate) id: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) upstream: Vec<String>,
    pub(crate) modified: String,
    pub(crate) withdrawn: Option<String>,
    pub(crate) summary: String,
    pub(crate) details: String,
    pub(crate) severity: Vec<Score>,
    pub(crate) affected: Vec<Affected>,
    pub(crate) database_specific: Value,
}

/// A vector.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Score {
    #[serde(rename = "type")]
    kind: String,
    score: String,
}

/// What it is about.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Affected {
    pub(crate) package: Name,
    ranges: Vec<Range>,
    versions: Vec<String>,
    severity: Vec<Score>,
    database_specific: Value,
    ecosystem_specific: Value,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Name {
    pub(crate) ecosystem: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Range {
    #[serde(rename = "type")]
    kind: String,
    events: Vec<Event>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Event {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
    limit: Option<String>,
}

/// An advisory that a version has.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hit {
    /// The least version that does not have it any more.
    pub(crate) fixed: Option<String>,
    pub(crate) level: Option<Level>,
}

impl Advisory {
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.id).chain(&self.aliases).chain(&self.upstream).map(String::as_str)
    }

    /// One line of what it says.
    pub(crate) fn title(&self) -> &str {
        let text = if self.summary.trim().is_empty() { &self.details } else { &self.summary };
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no summary");
        &line[..line.floor_char_boundary(160)]
    }

    /// When it was last modified.
    pub(crate) fn modified(&self) -> Option<Timestamp> {
        timestamp(&self.modified)
    }

    /// Whether a version has it.
    pub(crate) fn hits(&self, ecosystem: Ecosystem, release: Option<&str>, name: &str, version: &str) -> Option<Hit> {
        if self.withdrawn.is_some() {
            return None;
        }
        self.affected.iter().filter(|affected| affected.is_about(ecosystem, release, name)).find_map(|affected| {
            let fixed = affected.has(ecosystem, version)?;
            Some(Hit { fixed, level: self.level(affected) })
        })
    }

    /// Its base score, or its database's own word.
    fn level(&self, affected: &Affected) -> Option<Level> {
        let scores = self.severity.iter().chain(&affected.severity).filter(|score| score.kind == "CVSS_V3");
        let scored = scores.filter_map(|score| cvss::base_score(&score.score)).max_by(f64::total_cmp);
        let word = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).and_then(Level::parse);
        // RustSec tells abandoned crates as advisories: worth knowing, and no hole.
        if affected.database_specific.get("informational").is_some_and(Value::is_string) {
            return Some(Level::Low);
        }
        scored
            .map(Level::of_score)
            .or_else(|| word(&self.database_specific, "severity"))
            .or_else(|| word(&affected.database_specific, "severity"))
            .or_else(|| word(&affected.ecosystem_specific, "severity"))
            .or_else(|| word(&affected.ecosystem_specific, "urgency"))
            .or_else(|| word(&affected.database_specific, "urgency"))
    }
}

impl Affected {
    pub(crate) fn is_about(&self, ecosystem: Ecosystem, release: Option<&str>, name: &str) -> bool {
        let Some((own, own_release)) = Ecosystem::of(&self.package.ecosystem) else { return false };
        own == ecosystem
            && (own_release.is_none() || own_release == release)
            && ecosystem.normalise(&self.package.name) == name
    }

    /// The least fixed version where a version is affected; nothing where it is not.
    fn has(&self, ecosystem: Ecosystem, version: &str) -> Option<Option<String>> {
        let mut affected = None;
        for range in self.ranges.iter().filter(|range| matches!(range.kind.as_str(), "SEMVER" | "ECOSYSTEM")) {
            if range.has(ecosystem, version) {
                let fixed = range.fixed_after(ecosystem, version);
                affected = Some(affected.flatten().or(fixed));
            }
        }
        let listed =
            self.versions.iter().any(|one| one == version || ecosystem.compare(one, version) == Some(Ordering::Equal));
        if listed && affected.is_none() {
            let fixes = self.ranges.iter().filter_map(|range| range.fixed_after(ecosystem, version));
            affected = Some(least(ecosystem, fixes));
        }
        affected
    }
}

impl Range {
    fn has(&self, ecosystem: Ecosystem, version: &str) -> bool {
        let order = |one: &str| if one == "0" { Some(Ordering::Greater) } else { ecosystem.compare(version, one) };
        let at_least = |one: &str| order(one).is_some_and(|order| order != Ordering::Less);
        let mut events: Vec<&Event> = self.events.iter().collect();
        let place = |event: &Event| {
            event.introduced.clone().or(event.fixed.clone()).or(event.last_affected.clone()).unwrap_or_default()
        };
        events.sort_by(|one, other| match (place(one).as_str(), place(other).as_str()) {
            ("0", "0") => Ordering::Equal,
            ("0", _) => Ordering::Less,
            (_, "0") => Ordering::Greater,
            (one, other) => ecosystem.compare(one, other).unwrap_or(Ordering::Equal),
        });
        let mut affected = false;
        for event in &events {
            if let Some(introduced) = &event.introduced {
                affected |= at_least(introduced);
            }
            if let Some(fixed) = &event.fixed {
                affected &= !at_least(fixed);
            }
            if let Some(last) = &event.last_affected {
                affected &= order(last) != Some(Ordering::Greater);
            }
        }
        let limits: Vec<&String> = events.iter().filter_map(|event| event.limit.as_ref()).collect();
        let below = |limit: &String| limit == "*" || order(limit) == Some(Ordering::Less);
        affected && (limits.is_empty() || limits.into_iter().any(below))
    }

    fn fixed_after(&self, ecosystem: Ecosystem, version: &str) -> Option<String> {
        let fixes = self.events.iter().filter_map(|event| event.fixed.clone());
        least(ecosystem, fixes.filter(|fixed| ecosystem.compare(fixed, version) == Some(Ordering::Greater)))
    }
}

fn least(ecosystem: Ecosystem, versions: impl Iterator<Item = String>) -> Option<String> {
    versions.min_by(|one, other| ecosystem.compare(one, other).unwrap_or(Ordering::Equal))
}

/// `2024-01-31T12:00:00.5Z` as a time.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    let digits: String = text.get(..19)?.chars().filter(|letter| !"-:".contains(*letter)).collect();
    Timestamp::from_compact(&format!("{digits}Z"))
}
