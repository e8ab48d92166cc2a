//! What a run told, held against what its plugin's manifest says that it can tell: `hostler show` is to have all of it.

use std::fs;

use hostler_manifest::Manifest;
use serde_json::Value;

use crate::root;

/// Holds each run of a catalogue's plugin in this JSON output to its manifest. Other plugins, and other output, are not
/// looked at.
///
/// # Panics
/// Where a finding or a metric is told that the manifest does not have.
pub(crate) fn hold_to_manifests(stdout: &str) {
    let Ok(output) = serde_json::from_str::<Value>(stdout) else { return };
    for outcome in output["tasks"].as_array().into_iter().flatten() {
        let Some(manifest) = outcome["plugin"].as_str().and_then(manifest) else { continue };
        let plugin = &manifest.plugin.name;
        let each = |list: &str, field: &str| -> Vec<String> {
            let told = outcome["reported"][list].as_array().into_iter().flatten();
            told.filter_map(|one| one[field].as_str().map(str::to_owned)).collect()
        };
        for code in each("findings", "code") {
            assert!(manifest.findings.contains_key(&code), "{plugin} finds `{code}`, which its manifest does not have");
        }
        for name in each("metrics", "name") {
            assert!(
                manifest.metrics.contains_key(&name),
                "{plugin} measures `{name}`, which its manifest does not have"
            );
        }
    }
}

/// The manifest of a plugin of the catalogue that says what it finds.
fn manifest(plugin: &str) -> Option<Manifest> {
    let (area, task) = plugin.split_once('-')?;
    let text = fs::read_to_string(root().join("plugins").join(area).join(task).join("plugin.toml")).ok()?;
    Manifest::parse(&text).ok().filter(|manifest| !manifest.findings.is_empty())
}
