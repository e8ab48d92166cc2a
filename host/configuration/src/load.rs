//! The configuration as a whole: its files, put together and checked against each other.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use hostler_manifest::did_you_mean;
use toml::de::{DeTable, DeValue};

use crate::{
    ConfigurationError, ConfigurationErrors, HostConfiguration, Place, ProcedureConfiguration, Resources,
    TaskConfiguration, Warning,
    place::Source,
    resources::{self, KINDS},
    section::{Section, in_words},
    syntax,
};

/// All that an operator wrote.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    /// The files, in the order in which they were read.
    pub files: Vec<PathBuf>,
    /// The host's own.
    pub host: HostConfiguration,
    /// The resources.
    pub resources: Resources,
    /// The tasks, by name.
    pub tasks: BTreeMap<String, TaskConfiguration>,
    /// The procedures, by name.
    pub procedures: BTreeMap<String, ProcedureConfiguration>,
    /// What holds, and might not have been meant.
    pub warnings: Vec<Warning>,
}

impl Configuration {
    /// Reads `path` and each `conf.d/*.toml` beside it, and checks everything that can be checked without a plugin.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the files' lines.
    pub fn load(path: &Path) -> Result<Self, ConfigurationErrors> {
        let mut errors = Vec::new();
        let sources = read_files(path, &mut errors);
        let mut configuration = Self::default();
        let mut whole = errors.is_empty();
        let mut collected = Collected::default();
        for source in &sources {
            let before = errors.len();
            let table = syntax::parse(source, &mut errors);
            whole &= errors.len() == before;
            collected.add(source, table, &mut errors);
        }
        configuration.files = sources.iter().map(|source| source.path.clone()).collect();
        let mut found = Vec::new();
        configuration.fill(collected, &mut found);
        // What is missing in a file that could not be read whole may be in the part that was not read.
        let mending = |error: &ConfigurationError| {
            use ConfigurationError as Error;
            matches!(error, Error::UnknownTask { .. } | Error::UnknownResource { .. } | Error::MissingKey { .. })
        };
        errors.extend(found.into_iter().filter(|error| whole || !mending(error)));
        if errors.is_empty() {
            return Ok(configuration);
        }
        errors.sort_by_key(|error| {
            let file = error.place().and_then(|place| sources.iter().position(|source| source.path == place.file));
            (file, error.place().map(|place| place.line))
        });
        errors.dedup();
        Err(ConfigurationErrors(errors))
    }

    fn fill(&mut self, collected: Collected<'_>, errors: &mut Vec<ConfigurationError>) {
        if let Some(section) = collected.host
            && let Some(host) = HostConfiguration::read(&section, errors)
        {
            self.host = host;
        }
        let mut declared = Vec::new();
        let (mut tasks, mut procedures) = (Vec::new(), Vec::new());
        for (kind, name, section) in collected.named {
            match kind {
                "tasks" => tasks.push((name, section)),
                "procedures" => procedures.push((name, section)),
                kind => {
                    declared.push(format!("{kind}.{name}"));
                    if let Some(resource) = resources::read(kind, &section, errors, &mut self.warnings) {
                        self.resources.insert(&name, resource);
                    }
                }
            }
        }
        let names: Vec<String> = tasks.iter().map(|(name, _)| name.clone()).collect();
        for (name, section) in tasks {
            if let Some(task) = TaskConfiguration::read(&name, &section, &self.resources, &declared, errors) {
                self.tasks.insert(name, task);
            }
        }
        for (name, section) in procedures {
            if names.contains(&name) {
                errors.push(ConfigurationError::Value {
                    place: section.place(),
                    key: section.path.clone(),
                    problem: "has the name of a task, and `hostler run` could not tell them apart".into(),
                });
            }
            let (zone, warnings) = (&self.host.time_zone, &mut self.warnings);
            if let Some(procedure) = ProcedureConfiguration::read(&name, &section, &names, zone, errors, warnings) {
                self.procedures.insert(name, procedure);
            }
        }
    }
}

/// The tables of all files, by name.
#[derive(Default)]
struct Collected<'i> {
    host: Option<Section<'i>>,
    named: Vec<(&'static str, String, Section<'i>)>,
}

