//! The list of controls as its owners write it, in TOML.
//!
//! A mistake in it would let a control hold that nobody asked for, so that each key is known or refused, with the file, the
//! line and the key: a list that is not whole is not evaluated at all.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range as Span;

use hostler_sdk::prelude::*;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What has to hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Control {
    pub id: String,
    pub summary: String,
    pub what: What,
}

/// A file below a bound directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub directory: String,
    pub below: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    File { path: Place, absent: bool, mode: Option<u32>, owner: Option<String>, group: Option<String> },
    Line { path: Place, line: String, absent: bool },
    Postgres { setting: String, database: Option<String>, expected: Expected },
    Sshd { setting: String, expected: Expected },
    Package { name: String, absent: bool },
    Service { name: String, off: bool },
}

/// What a value has to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Expected {
    pub equals: Vec<String>,
    pub at_least: Option<f64>,
    pub at_most: Option<f64>,
}

/// Who lets a control fail, why, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiver {
    pub owner: String,
    pub reason: String,
    /// The last day, and its end.
    pub day: String,
    pub until: Timestamp,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct List {
    pub controls: Vec<Control>,
    /// By the control.
    pub waivers: BTreeMap<String, Waiver>,
}

impl List {
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, TaskError> {
        let source = Source { file, text };
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().unwrap_or_default();
            source.wrong(&line, error.message())
        })?;
        let mut list = Self::default();
        let (mut ids, mut waivers) = (BTreeSet::new(), vec![]);
        for (key, value) in table.get_ref() {
            let name: &str = key.get_ref();
            if !["control", "waiver"].contains(&name) {
                let known = "there are [[control]] and [[waiver]]";
                return Err(source.wrong(&key.span(), &format!("`{name}` means nothing here: {known}")));
            }
            let Some(items) = value.get_ref().as_array() else {
                return Err(source.wrong(&value.span(), &format!("`{name}` has to be written as [[{name}]]")));
            };
            for item in items.iter() {
                let mut entry = Entry::new(&source, name, item)?;
                if name == "waiver" {
                    waivers.push((entry.required("control")?, entry.waiver()?, item.span()));
                } else {
                    let control = entry.control()?;
                    if !ids.insert(control.id.clone()) {
                        return Err(entry.wrong("id", "is that of another control too"));
                    }
                    list.controls.push(control);
                }
                entry.finish()?;
            }
        }
        if list.controls.is_empty() {
            return Err(TaskError::new(format!("{file} has no control: nothing would be held to it"))
                .remedy("write at least one [[control]]"));
        }
        for (control, waiver, span) in waivers {
            if !ids.contains(&control) {
                return Err(source.wrong(&span, &format!("waiver: control: there is no control `{control}`")));
            }
            if list.waivers.insert(control.clone(), waiver).is_some() {
                return Err(source.wrong(&span, &format!("waiver: control: `{control}` is waived twice")));
            }
        }
        Ok(list)
    }
}

struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn wrong(&self, span: &Span<usize>, what: &str) -> TaskError {
        let line = self.text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1;
        TaskError::new(format!("{}:{line}: {what}", self.file)).remedy("mend the list; no control of it was evaluated")
    }
}

/// One `[[control]]` or `[[waiver]]`, whose keys are taken out one by one.
struct Entry<'a> {
    source: &'a Source<'a>,
    /// `control` or `waiver`, with its name once that is known.
    name: String,
    span: Span<usize>,
    values: BTreeMap<&'a str, (Span<usize>, &'a Spanned<DeValue<'a>>)>,
    taken: BTreeMap<&'static str, Span<usize>>,
}

impl<'a> Entry<'a> {
    fn new(source: &'a Source<'a>, name: &str, item: &'a Spanned<DeValue<'a>>) -> Result<Self, TaskError> {
        let Some(table) = item.get_ref().as_table() else {
            return Err(source.wrong(&item.span(), &format!("`{name}` has to be written as [[{name}]]")));
        };
        let values = table.iter().map(|(key, value)| (key.get_ref().as_ref(), (key.span(), value))).collect();
        Ok(Self { source, name: name.to_owned(), span: item.span(), values, taken: BTreeMap::new() })
    }

    fn wrong(&self, key: &str, what: &str) -> TaskError {
        let span = self.taken.get(key).or_else(|| self.values.get(key).map(|(span, _)| span)).unwrap_or(&self.span);
        self.source.wrong(span, &format!("{}: {key} {what}", self.name))
    }

    fn take(&mut self, key: &'static str) -> Option<&'a DeValue<'a>> {
        let (span, value) = self.values.remove(key)?;
        self.taken.insert(key, span);
        Some(value.get_ref())
    }

