//! Tasks given at the command line: `hostler check FILE --bind database=postgres.main --set warning=80`.
//!
//! A value may be a name of the configuration or a resource written out, since whoever tries a plugin has no
//! configuration yet. An address is never repeated in an error: it may hold a password.

use std::collections::BTreeMap;

use hostler_manifest::{Manifest, SettingKind, did_you_mean};
use serde_json::{Map, Value};

use crate::{
    BindConfiguration, BindingError, BindingErrors, DirectoryResource, EndpointResource, LimitsConfiguration,
    PostgresResource, RedisResource, Resource, Resources, Target, TaskConfiguration,
    redact::redacted_name,
    resources::{check_dsn, check_endpoint, check_redis},
};

/// The resource that `text` means for a request of this kind: one of the configuration, `machine`, `history`, or one
/// written out.
///
/// # Errors
/// The end of a sentence that begins with the option, and never holds an address.
pub fn inline(kind: &str, text: &str, resources: &Resources) -> Result<Resource, String> {
    if let Some(resource) = resources.get(text) {
        return if resource.kind() == kind {
            Ok(resource.clone())
        } else {
            Err(format!("has to be of kind {kind}, and `{text}` is of kind {}", resource.kind()))
        };
    }
    let unknown = |problem: &str| {
        let shown = redacted_name(text);
        let names = resources.of_kind(kind);
        if shown == text
            && let Some(meant) = did_you_mean(text, names.iter().map(String::as_str))
        {
            return format!("is `{text}`, which does not exist; did you mean `{meant}`?");
        }
        match names.as_slice() {
            [] => problem.to_owned(),
            names => format!("{problem}, or one of {}", names.join(", ")),
        }
    };
    match kind {
        "postgres" => {
            check_dsn(text).map_err(|problem| unknown(&problem))?;
            Ok(Resource::Postgres(PostgresResource { dsn: text.into(), ..Default::default() }))
        }
        "redis" => {
            check_redis(text).map_err(|problem| unknown(&problem))?;
            Ok(Resource::Redis(RedisResource { url: text.into(), ..Default::default() }))
        }
        "directory" => {
            if !text.contains('/') {
                return Err(unknown("is no path; write \"/var/log\", or \"./logs\""));
            }
            let path = std::path::absolute(text).map_err(|error| format!("is no path: {error}"))?;
            Ok(Resource::Directory(DirectoryResource { path, trust_contents: false }))
        }
        "endpoint" => {
            check_endpoint(text).map_err(|problem| unknown(&problem))?;
            Ok(Resource::Endpoint(EndpointResource { url: text.into(), ..Default::default() }))
        }
        "program" => Err(unknown(
            "has to be a program of the configuration, written program.NAME: which arguments hold is written there",
        )),
        own => Err(format!("has to be {own:?}, the host's own")),
    }
}

impl Resource {
    /// A resource written out with its kind: `postgres=host=db1 dbname=shop`, `redis=redis://cache1`, `machine`.
    ///
    /// # Errors
    /// The end of a sentence that begins with the option, and never holds an address.
    pub fn parse_inline(text: &str) -> Result<Self, String> {
        let nothing = Resources::default();
        match text.split_once('=') {
            None if nothing.get(text).is_some() => inline(text, text, &nothing),
            Some((kind, text)) if crate::resources::KINDS.contains(&kind) || nothing.get(kind).is_some() => {
                inline(kind, text, &nothing)
            }
            _ => Err(format!(
                "is no resource; write KIND=ADDRESS, where the kind is one of {}",
                crate::resources::KINDS.join(", ")
            )),
        }
    }
}

impl TaskConfiguration {
    /// A task from `--bind REQUEST=RESOURCE` and `--set SETTING=VALUE`. The same request twice binds several.
    ///
    /// # Errors
    /// What is no request, no resource or no setting of the plugin.
    pub fn from_command_line(
        manifest: &Manifest,
        binds: &[(String, String)],
        settings: &[(String, String)],
        resources: &Resources,
    ) -> Result<Self, BindingErrors> {
        let mut errors = Vec::new();
        let mut task = Self {
            name: manifest.plugin.name.clone(),
            plugin: manifest.plugin.name.clone(),
            bindings: BTreeMap::new(),
            settings: Map::new(),
            setting_places: BTreeMap::new(),
            limits: LimitsConfiguration::default(),
            timeout: None,
            window: None,
            enabled: true,
            place: None,
        };
        for (name, text) in binds {
            let key = task.bind_key(name);
            let Some(request) = manifest.requests.get(name) else {
                let known: Vec<String> = manifest.requests.keys().cloned().collect();
                let meant = did_you_mean(name, known.iter().map(String::as_str)).map(str::to_owned);
                errors.push(BindingError::UnknownRequest { place: None, key, meant, known });
                continue;
            };
            match inline(request.kind(), text, resources) {
                Ok(resource) => {
                    let bound = task.bindings.entry(name.clone()).or_insert_with(|| BindConfiguration {
                        targets: Vec::new(),
                        narrowing: None,
                        place: None,
                    });
                    let named = resources.get(text).map(|_| text.split_once('.').map_or(&**text, |(_, short)| short));
                    let name = match (named, bound.targets.len()) {
                        (Some(named), _) => named.to_owned(),
                        (None, 0) => name.clone(),
                        (None, earlier) => format!("{name}-{}", earlier + 1),
                    };
                    if bound.targets.iter().any(|target| target.name == name) {
                        errors.push(BindingError::Given { key, problem: format!("names `{name}` twice") });
                    } else {
                        bound.targets.push(Target { name, resource });
                    }
                }
                Err(problem) => errors.push(BindingError::Given { key, problem }),
            }
        }
        for (name, text) in settings {
            let key = task.setting_key(name);
            let Some(setting) = manifest.settings.get(name) else {
                let known: Vec<String> = manifest.settings.keys().cloned().collect();
                let meant = did_you_mean(name, known.iter().map(String::as_str)).map(str::to_owned);
                errors.push(BindingError::UnknownSetting { place: None, key, meant, known });
                continue;
            };
            task.settings.insert(name.clone(), value(setting.kind, text));
        }
        if errors.is_empty() { Ok(task) } else { Err(BindingErrors(errors)) }
    }
}

/// A setting's text as the type that it has; text where it is none of that type, so that the check names it.
fn value(kind: SettingKind, text: &str) -> Value {
    let parsed = match kind {
        SettingKind::Boolean
        | SettingKind::Integer
        | SettingKind::Number
        | SettingKind::Percent
        | SettingKind::Table => serde_json::from_str(text).ok(),
        SettingKind::Bytes => text.parse::<u64>().ok().map(Value::from),
        SettingKind::Texts => {
            Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect())
        }
        SettingKind::Text | SettingKind::Duration | SettingKind::Range => None,
    };
    parsed.unwrap_or_else(|| Value::from(text))
}
