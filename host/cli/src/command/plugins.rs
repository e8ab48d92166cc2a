//! `install`, `list`, `show`, `remove`, `verify`.

use std::{fmt::Write, path::Path};

use hostler_manifest::Manifest;
use hostler_registry::{Candidate, Consent, Registry, RegistryError, discover, examine_file};
use serde_json::json;

use super::{
    configuration::load,
    consent::{ask, asked},
    print::out,
};
use crate::{
    arguments::ListFormat,
    exit::{UNAVAILABLE, failure},
};

fn registry(config: &Path) -> anyhow::Result<Registry> {
    Registry::open(&load(config)?.host.registry).map_err(wrong)
}

/// Installs a plugin, or each of a directory. Every file is looked at before the first is installed.
pub(super) fn install(config: &Path, path: &Path, accept: bool, replace: bool) -> anyhow::Result<u8> {
    let registry = registry(config)?;
    for candidate in candidates(path)? {
        let difference = registry.what_changes(&candidate).map_err(wrong)?;
        ask(&candidate, Some(&difference), accept)?;
        let mut consent = Consent::to(&candidate);
        if replace {
            consent = consent.allowing_downgrade().allowing_replacement();
        }
        let installed = registry.install(&candidate, &consent).map_err(wrong)?;
        let plugin = &installed.manifest.plugin;
        out(&format!("installed {} {} ({})\n", plugin.name, plugin.version, short(&installed.digest)))?;
    }
    Ok(0)
}

/// The plugin of a file, or those of a directory; a component that is no plugin is passed over there.
fn candidates(path: &Path) -> anyhow::Result<Vec<Candidate>> {
    if !path.is_dir() {
        return Ok(vec![examine_file(path).map_err(wrong)?]);
    }
    let mut candidates = Vec::new();
    for found in discover(path).map_err(wrong)? {
        match found.plugin {
            Ok(candidate) => candidates.push(candidate),
            Err(error) if error.is_no_plugin() => {}
            Err(error) => return Err(wrong(error)),
        }
    }
    if candidates.is_empty() {
        return Err(failure(UNAVAILABLE, format!("{}: there is no plugin in this directory", path.display())));
    }
    Ok(candidates)
}

/// A digest, as far as people compare it.
fn short(digest: &str) -> &str {
    digest.get(..23).unwrap_or(digest)
}

/// Lists what is installed.
pub(super) fn list(config: &Path, format: ListFormat) -> anyhow::Result<u8> {
    let plugins = registry(config)?.list().map_err(wrong)?;
    let text = match format {
        ListFormat::Json => format!("{:#}\n", json!({ "schema_version": 1, "plugins": plugins })),
        ListFormat::Text if plugins.is_empty() => {
            "no plugin is installed; `hostler install DIRECTORY` installs some\n".into()
        }
        ListFormat::Text => plugins.iter().fold(String::new(), |mut text, plugin| {
            let _ = writeln!(text, "{:<32} {:<10} {}", plugin.name, plugin.version.to_string(), short(&plugin.digest));
            text
        }),
    };
    out(&text)?;
    Ok(0)
}

/// Shows a manifest, of an installed plugin or of a file.
pub(super) fn show(config: &Path, plugin: &str) -> anyhow::Result<u8> {
    let manifest = if Path::new(plugin).is_file() {
        examine_file(Path::new(plugin)).map_err(wrong)?.manifest
    } else {
        registry(config)?.get(plugin).map_err(wrong)?.manifest
    };
    out(&described(&manifest))?;
    Ok(0)
}

fn described(manifest: &Manifest) -> String {
    let plugin = &manifest.plugin;
    let mode = match plugin.mode {
        hostler_manifest::Mode::Check => "only looks",
        hostler_manifest::Mode::Apply => "changes something in `hostler run`, and plans it in `hostler plan`",
    };
    let mut text =
        format!("{} {}\n{}\n\n{mode}\nlicence {}\n", plugin.name, plugin.version, plugin.summary, plugin.license);
    text.push_str("\nit asks for:\n");
    for line in asked(manifest) {
        let _ = writeln!(text, "  {line}");
    }
    if !manifest.settings.is_empty() {
        text.push_str("\nsettings:\n");
    }
    for (name, setting) in &manifest.settings {
        let default = match (&setting.default, setting.required) {
            (Some(default), _) => default.to_string(),
            (None, true) => "required".into(),
            (None, false) => "none".into(),
        };
        let _ = writeln!(text, "  {name} = {default}\n      {}", setting.summary);
    }
    text
}

/// Removes a plugin.
pub(super) fn remove(config: &Path, plugin: &str) -> anyhow::Result<u8> {
    registry(config)?.remove(plugin).map_err(wrong)?;
    out(&format!("removed {plugin}\n"))?;
    Ok(0)
}

/// Holds every file against the lock.
pub(super) fn verify(config: &Path) -> anyhow::Result<u8> {
    let registry = registry(config)?;
    let findings = registry.verify();
    for finding in &findings {
        eprintln!("hostler: {finding}");
    }
    match findings.iter().filter(|finding| finding.is_serious()).count() {
        0 => {
            out(&format!("{} plugins are as they were installed\n", registry.list().map_err(wrong)?.len())).map(|()| 0)
        }
        problems => Err(failure(UNAVAILABLE, format!("{problems} files are not as the lock says"))),
    }
}

fn wrong(error: RegistryError) -> anyhow::Error {
    failure(UNAVAILABLE, error.to_string())
}
