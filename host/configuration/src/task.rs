//! `[tasks.NAME]`: a plugin with its settings, each of its requests bound to a resource.

use std::{collections::BTreeMap, fmt, ops::Range, time::Duration};

use hostler_manifest::did_you_mean;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};
use toml::{Spanned, de::DeValue};

use crate::{
    ConfigurationError, LimitsConfiguration, Narrowing, Place, Resource, Resources, Target, Window,
    section::{Section, in_words},
};

/// A task, as `[tasks.NAME]` writes it.
#[derive(Clone, PartialEq)]
pub struct TaskConfiguration {
    /// Its name.
    pub name: String,
    /// The plugin's name in the registry.
    pub plugin: String,
    /// What is bound to each request.
    pub bindings: BTreeMap<String, BindConfiguration>,
    /// The settings that are written; the plugin's manifest has the others.
    pub settings: Map<String, Value>,
    /// Where each setting is written.
    pub setting_places: BTreeMap<String, Place>,
    /// Limits that are not the host's own.
    pub limits: LimitsConfiguration,
    /// The wall time after which it is stopped.
    pub timeout: Option<Duration>,
    /// The hours in which it may change something.
    pub window: Option<Window>,
    /// Whether procedures run it.
    pub enabled: bool,
    /// Where it is written; nowhere, if it was given at the command line.
    pub place: Option<Place>,
}

impl fmt::Debug for TaskConfiguration {
    /// Without the settings' values: which of them are secret, only the manifest says.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TaskConfiguration")
            .field("name", &self.name)
            .field("plugin", &self.plugin)
            .field("bindings", &self.bindings)
            .field("settings", &self.settings.keys().collect::<Vec<_>>())
            .field("limits", &self.limits)
            .field("timeout", &self.timeout)
            .field("window", &self.window)
            .field("enabled", &self.enabled)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// What is bound to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct BindConfiguration {
    /// The resources, all of one kind.
    pub targets: Vec<Target>,
    /// What of the request is granted; all of it, where nothing is written.
    pub narrowing: Option<Narrowing>,
    /// Where it is written.
    pub place: Option<Place>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    plugin: String,
    #[serde(default, rename = "bind")]
    _bind: Option<IgnoredAny>,
    #[serde(default, rename = "settings")]
    _settings: Option<IgnoredAny>,
    #[serde(default)]
    limits: LimitsConfiguration,
    #[serde(default, deserialize_with = "crate::amount::duration")]
    timeout: Option<Duration>,
    #[serde(default)]
    window: Option<Window>,
    #[serde(default)]
    enabled: Option<bool>,
}

impl TaskConfiguration {
    /// Reads a task. `declared` names every resource that the configuration has, those with errors of their own too.
    pub(crate) fn read(
        name: &str,
        section: &Section<'_>,
        resources: &Resources,
        declared: &[String],
        errors: &mut Vec<ConfigurationError>,
    ) -> Option<Self> {
        let before = errors.len();
        let bindings = read_bindings(section, resources, declared, errors);
        let (settings, setting_places) = read_settings(section, errors);
        let written: Written = section.read(errors)?;
        if !crate::is_name(&written.plugin) {
            errors.push(section.wrong("plugin", "has to be the name of a plugin, such as \"postgres-vacuum\""));
        }
        (errors.len() == before).then(|| Self {
            name: name.to_owned(),
            plugin: written.plugin,
            bindings,
            settings,
            setting_places,
            limits: written.limits,
            timeout: written.timeout,
            window: written.window,
            enabled: written.enabled.unwrap_or(true),
            place: Some(section.place()),
        })
    }

    /// The dotted key of a binding, or the option where it was given at the command line.
    pub(crate) fn bind_key(&self, request: &str) -> String {
        match self.place {
            Some(_) => format!("tasks.{}.bind.{request}", self.name),
            None => format!("--bind {request}"),
        }
    }

    /// The dotted key of a setting, or the option.
    pub(crate) fn setting_key(&self, setting: &str) -> String {
        match self.place {
            Some(_) => format!("tasks.{}.settings.{setting}", self.name),
            None => format!("--set {setting}"),
        }
    }
}

fn read_bindings(
    section: &Section<'_>,
    resources: &Resources,
    declared: &[String],
    errors: &mut Vec<ConfigurationError>,
) -> BTreeMap<String, BindConfiguration> {
    let meaning = "a table of requests and resources, such as { database = \"postgres.main\" }";
    let mut bindings = BTreeMap::new();
    let Some(bind) = section.below("bind", meaning, errors) else { return bindings };
    for (request, value) in &bind.table {
        let request = request.get_ref().to_string();
        if let Some(binding) = (Reading { bind: &bind, request: &request, resources, declared }).read(value, errors) {
            bindings.insert(request, binding);
        }
    }
    bindings
}

/// One binding being read.
struct Reading<'r, 'i> {
    bind: &'r Section<'i>,
    request: &'r str,
    resources: &'r Resources,
    declared: &'r [String],
}

