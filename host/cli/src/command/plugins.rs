//! `install`, `list`, `show`, `remove`, `verify`.

use std::{fmt::Write, path::Path};

use hostler_registry::{Candidate, Consent, Registry, RegistryError, discover, examine_file};
use serde_json::json;

use super::{
    configuration::load,
    consent::ask,
    page::page,
    print::{out, style},
};
use crate::{
    arguments::ListFormat,
    exit::{UNAVAILABLE, failure},
    format::count,
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
    let path = Path::new(plugin);
    let (manifest, digest) = if path.is_file() || plugin.contains('/') {
        let candidate = examine_file(path).map_err(wrong)?;
        (candidate.manifest, candidate.digest)
    } else {
        let installed = registry(config)?.get(plugin).map_err(wrong)?;
        (installed.manifest, installed.digest)
    };
    out(&page(&manifest, &digest, style(false)))?;
    Ok(0)
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
            let plugins = registry.list().map_err(wrong)?.len() as u64;
            let are = if plugins == 1 { "is as it was" } else { "are as they were" };
            out(&format!("{} {are} installed\n", count(plugins, "plugin"))).map(|()| 0)
        }
        problems => Err(failure(
            UNAVAILABLE,
            format!("{} not as the lock says; install the plugin again", count(problems as u64, "file")),
        )),
    }
}

fn wrong(error: RegistryError) -> anyhow::Error {
    failure(UNAVAILABLE, error.to_string())
}
