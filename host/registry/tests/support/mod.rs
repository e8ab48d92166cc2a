//! Plugins made byte by byte, so that no compiler is needed.

#![allow(dead_code, reason = "each test file uses its part")]

use hostler_configuration::changes;
use hostler_manifest::{CONTRACT, Manifest, SECTION};
use hostler_registry::{Candidate, examine};
use wasm_encoder::{ComponentBuilder, ComponentExportKind, ComponentTypeRef, CustomSection, InstanceType};

/// The text of a manifest.
pub fn manifest(name: &str, version: &str, mode: &str, requests: &str) -> String {
    format!(
        "[plugin]\nname = \"{name}\"\nversion = \"{version}\"\nsummary = \"Does it\"\nlicense = \"Apache-2.0\"\nmode = \"{mode}\"\n{requests}"
    )
}

/// A component with these interfaces of the contract, and this manifest.
pub fn component(imports: &[&str], contract: &str, manifest: Option<&str>, padding: &str) -> Vec<u8> {
    let mut builder = ComponentBuilder::default();
    let empty = builder.type_instance(None, &InstanceType::new());
    let mut instance = builder.import("wasi:io/error@0.2.6", ComponentTypeRef::Instance(empty));
    for name in imports {
        let name = format!("hostler:plugin/{name}@{contract}");
        instance = builder.import(name.as_str(), ComponentTypeRef::Instance(empty));
    }
    let task = format!("hostler:plugin/task@{contract}");
    builder.export(task.as_str(), ComponentExportKind::Instance, instance, None);
    if let Some(manifest) = manifest {
        builder.custom_section(&CustomSection { name: SECTION.into(), data: manifest.as_bytes().into() });
    }
    builder.custom_section(&CustomSection { name: "padding".into(), data: padding.as_bytes().into() });
    builder.finish()
}

/// A plugin's bytes.
pub fn plugin(name: &str, version: &str, requests: &str) -> Vec<u8> {
    let whole = Manifest::parse(&manifest(name, version, "apply", requests)).unwrap_or_else(|error| panic!("{error}"));
    let mode = if whole.requests.values().any(changes) { "apply" } else { "check" };
    component(&[], CONTRACT, Some(&manifest(name, version, mode, requests)), "")
}

/// A plugin, examined.
pub fn candidate(name: &str, version: &str, requests: &str) -> Candidate {
    examine(plugin(name, version, requests)).unwrap_or_else(|error| panic!("{error}"))
}

/// A request to read a database.
pub const DATABASE: &str =
    "[requests.database]\nkind = \"postgres\"\nreason = \"look at tables\"\nread = [\"public.*\"]\n";