    fn text(&mut self, key: &'static str) -> Result<Option<String>, TaskError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match value.as_str().filter(|text| !text.trim().is_empty()) {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(self.wrong(key, &format!("has to be text, and is {}", described(value)))),
        }
    }

    fn required(&mut self, key: &'static str) -> Result<String, TaskError> {
        self.text(key)?.ok_or_else(|| self.wrong(key, "is missing"))
    }

    fn one_of(&mut self, key: &'static str, words: [&str; 2]) -> Result<Option<bool>, TaskError> {
        let Some(word) = self.text(key)? else { return Ok(None) };
        match words.iter().position(|one| *one == word) {
            Some(place) => Ok(Some(place == 0)),
            None => Err(self.wrong(key, &format!("has to be \"{}\" or \"{}\", and is \"{word}\"", words[0], words[1]))),
        }
    }

    fn number(&mut self, key: &'static str) -> Result<Option<f64>, TaskError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let text =
            value.as_integer().map(|number| number.as_str()).or_else(|| value.as_float().map(|number| number.as_str()));
        match text.and_then(|text| text.replace('_', "").parse::<f64>().ok()).filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(key, &format!("has to be a number, and is {}", described(value)))),
        }
    }

    fn place(&mut self) -> Result<Place, TaskError> {
        let path = self.required("path")?;
        match path.split_once('/') {
            Some((directory, below))
                if !directory.is_empty() && !below.is_empty() && !below.split('/').any(|part| part == "..") =>
            {
                Ok(Place { directory: directory.to_owned(), below: below.to_owned() })
            }
            _ => {
                Err(self
                    .wrong("path", "has to begin with the name of a bound directory, such as \"etc/ssh/sshd_config\""))
            }
        }
    }

    fn expected(&mut self) -> Result<Expected, TaskError> {
        let mut expected =
            Expected { equals: vec![], at_least: self.number("at_least")?, at_most: self.number("at_most")? };
        expected.equals.extend(self.text("equals")?);
        if let Some(value) = self.take("one_of") {
            let texts: Option<Vec<String>> = value
                .as_array()
                .map(|items| items.iter().filter_map(|item| item.get_ref().as_str().map(str::to_owned)).collect());
            let whole = value.as_array().map(|items| items.len());
            match texts.filter(|texts| !texts.is_empty() && Some(texts.len()) == whole) {
                Some(texts) => expected.equals.extend(texts),
                None => return Err(self.wrong("one_of", "has to be a list of texts")),
            }
        }
        if expected == Expected::default() {
            return Err(self.wrong("equals", "is missing: write equals, one_of, at_least or at_most"));
        }
        Ok(expected)
    }

    fn control(&mut self) -> Result<Control, TaskError> {
        let id = self.required("id")?;
        if !id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            return Err(self.wrong("id", "has to be of lower-case letters, digits and hyphens"));
        }
        self.name = format!("control `{id}`");
        let summary = self.required("summary")?;
        let kind = self.required("kind")?;
        let what = match kind.as_str() {
            "file" => self.file()?,
            "line" => What::Line {
                path: self.place()?,
                line: self.required("line")?,
                absent: self.one_of("state", ["absent", "present"])?.unwrap_or(false),
            },
            "postgres" => What::Postgres {
                setting: self.required("setting")?.to_lowercase(),
                database: self.text("database")?,
                expected: self.expected()?,
            },
            "sshd" => What::Sshd { setting: self.required("setting")?.to_lowercase(), expected: self.expected()? },
            "package" => {
                let absent = self.one_of("state", ["absent", "present"])?;
                What::Package {
                    name: self.required("name")?,
                    absent: absent.ok_or_else(|| self.wrong("state", "is missing"))?,
                }
            }
            "service" => {
                let off = self.one_of("state", ["off", "on"])?;
                let name = self.required("name")?;
                if name.starts_with('-') || name.contains(char::is_whitespace) {
                    return Err(self.wrong("name", "is no unit's name"));
                }
                What::Service { name, off: off.ok_or_else(|| self.wrong("state", "is missing"))? }
            }
            _ => return Err(self.wrong("kind", "has to be file, line, postgres, sshd, package or service")),
        };
        Ok(Control { id, summary, what })
    }

    fn file(&mut self) -> Result<What, TaskError> {
        let path = self.place()?;
        let absent = self.one_of("state", ["absent", "present"])?;
        let mode = match self.text("mode")? {
            None => None,
            Some(text) => {
                let octal = (3..=4).contains(&text.len()).then(|| u32::from_str_radix(&text, 8).ok()).flatten();
                Some(octal.ok_or_else(|| self.wrong("mode", "has to be octal digits in quotes, such as \"0640\""))?)
            }
        };
        let (owner, group) = (self.text("owner")?, self.text("group")?);
        let nothing = mode.is_none() && owner.is_none() && group.is_none();
        if absent == Some(true) && !nothing {
            return Err(self.wrong("state", "is absent: then there is no mode, owner or group to hold it to"));
        }
        if absent.is_none() && nothing {
            return Err(self.wrong("mode", "is missing: write mode, owner, group or state"));
        }
        Ok(What::File { path, absent: absent.unwrap_or(false), mode, owner, group })
    }

    fn waiver(&mut self) -> Result<Waiver, TaskError> {
        let (owner, reason) = (self.required("owner")?, self.required("reason")?);
        let value = self.take("until");
        let date =
            value.and_then(|value| value.as_datetime()).filter(|time| time.time.is_none()).and_then(|time| time.date);
        let Some(date) = date else {
            return Err(self.wrong("until", "has to be the last day, without quotes, such as 2027-06-30"));
        };
        let day = date.to_string();
        let until = Timestamp::from_day(&day).ok_or_else(|| self.wrong("until", "is no day"))?.end_of_day();
        Ok(Waiver { owner, reason, day, until })
    }

    fn finish(self) -> Result<(), TaskError> {
        match self.values.keys().next() {
            None => Ok(()),
            Some(key) => Err(self.wrong(key, "means nothing for this kind")),
        }
    }
}

fn described(value: &DeValue<'_>) -> String {
    match value.as_str() {
        Some(_) => "empty".into(),
        None => format!("a value of type {}", value.type_str()),
    }
}
