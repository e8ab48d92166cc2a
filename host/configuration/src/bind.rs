//! A task held against its plugin's manifest: what each request is granted, and what the settings are.

use hostler_manifest::{Manifest, Mode, Request, did_you_mean};
use hostler_policy::redis::RedisGrant;
use serde_json::{Map, Value};

use crate::{
    BindConfiguration, Binding, BindingError, BindingErrors, Grant, Resources, TaskConfiguration,
    narrow::{grant_of, wider},
};

/// The word of a Redis grant that keeps only what reads.
const READ_ONLY: &str = "read-only";

/// What a task hands to its plugin: a binding for each request, and the settings with their defaults.
///
/// With `only_reading`, and for a plugin that only looks, nothing is granted that changes anything, whatever is
/// written.
///
/// # Errors
/// Everything that does not fit, each with its key and its line.
pub fn bind(
    task: &TaskConfiguration,
    manifest: &Manifest,
    resources: &Resources,
    only_reading: bool,
) -> Result<(Vec<Binding>, Value), BindingErrors> {
    let mut errors = Vec::new();
    for (name, bound) in &task.bindings {
        if !manifest.requests.contains_key(name) {
            let known: Vec<String> = manifest.requests.keys().cloned().collect();
            errors.push(BindingError::UnknownRequest {
                place: bound.place.clone(),
                key: task.bind_key(name),
                meant: did_you_mean(name, known.iter().map(String::as_str)).map(str::to_owned),
                known,
            });
        }
    }
    let only_reading = only_reading || manifest.plugin.mode == Mode::Check;
    let mut bindings = Vec::new();
    for (name, request) in &manifest.requests {
        match task.bindings.get(name) {
            Some(bound) => {
                let before = errors.len();
                let grant = granted(task, name, request, bound, only_reading, &mut errors);
                if let (true, Some(grant)) = (errors.len() == before, grant) {
                    let (request, many) = (name.clone(), request.many());
                    bindings.push(Binding { request, many, targets: bound.targets.clone(), grant });
                }
            }
            None if request.optional() => {}
            None => errors.push(BindingError::NotBound {
                place: task.place.clone(),
                key: task.bind_key(name),
                kind: request.kind(),
                reason: request.reason().trim().to_owned(),
                known: resources.of_kind(request.kind()),
            }),
        }
    }
    let settings = settings(task, manifest, &mut errors);
    if errors.is_empty() { Ok((bindings, settings)) } else { Err(BindingErrors(errors)) }
}

fn granted(
    task: &TaskConfiguration,
    name: &str,
    request: &Request,
    bound: &BindConfiguration,
    only_reading: bool,
    errors: &mut Vec<BindingError>,
) -> Option<Grant> {
    let (place, key) = (bound.place.clone(), task.bind_key(name));
    for target in &bound.targets {
        if target.resource.kind() != request.kind() {
            errors.push(BindingError::Kind {
                place,
                key,
                resource: target.name.clone(),
                wanted: request.kind(),
                found: target.resource.kind(),
            });
            return None;
        }
    }
    if bound.targets.len() != 1 && !request.many() {
        errors.push(BindingError::OnlyOne { place, key, count: bound.targets.len() });
        return None;
    }
    let whole = grant_of(request);
    if let Grant::Redis(words) = &whole
        && let Err(error) = RedisGrant::parse(words)
    {
        errors.push(BindingError::Ungrantable { place, key, problem: error.to_string() });
        return None;
    }
    let grant = match &bound.narrowing {
        None => whole,
        Some(narrowing) => {
            let narrowed = narrowing.apply(whole.clone());
            for wider in wider(&whole, &narrowed) {
                errors.push(BindingError::Wider {
                    place: place.clone(),
                    key: key.clone(),
                    field: wider.field,
                    problem: wider.problem,
                });
            }
            narrowed
        }
    };
    Some(if only_reading { reading(grant) } else { grant })
}

/// What is left of a grant where nothing may be changed.
fn reading(grant: Grant) -> Grant {
    match grant {
        Grant::Postgres(mut grant) => {
            grant.write.clear();
            grant.statements.clear();
            grant.call.clear();
            Grant::Postgres(grant)
        }
        Grant::Redis(mut words) => {
            // The grant's own word: of all the others it keeps only what reads.
            if !words.iter().any(|word| word == READ_ONLY) {
                words.push(READ_ONLY.into());
            }
            Grant::Redis(words)
        }
        Grant::Directory(_) => Grant::Directory(hostler_manifest::Access::Read),
        Grant::Program { .. } => Grant::Program { changes: false },
        Grant::Endpoint(mut methods) => {
            methods.retain(|method| hostler_policy::endpoint::reads(method));
            if methods.is_empty() {
                // An empty list would stand for GET and HEAD, which were not asked for; this is no method at all.
                methods.push("-".into());
            }
            Grant::Endpoint(methods)
        }
        grant @ (Grant::Machine | Grant::History(_)) => grant,
    }
}

fn settings(task: &TaskConfiguration, manifest: &Manifest, errors: &mut Vec<BindingError>) -> Value {
    for name in task.settings.keys() {
        if !manifest.settings.contains_key(name) {
            let known: Vec<String> = manifest.settings.keys().cloned().collect();
            errors.push(BindingError::UnknownSetting {
                place: task.setting_places.get(name).cloned(),
                key: task.setting_key(name),
                meant: did_you_mean(name, known.iter().map(String::as_str)).map(str::to_owned),
                known,
            });
        }
    }
    let mut resolved = Map::new();
    for (name, setting) in &manifest.settings {
        match setting.resolve(task.settings.get(name)) {
            Ok(value) => {
                resolved.insert(name.clone(), value);
            }
            Err(problem) => errors.push(BindingError::Setting {
                place: task.setting_places.get(name).or(task.place.as_ref()).cloned(),
                key: task.setting_key(name),
                problem,
            }),
        }
    }
    Value::Object(resolved)
}
