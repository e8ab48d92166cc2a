//! Stacks with their time, from V8's profiles and from folded stacks, and what is hot in them.
//!
//! Time in which the process waited is left out: what is asked is what it does when it works.

use std::collections::{BTreeMap, HashMap};

use hostler_sdk::prelude::*;

/// Of V8's own: waiting.
const IDLE: &str = "(idle)";
/// The first node of V8's profiles.
const ROOT: &str = "(root)";

/// One function below those that called it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Frame {
    pub name: String,
    /// File and line; empty where nobody knows.
    pub place: String,
    /// Time in the function itself.
    pub own: f64,
    /// With all that it called.
    pub total: f64,
    pub children: Vec<usize>,
}

/// Frames, each behind the one that called it; the first is the root.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Stacks {
    pub frames: Vec<Frame>,
    /// Samples that were at work.
    pub samples: u64,
    /// Whether times are seconds, or counts of samples.
    pub seconds: bool,
}

/// A function, wherever it was called from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hot {
    pub name: String,
    pub place: String,
    pub own: f64,
    pub total: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    nodes: Vec<Node>,
    #[serde(default)]
    samples: Vec<u64>,
    #[serde(default)]
    time_deltas: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: u64,
    call_frame: CallFrame,
    #[serde(default)]
    children: Vec<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallFrame {
    function_name: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    line_number: i64,
}

impl Stacks {
    /// Reads what was written, whichever of the two it is.
    pub(crate) fn parse(text: &str) -> Result<Self, TaskError> {
        if text.trim_start().starts_with('{') { Self::of_profile(text) } else { Self::of_folded(text) }
    }

    fn of_profile(text: &str) -> Result<Self, TaskError> {
        let profile: Profile = serde_json::from_str(text)?;
        let nodes: HashMap<u64, &Node> = profile.nodes.iter().map(|node| (node.id, node)).collect();
        let (mut own, mut samples): (HashMap<u64, f64>, u64) = (HashMap::new(), 0);
        for (sample, microseconds) in profile.samples.iter().zip(&profile.time_deltas) {
            if nodes.get(sample).is_some_and(|node| node.call_frame.function_name != IDLE) {
                *own.entry(*sample).or_default() += microseconds.max(0.0) / 1e6;
                samples += 1;
            }
        }
        let root = profile.nodes.first().ok_or_else(|| TaskError::new("the profile has no stacks"))?;
        let mut stacks = Self { frames: vec![Frame::default()], samples, seconds: true };
        // A child is named once: were a damaged profile to name one twice, its tree would never end.
        let mut seen = 0;
        let mut open = vec![(root.id, 0)];
        while let Some((id, above)) = open.pop() {
            let Some(node) = nodes.get(&id) else { continue };
            seen += 1;
            if seen > profile.nodes.len() {
                return Err(TaskError::new("the profile's stacks go round in a circle"));
            }
            let place = if node.call_frame.function_name == ROOT {
                0
            } else {
                stacks.below(above, &named(&node.call_frame.function_name), &node.call_frame.place())
            };
            stacks.frames[place].own += own.get(&id).copied().unwrap_or_default();
            open.extend(node.children.iter().map(|child| (*child, place)));
        }
        stacks.add_up();
        Ok(stacks)
    }

    /// One stack a line, functions with `;` between them, and how often it was seen.
    fn of_folded(text: &str) -> Result<Self, TaskError> {
        let mut stacks = Self { frames: vec![Frame::default()], ..Self::default() };
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let parts =
                line.trim_end().rsplit_once(' ').and_then(|(stack, count)| Some((stack, count.parse::<u64>().ok()?)));
            let Some((stack, count)) = parts else {
                let line: String = line.chars().take(60).collect();
                return Err(TaskError::new(format!("{line:?} is no stack with a count")));
            };
            let mut above = 0;
            for name in stack.split(';') {
                above = stacks.below(above, &named(name), "");
            }
            stacks.frames[above].own += count as f64;
            stacks.samples += count;
        }
        stacks.add_up();
        Ok(stacks)
    }

    /// The frame of a function called by another, made where it is not there yet.
    fn below(&mut self, above: usize, name: &str, place: &str) -> usize {
        let known = self.frames[above].children.iter().copied();
        let mut known = known.filter(|&child| self.frames[child].name == name && self.frames[child].place == place);
        if let Some(known) = known.next() {
            return known;
        }
        let made = self.frames.len();
        self.frames.push(Frame { name: name.into(), place: place.into(), ..Frame::default() });
        self.frames[above].children.push(made);
        made
    }

    /// Who is called stands behind who calls, so that one pass from the end adds all up.
    fn add_up(&mut self) {
        for place in (0..self.frames.len()).rev() {
            let below: f64 = self.frames[place].children.iter().map(|&child| self.frames[child].total).sum();
            self.frames[place].total = self.frames[place].own + below;
        }
    }

    /// All the time.
    pub(crate) fn total(&self) -> f64 {
        self.frames.first().map_or(0.0, |root| root.total)
    }

    /// Functions by the time in themselves. One that calls itself counts once in its total.
    pub(crate) fn hottest(&self) -> Vec<Hot> {
        type Function<'s> = (&'s str, &'s str);
        let mut found: BTreeMap<Function<'_>, (f64, f64)> = BTreeMap::new();
        let mut under: HashMap<Function<'_>, usize> = HashMap::new();
        let mut open = vec![(0, true)];
        while let Some((place, enters)) = open.pop() {
            let frame = &self.frames[place];
            let function = (frame.name.as_str(), frame.place.as_str());
            let depth = under.entry(function).or_default();
            if !enters {
                *depth -= 1;
                continue;
            }
            if place > 0 {
                let (own, total) = found.entry(function).or_default();
                *own += frame.own;
                if *depth == 0 {
                    *total += frame.total;
                }
            }
            *depth += 1;
            open.push((place, false));
            open.extend(frame.children.iter().map(|&child| (child, true)));
        }
        let mut hot: Vec<Hot> = found
            .into_iter()
            .map(|((name, place), (own, total))| Hot { name: name.into(), place: place.into(), own, total })
            .collect();
        hot.sort_by(|one, other| other.own.total_cmp(&one.own).then_with(|| other.total.total_cmp(&one.total)));
        hot
    }
}

impl CallFrame {
    /// The file's last parts and the line, which V8 counts from 0.
    fn place(&self) -> String {
        if self.url.is_empty() {
            return String::new();
        }
        let line = self.line_number + 1;
        let path = match self.url.strip_prefix("file://") {
            Some(path) => path,
            None if self.url.starts_with('/') => &self.url,
            // node's own, and what was loaded from elsewhere.
            None => return format!("{}:{line}", self.url),
        };
        let parts: Vec<&str> = path.rsplit('/').take(3).collect();
        let parts: Vec<&str> = parts.into_iter().rev().collect();
        format!("{}:{line}", parts.join("/").trim_start_matches('/'))
    }
}

fn named(name: &str) -> String {
    if name.trim().is_empty() { "(anonymous)".into() } else { name.trim().chars().take(120).collect() }
}
