//! Files that may become plugins, and what is said of them before anybody consents.

mod support;

use std::{fs, process::Command};

use hostler_manifest::{CONTRACT, ManifestError};
use hostler_registry::{LARGEST, RegistryError, discover, examine, examine_file};
use support::{DATABASE, candidate, component, manifest, plugin};

#[test]
fn a_plugin_is_examined_without_being_run() {
    let candidate = candidate("looker", "1.2.0", DATABASE);
    assert_eq!(candidate.manifest.plugin.name, "looker");
    assert_eq!(candidate.digest.len(), "sha256:".len() + 64);
    assert_eq!(candidate.size(), candidate.bytes().len() as u64);
    assert!(candidate.imports.contains("wasi:io/error@0.2.6"));
    assert!(candidate.warnings().is_empty());
}

#[test]
fn what_is_no_plugin_says_what_it_is() {
    let task = |error: RegistryError| match error {
        RegistryError::Manifest(error) => error,
        other => panic!("{other}"),
    };
    let core = b"\0asm\x01\0\0\0".to_vec();
    let other = component(&["machine"], "0.2.0", Some("[plugin]\nof = \"another version\""), "");
    let unrequested = component(&["postgres"], CONTRACT, Some(&manifest("a", "1.0.0", "check", "")), "");
    let no_manifest = component(&[], CONTRACT, None, "");
    let damaged = component(&[], CONTRACT, Some("[plugin"), "");
    for (bytes, no_plugin) in [
        (b"#!/bin/sh".to_vec(), true),
        (core, true),
        (no_manifest, true),
        (damaged, false),
        (other, false),
        (unrequested, false),
    ] {
        let error = examine(bytes).expect_err("it is no plugin");
        assert_eq!(error.is_no_plugin(), no_plugin, "{error}");
    }
    let other = component(&["machine"], "0.2.0", Some("[plugin]\nof = \"another version\""), "");
    let error = task(examine(other).expect_err("it is of another version"));
    assert!(matches!(&error, ManifestError::OtherContract { found, .. } if found == "0.2.0"), "{error}");
}

#[test]
fn a_plugin_that_only_looks_asks_for_no_command_that_changes() {
    let request = |words: &str| format!("[requests.server]\nkind = \"redis\"\nreason = \"see\"\nallow = [{words}]\n");
    let made = |mode, words| component(&[], CONTRACT, Some(&manifest("looker", "1.0.0", mode, &request(words))), "");
    for words in ["\"+info\", \"+scan\", \"~*\"", "\"+expire\", \"read-only\"", "\"+@read\", \"%R~*\""] {
        examine(made("check", words)).unwrap_or_else(|error| panic!("{words}: {error}"));
    }
    for words in ["\"+info\", \"+expire\", \"~*\"", "\"+@write\"", "\"+nobody.knows\""] {
        let error = examine(made("check", words)).expect_err("it would change something").to_string();
        assert!(error.contains("requests.server") && error.contains("mode = \"apply\""), "{words}: {error}");
        examine(made("apply", words)).unwrap_or_else(|error| panic!("{words}: {error}"));
    }
}

#[test]
fn damaged_code_is_noticed_before_it_is_installed() {
    let mut bytes = plugin("looker", "1.0.0", "");
    // A core module whose body is nonsense, as a section of the component.
    bytes.extend([1, 10, 0, b'a', b's', b'm', 1, 0, 0, 0, 10, 0]);
    assert!(matches!(examine(bytes), Err(RegistryError::Manifest(ManifestError::NotWebAssembly(_)))));
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("large.wasm");
    fs::File::create(&path).and_then(|file| file.set_len(LARGEST + 1)).expect("a sparse file");
    assert!(matches!(examine_file(&path), Err(RegistryError::TooLarge { .. })));
    let bytes = vec![0; usize::try_from(LARGEST).expect("it fits") + 1];
    assert!(matches!(examine(bytes), Err(RegistryError::TooLarge { .. })));
}