impl Reading<'_, '_> {
    fn read(&self, value: &Spanned<DeValue<'_>>, errors: &mut Vec<ConfigurationError>) -> Option<BindConfiguration> {
        let expected = "a resource such as \"postgres.main\", a list of them, or { resource = …, … }";
        let (names, narrowed) = match value.get_ref() {
            DeValue::String(_) | DeValue::Array(_) => (self.names(self.request, value, expected, errors)?, None),
            DeValue::Table(_) => {
                let section = self.bind.below(self.request, expected, errors)?;
                let named = |key: &str, errors: &mut Vec<ConfigurationError>| {
                    let value = section.table.get(key)?;
                    self.names(&format!("{}.{key}", self.request), value, expected, errors)
                };
                let names = match (section.table.contains_key("resource"), section.table.contains_key("resources")) {
                    (true, true) => {
                        errors.push(section.wrong("resources", "is there beside `resource`; one of them will do"));
                        return None;
                    }
                    (true, false) => named("resource", errors)?,
                    (false, true) => named("resources", errors)?,
                    (false, false) => {
                        let key = format!("{}.resource", section.path);
                        errors.push(ConfigurationError::MissingKey { place: section.place(), key });
                        return None;
                    }
                };
                (names, Some(section))
            }
            other => {
                errors.push(self.wrong_type(self.request, value, expected, in_words(other)));
                return None;
            }
        };
        let mut targets = Vec::new();
        for (name, span) in &names {
            targets.push(self.target(name, span, errors)?);
        }
        let first: &Target = targets.first()?;
        let kind = first.resource.kind();
        for (position, target) in targets.iter().enumerate() {
            if target.resource.kind() != kind {
                let problem = format!("mixes kinds: `{}` is no {kind}", names[position].0);
                errors.push(self.bind.wrong(self.request, problem));
                return None;
            }
            if targets[..position].iter().any(|earlier| earlier.name == target.name) {
                errors.push(self.bind.wrong(self.request, format!("names `{}` twice", names[position].0)));
                return None;
            }
        }
        let narrowing = match narrowed {
            Some(section) => Some(Narrowing::read(kind, &section, errors)?),
            None => None,
        };
        Some(BindConfiguration { targets, narrowing, place: Some(self.bind.key_place(self.request)) })
    }

    fn names(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
        errors: &mut Vec<ConfigurationError>,
    ) -> Option<Vec<(String, Range<usize>)>> {
        let items = match value.get_ref() {
            DeValue::String(name) => return Some(vec![(name.to_string(), value.span())]),
            DeValue::Array(items) => items,
            other => {
                errors.push(self.wrong_type(key, value, expected, in_words(other)));
                return None;
            }
        };
        let mut names = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item.get_ref().as_str() {
                Some(name) => names.push((name.to_owned(), item.span())),
                None => {
                    let found = in_words(item.get_ref());
                    errors.push(self.wrong_type(&format!("{key}[{index}]"), item, "text", found));
                    return None;
                }
            }
        }
        if names.is_empty() {
            errors.push(self.bind.wrong(self.request, "is an empty list; name a resource, or leave the request out"));
            return None;
        }
        Some(names)
    }

    fn target(&self, name: &str, span: &Range<usize>, errors: &mut Vec<ConfigurationError>) -> Option<Target> {
        if let Some(resource) = self.resources.get(name) {
            let short = name.split_once('.').map_or(name, |(_, short)| short);
            return Some(Target { name: short.to_owned(), resource: Resource::clone(resource) });
        }
        if !self.declared.iter().any(|declared| declared == name) {
            let known: Vec<String> = self.resources.names().map(str::to_owned).collect();
            // `main` for `postgres.main` is the slip that is most frequent.
            let short = known.iter().find(|known| known.split_once('.').is_some_and(|(_, short)| short == name));
            let meant = short.map(String::as_str).or_else(|| did_you_mean(name, known.iter().map(String::as_str)));
            errors.push(ConfigurationError::UnknownResource {
                place: self.bind.source.place(span),
                key: format!("{}.{}", self.bind.path, self.request),
                resource: crate::redact::redacted_name(name),
                meant: meant.map(str::to_owned),
                known,
            });
        }
        None
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str, found: &str) -> ConfigurationError {
        ConfigurationError::WrongType {
            place: self.bind.source.place(&value.span()),
            key: format!("{}.{key}", self.bind.path),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

fn read_settings(
    section: &Section<'_>,
    errors: &mut Vec<ConfigurationError>,
) -> (Map<String, Value>, BTreeMap<String, Place>) {
    let (mut values, mut places) = (Map::new(), BTreeMap::new());
    if let Some(settings) = section.below("settings", "a table of settings", errors) {
        for (key, value) in &settings.table {
            let name = key.get_ref().to_string();
            match json(value.get_ref()) {
                Some(value) => {
                    places.insert(name.clone(), settings.key_place(&name));
                    values.insert(name, value);
                }
                None => errors.push(settings.wrong(&name, "holds a number that is too large, or none at all")),
            }
        }
    }
    (values, places)
}

fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok()?.into(),
        DeValue::Float(float) => Value::Number(serde_json::Number::from_f64(float.as_str().parse().ok()?)?),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| json(item.get_ref())).collect::<Option<_>>()?),
        DeValue::Table(table) => {
            let pair = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                Some((key.to_string(), json(value.get_ref())?))
            };
            Value::Object(table.iter().map(pair).collect::<Option<_>>()?)
        }
    })
}
