//! The component as a file: its manifest section, and what it imports and exports.
//!
//! Reading parses the binary's own sections, never its names or text, and looks at the outermost component's
//! imports alone: those are what a host would have to link.

use std::collections::BTreeSet;

use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload, Validator, WasmFeatures};

use crate::{Manifest, ManifestError};

/// The name of the custom section.
pub const SECTION: &str = "hostler:manifest";
/// The version of the contract that this host serves.
pub const CONTRACT: &str = "0.1.0";

/// The longest manifest, in bytes: some twenty times the longest that a plugin has needed. It is read before anybody
/// consents, and kept in memory by every command.
const LONGEST: usize = 256 << 10;

/// Interfaces of the contract that every plugin may import.
const BASE: &[&str] = &["types", "run-context", "plan", "report", "log", "settings", "state"];

/// Reads the manifest of a component, without running anything of it.
///
/// # Errors
/// Where the file is not a component, or has no manifest, or a damaged one.
pub fn extract(component: &[u8]) -> Result<Manifest, ManifestError> {
    let mut manifests: Vec<Vec<u8>> = Vec::new();
    for payload in payloads(component) {
        if let Payload::CustomSection(section) = payload?
            && section.name() == SECTION
            && manifests.last().is_none_or(|earlier| earlier != section.data())
        {
            manifests.push(section.data().to_vec());
        }
    }
    match manifests.as_slice() {
        [] => Err(ManifestError::Missing),
        [one] if one.len() > LONGEST => Err(ManifestError::TooLong { length: one.len(), most: LONGEST }),
        [one] => {
            let text = std::str::from_utf8(one)
                .map_err(|error| ManifestError::Damaged(format!("it is not UTF-8: {error}")))?;
            Manifest::parse(text)
        }
        several => Err(ManifestError::Several(several.len())),
    }
}

/// The interfaces that the outermost component imports, as `package/interface@version`, each covered by a request.
///
/// # Errors
/// Where the file is not a component, lacks the export that every plugin has, or imports what its manifest does not
/// request.
pub fn imports(component: &[u8], manifest: &Manifest) -> Result<BTreeSet<String>, ManifestError> {
    let imports = contract(component)?;
    for import in &imports {
        check_import(import, manifest)?;
    }
    Ok(imports)
}

/// The outermost component's imports, where it was made for the version of the contract that this host serves. It
/// looks at no manifest, which another version may have written otherwise.
///
/// # Errors
/// Where the file is not a component, or lacks the export that every plugin has, or has that of another version.
pub fn contract(component: &[u8]) -> Result<BTreeSet<String>, ManifestError> {
    let mut imports = BTreeSet::new();
    let mut exports = BTreeSet::new();
    let mut depth = 0_u32;
    for payload in payloads(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.insert(import.map_err(damaged)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(damaged)?;
                    if export.kind == ComponentExternalKind::Instance {
                        exports.insert(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    if let Some(found) = exports.iter().chain(&imports).find_map(|name| other_contract(name)) {
        return Err(ManifestError::OtherContract { found, served: CONTRACT });
    }
    let task = format!("hostler:plugin/task@{CONTRACT}");
    if exports.contains(&task) { Ok(imports) } else { Err(ManifestError::ExportMissing(task)) }
}

/// Checks the whole binary, code included, as an engine would before it compiles it.
///
/// # Errors
/// Where a byte of it is not what the format says.
pub fn validate(component: &[u8]) -> Result<(), ManifestError> {
    Validator::new_with_features(WasmFeatures::default()).validate_all(component).map(drop).map_err(damaged)
}

/// Writes a manifest into a component, in place of one that it may have.
///
/// # Errors
/// Where the manifest or the component is not what it should be, or a manifest is inside one of its modules, where
/// only the compiler that wrote it can take it out.
pub fn embed(component: &[u8], manifest: &str) -> Result<Vec<u8>, ManifestError> {
    Manifest::parse(manifest)?;
    let mut result = Vec::with_capacity(component.len() + manifest.len() + 32);
    let mut depth = 0_u32;
    let mut kept = 0;
    let mut end = 0;
    for payload in payloads(component) {
        let payload = payload?;
        match &payload {
            Payload::CustomSection(section) if section.name() == SECTION => {
                if depth > 0 {
                    return Err(ManifestError::Several(2));
                }
                result.extend_from_slice(&component[kept..end]);
                kept = section.range().end;
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        // Where the next section begins: behind this one's contents, whatever is nested in them.
        if depth == 0 {
            end = payload.as_section().map_or(end, |(_, range)| range.end);
            end = match &payload {
                Payload::Version { range, .. } => range.end,
                Payload::End(offset) => end.max(*offset),
                _ => end,
            };
        }
    }
    result.extend_from_slice(&component[kept..]);
    CustomSection { name: SECTION.into(), data: manifest.as_bytes().into() }.append_to_component(&mut result);
    Ok(result)
}

fn check_import(import: &str, manifest: &Manifest) -> Result<(), ManifestError> {
    if import.starts_with("wasi:") {
        return Ok(());
    }
    let unknown = || ManifestError::UnknownImport(import.into());
    let interface = import
        .strip_prefix("hostler:plugin/")
        .and_then(|rest| rest.strip_suffix(&format!("@{CONTRACT}")))
        .ok_or_else(unknown)?;
    if BASE.contains(&interface) {
        return Ok(());
    }
    let kind = match interface {
        "postgres" => "postgres",
        "redis" => "redis",
        "files" => "directory",
        "shell" => "program",
        "network" => "endpoint",
        "machine" => "machine",
        "history" => "history",
        _ => return Err(unknown()),
    };
    if manifest.requests.values().any(|request| request.kind() == kind) {
        return Ok(());
    }
    Err(ManifestError::NotRequested { interface: interface.into(), kind })
}

/// The version of the contract that a name carries, where it is not the one served.
fn other_contract(name: &str) -> Option<String> {
    let version = name.strip_prefix("hostler:plugin/")?.split_once('@')?.1;
    (version != CONTRACT).then(|| version.to_owned())
}

/// The binary's payloads; a core module ends them with an error of its own.
fn payloads(component: &[u8]) -> impl Iterator<Item = Result<Payload<'_>, ManifestError>> {
    let mut first = true;
    Parser::new(0).parse_all(component).map(move |payload| {
        let outermost = std::mem::replace(&mut first, false);
        match payload {
            Ok(Payload::Version { encoding: Encoding::Module, .. }) if outermost => Err(ManifestError::CoreModule),
            Ok(payload) => Ok(payload),
            Err(error) if outermost => Err(ManifestError::NotWebAssembly(error.message().to_owned())),
            Err(error) => Err(damaged(error)),
        }
    })
}

fn damaged(error: wasmparser::BinaryReaderError) -> ManifestError {
    ManifestError::NotWebAssembly(format!("its bytes are damaged ({} at byte {})", error.message(), error.offset()))
}
