//! Components as files: what is read of them, and what is refused.

use hostler_manifest::{CONTRACT, Manifest, ManifestError, SECTION, contract, embed, extract, imports, validate};
use proptest::prelude::*;
use wasm_encoder::{
    Component, ComponentBuilder, ComponentExportKind, ComponentTypeRef, CustomSection, InstanceType, Module,
    ModuleSection, NestedComponentSection,
};

const MANIFEST: &str = "[plugin]\nname = \"looker\"\nversion = \"1.2.3\"\nsummary = \"Looks\"\nlicense = \"Apache-2.0\"\nmode = \"check\"\n[requests.figures]\nkind = \"machine\"\nreason = \"look\"\n";

fn interface(name: &str) -> String {
    format!("hostler:plugin/{name}@{CONTRACT}")
}

/// A component that imports and exports empty instances of these names.
fn component(imports: &[&str], exports: &[&str], manifest: Option<&[u8]>) -> Vec<u8> {
    let mut builder = ComponentBuilder::default();
    let empty = builder.type_instance(None, &InstanceType::new());
    let mut instance = None;
    for name in imports {
        instance = Some(builder.import(*name, ComponentTypeRef::Instance(empty)));
    }
    let instance = instance.unwrap_or_else(|| builder.import("wasi:io/error@0.2.0", ComponentTypeRef::Instance(empty)));
    for name in exports {
        builder.export(*name, ComponentExportKind::Instance, instance, None);
    }
    if let Some(manifest) = manifest {
        builder.custom_section(&CustomSection { name: SECTION.into(), data: manifest.into() });
    }
    builder.finish()
}

fn plugin(imports: &[&str]) -> Vec<u8> {
    component(imports, &[&interface("task")], Some(MANIFEST.as_bytes()))
}

/// A component around a core module with these custom sections, as a compiler leaves them.
fn compiled(manifests: &[&str]) -> Vec<u8> {
    let mut module = Module::new();
    for manifest in manifests {
        module.section(&CustomSection { name: SECTION.into(), data: manifest.as_bytes().into() });
    }
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    component.finish()
}

fn manifest() -> Manifest {
    Manifest::parse(MANIFEST).expect("it is whole")
}

#[test]
fn a_plugin_is_read_with_its_imports() {
    let imported = [interface("machine"), interface("report"), "wasi:clocks/wall-clock@0.2.6".to_owned()];
    let bytes = plugin(&imported.each_ref().map(String::as_str));
    validate(&bytes).expect("it is valid");
    let manifest = extract(&bytes).expect("it has one");
    assert_eq!(manifest.plugin.name, "looker");
    let found = imports(&bytes, &manifest).expect("they are requested");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), imported);
}

#[test]
fn a_manifest_is_found_inside_a_module_too() {
    assert_eq!(extract(&compiled(&[MANIFEST])).expect("it has one").plugin.name, "looker");
    assert!(matches!(
        extract(&compiled(&[MANIFEST, &MANIFEST.replace("looker", "other")])),
        Err(ManifestError::Several(2))
    ));
}

#[test]
fn what_is_not_webassembly_is_called_so() {
    for bytes in
        [&b""[..], b"\0", b"\0asm", b"#!/bin/sh\necho\n", b"\x7fELF\x02\x01\x01\0\0\0\0\0", b"\0asn\x0d\0\x01\0"]
    {
        assert!(matches!(extract(bytes), Err(ManifestError::NotWebAssembly(_))), "{bytes:?}");
        assert!(matches!(contract(bytes), Err(ManifestError::NotWebAssembly(_))), "{bytes:?}");
    }
}

#[test]
fn a_core_module_is_called_so() {
    let mut module = Module::new();
    module.section(&CustomSection { name: SECTION.into(), data: MANIFEST.as_bytes().into() });
    let error = extract(&module.finish()).expect_err("it is no component");
    assert!(matches!(error, ManifestError::CoreModule));
    assert!(error.to_string().contains("wasm32-wasip2"), "{error}");
}