#[test]
fn a_fifo_and_a_directory_do_not_hold_it_up() {
    let directory = tempfile::tempdir().expect("a directory");
    let fifo = directory.path().join("fifo.wasm");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo is there").success());
    for path in [fifo.as_path(), directory.path()] {
        assert!(matches!(examine_file(path), Err(RegistryError::NotAFile { .. })), "{}", path.display());
    }
    let error = examine_file(&directory.path().join("nothing.wasm")).expect_err("it is not there");
    assert!(error.to_string().contains("nothing.wasm: cannot be read"), "{error}");
}

#[test]
fn a_plugin_that_can_send_what_it_reads_is_shown_as_such() {
    let endpoint = "[requests.site]\nkind = \"endpoint\"\nreason = \"tell somebody\"\n";
    let figures = "[requests.figures]\nkind = \"machine\"\nreason = \"look\"\n";
    let backups = "[requests.backups]\nkind = \"directory\"\nreason = \"keep\"\naccess = \"write\"\n";
    let cache = "[requests.cache]\nkind = \"redis\"\nreason = \"keep\"\nallow = [\"+get\", \"+set\", \"~*\"]\n";
    let reading = "[requests.cache]\nkind = \"redis\"\nreason = \"keep\"\nallow = [\"+get\", \"~*\"]\n";
    let warnings = |requests: &str| candidate("a", "1.0.0", requests).warnings();
    assert_eq!(
        warnings(&format!("{DATABASE}{endpoint}")),
        ["it can send what it reads from `database` (postgres) to `site` (endpoint)"]
    );
    assert_eq!(
        warnings(&format!("{DATABASE}{backups}")),
        ["it can copy what it reads from `database` (postgres) to `backups` (directory)"]
    );
    assert_eq!(
        warnings(&format!("{DATABASE}{cache}")),
        ["it can copy what it reads from `database` (postgres) to `cache` (redis)"]
    );
    for harmless in [endpoint, backups, cache, &format!("{figures}{endpoint}"), &format!("{DATABASE}{reading}")] {
        assert!(warnings(harmless).is_empty(), "{harmless}");
    }
    assert_eq!(warnings(&DATABASE.replace("public.*", "*.*")), ["it can read every table of `database`"]);
}

#[test]
fn a_directory_gives_its_plugins_and_those_of_its_build() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |path: &str, bytes: &[u8]| {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
        fs::write(path, bytes).expect("it is written");
    };
    write("b.wasm", &plugin("bravo", "1.0.0", ""));
    write("a.wasm", &plugin("alpha", "1.0.0", ""));
    write("core.wasm", b"\0asm\x01\0\0\0");
    write("broken.wasm", &component(&[], CONTRACT, Some("[plugin"), ""));
    write("notes.txt", b"nothing");
    write("below/hidden.wasm", &plugin("hidden", "1.0.0", ""));
    write("target/wasm32-wasip2/release/bravo.wasm", &plugin("bravo", "1.0.0", ""));
    write("target/wasm32-wasip2/release/alpha.wasm", &plugin("alpha", "2.0.0", ""));
    write("target/wasm32-wasip2/release/charlie.wasm", &plugin("charlie", "1.0.0", ""));
    write("target/wasm32-wasip2/debug/delta.wasm", &plugin("delta", "1.0.0", ""));
    let found: Vec<_> = discover(directory.path())
        .expect("it is read")
        .into_iter()
        .map(|found| {
            let name = found.path.strip_prefix(directory.path()).expect("it is inside").display().to_string();
            let outcome = match found.plugin {
                Ok(candidate) => candidate.manifest.plugin.name,
                Err(error) if error.is_no_plugin() => "passed over".into(),
                Err(RegistryError::Twice { .. }) => "twice".into(),
                Err(_) => "wrong".into(),
            };
            (name, outcome)
        })
        .collect();
    let expected = [
        ("a.wasm", "alpha"),
        ("b.wasm", "bravo"),
        ("broken.wasm", "wrong"),
        ("core.wasm", "passed over"),
        ("target/wasm32-wasip2/release/alpha.wasm", "twice"),
        ("target/wasm32-wasip2/release/charlie.wasm", "charlie"),
    ];
    assert_eq!(found, expected.map(|(path, outcome)| (path.to_owned(), outcome.to_owned())));
    assert!(discover(&directory.path().join("nowhere")).is_err());
}