impl<'i> Collected<'i> {
    fn add(&mut self, source: &'i Source, table: DeTable<'i>, errors: &mut Vec<ConfigurationError>) {
        for (key, value) in table {
            let (place, name) = (source.place(&key.span()), key.get_ref().to_string());
            let Some(kind) = SECTIONS.iter().find(|section| **section == name).copied() else {
                let meant = did_you_mean(&name, SECTIONS).map(str::to_owned);
                let known = SECTIONS.iter().map(|section| (*section).to_owned()).collect();
                errors.push(ConfigurationError::UnknownKey { place, key: name, meant, known });
                continue;
            };
            let DeValue::Table(table) = value.into_inner() else {
                let written = if kind == "host" { "[host]".to_owned() } else { format!("[{kind}.NAME]") };
                let problem = format!("has to be a table, written {written}");
                errors.push(ConfigurationError::Value { place, key: name, problem });
                continue;
            };
            let whole = Section { path: kind.into(), span: key.span(), table, source };
            if kind != "host" {
                self.add_named(kind, &whole, errors);
            } else if let Some(earlier) = &self.host {
                errors.push(ConfigurationError::Twice { key: name, first: earlier.place(), second: place });
            } else {
                self.host = Some(whole);
            }
        }
    }

    fn add_named(&mut self, kind: &'static str, whole: &Section<'i>, errors: &mut Vec<ConfigurationError>) {
        for (key, value) in &whole.table {
            let name = key.get_ref().to_string();
            let place = whole.source.place(&key.span());
            let path = format!("{kind}.{name}");
            let DeValue::Table(table) = value.get_ref() else {
                let found = in_words(value.get_ref()).to_owned();
                let expected = format!("a table with a name, written [{kind}.NAME]");
                errors.push(ConfigurationError::WrongType { place, key: path, expected, found });
                continue;
            };
            if !crate::is_name(&name) {
                let problem = "is no name: use up to 64 lower-case letters, digits, hyphens and underscores".into();
                errors.push(ConfigurationError::Value { place, key: path, problem });
                continue;
            }
            let section = Section { path, span: key.span(), table: table.clone(), source: whole.source };
            let same = |(other, earlier, _): &&(&str, String, Section<'_>)| *other == kind && *earlier == name;
            if let Some((_, _, earlier)) = self.named.iter().find(same) {
                let (key, first) = (section.path, earlier.place());
                errors.push(ConfigurationError::Twice { key, first, second: place });
                continue;
            }
            self.named.push((kind, name, section));
        }
    }
}

const SECTIONS: [&str; 8] = ["host", KINDS[0], KINDS[1], KINDS[2], KINDS[3], KINDS[4], "tasks", "procedures"];

/// The main file and those of `conf.d` beside it, by name.
fn read_files(path: &Path, errors: &mut Vec<ConfigurationError>) -> Vec<Source> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut sources = Vec::new();
    sources.extend(read_file(path.clone(), errors));
    let directory = path.with_file_name("conf.d");
    let mut parts = Vec::new();
    match fs::read_dir(&directory) {
        Ok(entries) => {
            for entry in entries {
                match entry {
                    Ok(entry) => parts.push(entry.path()),
                    Err(error) => errors.push(unreadable(directory.clone(), &error)),
                }
            }
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
        Err(error) => errors.push(unreadable(directory, &error)),
    }
    let is_part = |part: &PathBuf| {
        let hidden = part.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !hidden && part.extension().is_some_and(|extension| extension == "toml")
    };
    parts.retain(is_part);
    parts.sort();
    for part in parts {
        sources.extend(read_file(part, errors));
    }
    sources
}

fn read_file(path: PathBuf, errors: &mut Vec<ConfigurationError>) -> Option<Source> {
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            errors.push(ConfigurationError::Missing { path });
            return None;
        }
        Err(error) => {
            errors.push(unreadable(path, &error));
            return None;
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => Some(Source { path, text }),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let line = 1 + error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count();
            let problem = "a byte there is not UTF-8".into();
            errors.push(ConfigurationError::Syntax { place: Place { file: path, line }, problem });
            None
        }
    }
}

fn unreadable(path: PathBuf, error: &io::Error) -> ConfigurationError {
    ConfigurationError::Unreadable { path, problem: error.to_string() }
}