#[test]
fn a_missing_and_a_damaged_manifest_are_told_apart() {
    let task = interface("task");
    assert!(matches!(extract(&component(&[], &[&task], None)), Err(ManifestError::Missing)));
    for (manifest, expected) in [
        (&b"\xff\xfe"[..], "UTF-8"),
        (b"", "missing field"),
        (b"[plugin", "TOML"),
        (b"[plugin]\nname = 5", "line 2"),
        (&MANIFEST.as_bytes()[..60], "TOML"),
    ] {
        let error = extract(&component(&[], &[&task], Some(manifest))).expect_err("it is damaged");
        assert!(matches!(error, ManifestError::Damaged(_)), "{error}");
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
}

#[test]
fn texts_that_mislead_a_terminal_are_refused() {
    for text in ["look\\u001b[2K\\rharmless", "look\\nharmless", "l\\u202eook", "loo\\u200bk"] {
        let error = Manifest::parse(&MANIFEST.replace("= \"look\"", &format!("= \"{text}\""))).expect_err(text);
        assert!(error.to_string().contains("`requests.figures.reason`"), "{error}");
        assert!(!error.to_string().contains(|letter: char| letter.is_control()), "{error}");
    }
    let key = MANIFEST.replace("[requests.figures]", "[requests.\"a\\u001b\"]");
    assert!(Manifest::parse(&key).is_err_and(|error| !error.to_string().contains('\u{1b}')));
}

#[test]
fn an_import_without_a_request_is_named_with_the_kind_that_covers_it() {
    for (name, kind) in [
        ("postgres", "postgres"),
        ("redis", "redis"),
        ("files", "directory"),
        ("shell", "program"),
        ("network", "endpoint"),
        ("history", "history"),
    ] {
        let error = imports(&plugin(&[&interface(name)]), &manifest()).expect_err("it is not requested");
        let ManifestError::NotRequested { interface, kind: named } = &error else { panic!("{error}") };
        assert_eq!((interface.as_str(), *named), (name, kind));
    }
}

#[test]
fn what_every_plugin_has_needs_no_request() {
    for name in ["types", "run-context", "plan", "report", "log", "settings", "state", "machine"] {
        imports(&plugin(&[&interface(name)]), &manifest()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn an_import_that_no_host_serves_is_refused() {
    for name in ["somebody:else/thing@1.0.0".to_owned(), interface("secrets"), "plain".into(), interface("task")] {
        let error = imports(&plugin(&[&name]), &manifest()).expect_err("nobody serves it");
        assert!(matches!(&error, ManifestError::UnknownImport(found) if *found == name), "{error}");
    }
}

#[test]
fn a_hostile_file_cannot_write_to_the_terminal_through_an_error() {
    let escape = "a\u{1b}[2J\u{202e}";
    let versioned = format!("hostler:plugin/task@{escape}");
    for error in [
        imports(&plugin(&[escape]), &manifest()).expect_err("nobody serves it"),
        contract(&component(&[], &[&versioned], None)).expect_err("it is of another version"),
        extract(&component(&[], &[], Some(format!("[plugin]\nname = {escape}").as_bytes())))
            .expect_err("it is damaged"),
        validate(&plugin(&[escape])).expect_err("it is no name"),
    ] {
        let shown = error.to_string();
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    }
}

#[test]
fn another_version_of_the_contract_is_named() {
    let manifest = manifest();
    for bytes in [
        component(&[], &["hostler:plugin/task@0.2.0"], Some(MANIFEST.as_bytes())),
        component(&["hostler:plugin/machine@0.2.0"], &[&interface("task")], Some(MANIFEST.as_bytes())),
        component(&["hostler:plugin/machine@0.2.0"], &[], Some(b"of another version")),
    ] {
        let error = imports(&bytes, &manifest).expect_err("it is of another version");
        assert!(
            matches!(&error, ManifestError::OtherContract { found, served: CONTRACT } if found == "0.2.0"),
            "{error}"
        );
        assert!(contract(&bytes).is_err());
    }
}

#[test]
fn a_missing_export_is_named() {
    let error = imports(&component(&[], &[], Some(MANIFEST.as_bytes())), &manifest()).expect_err("it has none");
    assert!(matches!(&error, ManifestError::ExportMissing(name) if *name == interface("task")), "{error}");
    // An import of that name is no export, and neither is an export of a nested component.
    let task = interface("task");
    assert!(matches!(imports(&component(&[&task], &[], None), &manifest()), Err(ManifestError::ExportMissing(_))));
    let mut inner = Component::new();
    inner.section(&NestedComponentSection(&Component::new()));
    let mut bytes = Component::new().finish();
    let nested = plugin(&[]);
    let mut outer = Component::new();
    outer.section(&NestedComponentSection(&inner));
    bytes.extend(raw_component_section(&nested));
    assert!(matches!(imports(&bytes, &manifest()), Err(ManifestError::ExportMissing(_))));
    assert!(matches!(imports(&outer.finish(), &manifest()), Err(ManifestError::ExportMissing(_))));
}

#[test]
fn the_imports_of_a_nested_component_are_its_own_affair() {
    let mut bytes = plugin(&[&interface("machine")]);
    bytes.extend(raw_component_section(&plugin(&["somebody:else/thing@1.0.0"])));
    assert_eq!(imports(&bytes, &manifest()).expect("they are the inner one's").len(), 1);
}

fn raw_component_section(component: &[u8]) -> Vec<u8> {
    let mut section = vec![4];
    wasm_encoder::Encode::encode(&component.len(), &mut section);
    section.extend_from_slice(component);
    section
}

#[test]
fn a_manifest_is_written_and_written_anew() {
    let bytes = component(&[], &[&interface("task")], None);
    let packed = embed(&bytes, MANIFEST).expect("it is written");
    assert_eq!(extract(&packed).expect("it has one").plugin.name, "looker");
    validate(&packed).expect("it is still valid");
    let again = embed(&packed, &MANIFEST.replace("looker", "other")).expect("it is written anew");
    assert_eq!(extract(&again).expect("it has one").plugin.name, "other");
    validate(&again).expect("it is still valid");
    assert_eq!(again.len(), packed.len() - 1);
    // In the middle, between nested sections, nothing else is lost.
    let mut middle = packed.clone();
    middle.extend(raw_component_section(&bytes));
    let renewed = embed(&middle, MANIFEST).expect("it is written anew");
    assert_eq!(renewed.len(), middle.len());
    assert_eq!(extract(&renewed).expect("it has one").plugin.name, "looker");
    assert!(matches!(embed(&compiled(&[MANIFEST]), MANIFEST), Err(ManifestError::Several(_))));
    assert!(matches!(embed(&bytes, "nonsense"), Err(ManifestError::Damaged(_))));
    assert!(matches!(embed(b"\0asm\x01\0\0\0", MANIFEST), Err(ManifestError::CoreModule)));
}

#[test]
fn no_cut_and_no_flipped_byte_panics_and_most_are_noticed() {
    let bytes = plugin(&[&interface("machine"), &interface("report")]);
    let unharmed = |bytes: &[u8]| {
        let manifest = extract(bytes)?;
        imports(bytes, &manifest)?;
        validate(bytes)
    };
    unharmed(&bytes).expect("it is whole");
    for end in 0..bytes.len() {
        assert!(unharmed(&bytes[..end]).is_err(), "cut at {end}");
    }
    for at in 0..8 {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x40;
        assert!(unharmed(&bytes).is_err(), "flipped at {at}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), header in any::<bool>()) {
        let mut whole = if header { b"\0asm\x0d\0\x01\0".to_vec() } else { Vec::new() };
        whole.extend(bytes);
        let _ = extract(&whole);
        let _ = imports(&whole, &manifest());
        let _ = embed(&whole, MANIFEST);
        let _ = validate(&whole);
    }

    #[test]
    fn no_damage_panics(at in 0_usize..400, with in any::<u8>()) {
        let mut bytes = plugin(&[&interface("machine")]);
        let at = at % bytes.len();
        bytes[at] = with;
        let _ = extract(&bytes);
        let _ = imports(&bytes, &manifest());
        let _ = embed(&bytes, MANIFEST);
        let _ = validate(&bytes);
    }
}
