//! Components made byte by byte: what no compiler would build, and many versions of one plugin without one.

use wasm_encoder::{ComponentBuilder, ComponentExportKind, ComponentTypeRef, CustomSection, InstanceType};

/// The text of a manifest. Its mode follows from the requests.
pub fn manifest(name: &str, version: &str, requests: &str) -> String {
    let changes = ["statements", "\"write\""].iter().any(|word| requests.contains(word));
    let mode = if changes { "apply" } else { "check" };
    format!(
        "[plugin]\nname = \"{name}\"\nversion = \"{version}\"\nsummary = \"Does it\"\nlicense = \"Apache-2.0\"\n\
         mode = \"{mode}\"\n{requests}"
    )
}

/// A component with these imports, this export and this manifest; it does nothing.
pub fn made(imports: &[&str], export: &str, manifest: Option<&str>) -> Vec<u8> {
    let mut builder = ComponentBuilder::default();
    let empty = builder.type_instance(None, &InstanceType::new());
    let mut instance = builder.import("wasi:io/error@0.2.6", ComponentTypeRef::Instance(empty));
    for import in imports {
        instance = builder.import(*import, ComponentTypeRef::Instance(empty));
    }
    builder.export(export, ComponentExportKind::Instance, instance, None);
    if let Some(manifest) = manifest {
        let section = CustomSection { name: "hostler:manifest".into(), data: manifest.as_bytes().into() };
        builder.custom_section(&section);
    }
    builder.finish()
}
