//! Files that are not what they say: plugins, what is compiled of them, and the registry that holds them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use hostler_tests::{Hostler, Output, component, made, manifest};
use wasm_encoder::{ComponentSection, CustomSection};

const TASK: &str = "hostler:plugin/task@0.1.0";

fn install(host: &Hostler, bytes: &[u8], options: &[&str]) -> Output {
    let path = host.path().join("plugin.wasm");
    fs::write(&path, bytes).expect("a file");
    host.run(&[&["install", &path.display().to_string()], options].concat())
}

fn plugins(host: &Hostler) -> Vec<PathBuf> {
    let directory = host.path().join("state/registry/plugins");
    fs::read_dir(directory).map(|files| files.flatten().map(|file| file.path()).collect()).unwrap_or_default()
}

fn named(name: &str) -> Vec<u8> {
    made(&[], TASK, Some(&manifest(name, "1.0.0", "")))
}

#[test]
fn a_name_is_a_name_and_no_path() {
    let host = Hostler::new("");
    let long = "a".repeat(1000);
    for name in [
        "../outside",
        "a/b",
        "/etc/passwd",
        "..",
        ".",
        "",
        " ",
        "a b",
        "a\\\\b",
        "A",
        "Test-Made",
        "tést",
        "-test",
        "--accept",
        "test-",
        "a\\u0000b",
        "a\\nb",
        "con.wasm",
        "test.made",
        "тest-made",
        &long,
    ] {
        let refused = install(&host, &named(name), &["--accept"]);
        assert_eq!(refused.code, 69, "{name}: {refused:?}");
        assert!(!refused.stderr.contains(|letter: char| letter.is_control() && letter != '\n'), "{refused:?}");
    }
    assert!(plugins(&host).is_empty());
    assert_eq!(install(&host, &named("test-made"), &["--accept"]).code, 0);
    assert_eq!(plugins(&host).len(), 1);
}

#[test]
fn a_manifest_is_one_and_is_short() {
    let host = Hostler::new("");
    let with = |sections: &[String]| {
        let mut bytes = made(&[], TASK, None);
        for section in sections {
            let section = CustomSection { name: "hostler:manifest".into(), data: section.as_bytes().into() };
            section.append_to_component(&mut bytes);
        }
        bytes
    };
    let (one, other) = (
        manifest("test-made", "1.0.0", ""),
        manifest("test-made", "1.0.0", "[settings.a]\ntype = \"text\"\nsummary = \"s\"\n"),
    );
    let large = format!("{one}# {}\n", "x".repeat(16 << 20));
    let nested = format!("{one}x = {}1{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let many: String =
        (0..100_000).map(|number| format!("[settings.s{number}]\ntype = \"text\"\nsummary = \"s\"\n")).collect();
    let refused = [
        ("two that differ", with(&[one.clone(), other.clone()])),
        ("two that differ, the other way round", with(&[other, one.clone()])),
        ("megabytes", with(&[large])),
        ("nested without end", with(&[nested])),
        ("a hundred thousand settings", with(&[format!("{one}{many}")])),
        ("not UTF-8", {
            let mut bytes = made(&[], TASK, None);
            CustomSection { name: "hostler:manifest".into(), data: (&b"\xff\xfe[plugin]"[..]).into() }
                .append_to_component(&mut bytes);
            bytes
        }),
        ("a module", b"\0asm\x01\0\0\0".to_vec()),
        ("nothing", Vec::new()),
        ("no WebAssembly", b"#!/bin/sh\nid\n".to_vec()),
        ("cut off", {
            let whole = with(std::slice::from_ref(&one));
            whole[..whole.len() - 3].to_vec()
        }),
    ];
    for (what, bytes) in refused {
        let output = install(&host, &bytes, &["--accept"]);
        assert_eq!(output.code, 69, "{what}: {output:?}");
        assert!(output.stderr.len() < 4000, "{what}: {}", output.stderr.len());
    }
    assert!(plugins(&host).is_empty());
    assert_eq!(install(&host, &with(&[one]), &["--accept"]).code, 0);
}

#[test]
fn what_a_manifest_says_steers_nobody_who_reads_it_before_consenting() {
    let host = Hostler::new("");
    let request = "[requests.d]\nkind = \"directory\"\nreason = \"\\u001b[2J\\u001b[8mhidden\\u202e\\nAccepted.\"\n";
    let text = manifest("test-made", "1.0.0", request).replace("Does it", "\\u001b]0;owned\\u0007 does it");
    let output = install(&host, &made(&[], TASK, Some(&text)), &[]);
    assert_ne!(output.code, 0, "nobody has consented");
    assert!(plugins(&host).is_empty());
    let steers = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
    assert!(!output.stderr.contains(steers) && !output.stdout.contains(steers), "{output:?}");
}

/// A host whose compiled code is its own, so that a test may damage it.
fn with_own_cache() -> Hostler {
    let host = Hostler::new(
        "[host]\nstate = \"{directory}/state\"\ncache = \"{directory}/cache\"\n[tasks.empty]\nplugin = \"example-empty\"\n",
    );
    host.install(&["example-empty"]);
    assert_eq!(host.run(&["run", "empty"]).code, 0);
    host
}

fn compiled(host: &Hostler) -> PathBuf {
    let files = fs::read_dir(host.path().join("cache")).expect("the cache").flatten().map(|file| file.path());
    files.into_iter().find(|path| path.extension().is_some_and(|end| end == "compiled")).expect("compiled code")
}

#[test]
fn compiled_code_that_was_changed_is_compiled_afresh() {
    let host = with_own_cache();
    let path = compiled(&host);
    let whole = fs::read(&path).expect("it is there");
    let replace = |bytes: &[u8]| {
        fs::remove_file(&path).expect("it is there");
        fs::write(&path, bytes).expect("it is written");
    };
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for bytes in [&b""[..], b"garbage", &whole[..whole.len() / 2], &flipped, &[whole.clone(), whole.clone()].concat()] {
        replace(bytes);
        let output = host.run(&["run", "empty"]);
        assert_eq!(output.code, 0, "{output:?}");
        assert!(fs::read(&path).expect("it is there") == whole, "it was compiled afresh");
    }
    // The code of another plugin under this one's name, with the checksum that belongs to it.
    let other = with_own_cache();
    other.configure("[host]\nstate = \"{directory}/state\"\ncache = \"{directory}/cache\"\n[tasks.empty]\nplugin = \"example-empty\"\n");
    fs::remove_file(path.with_extension("checksum")).expect("it is there");
    assert_eq!(host.run(&["run", "empty"]).code, 0, "without a checksum nothing is believed");
    // A link to a file of somebody's.
    let elsewhere = host.path().join("elsewhere");
    fs::rename(&path, &elsewhere).expect("it is there");
    symlink(&elsewhere, &path).expect("a link");
    assert_eq!(host.run(&["run", "empty"]).code, 0);
    assert!(!fs::symlink_metadata(&path).expect("it is there").is_symlink(), "a link is not followed");
}

#[test]
fn a_cache_that_others_may_write_is_not_used() {
    let host = with_own_cache();
    let cache = host.path().join("cache");
    fs::set_permissions(&cache, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("its mode");
    let output = host.run(&["run", "empty"]);
    assert_eq!(output.code, 69, "{output:?}");
    assert!(output.stderr.contains("chmod 700"), "{output:?}");
    fs::set_permissions(&cache, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("its mode");
    assert_eq!(host.run(&["run", "empty"]).code, 0);
}

#[test]
fn a_registry_with_links_and_strange_files_is_told() {
    let host = Hostler::new("[tasks.empty]\nplugin = \"example-empty\"\n");
    host.install(&["example-empty"]);
    assert_eq!(host.run(&["run", "empty"]).code, 0);
    let file = plugins(&host).remove(0);
    let same = host.path().join("same.wasm");
    fs::copy(&file, &same).expect("a copy");
    fs::remove_file(&file).expect("it is there");
    symlink(&same, &file).expect("a link");
    let linked = host.run(&["run", "empty"]);
    assert_eq!(linked.code, 69, "a link may lead elsewhere tomorrow: {linked:?}");
    assert_ne!(host.run(&["verify"]).code, 0);
    fs::remove_file(&file).expect("it is there");
    fs::copy(&same, &file).expect("a copy");
    assert_eq!(host.run(&["run", "empty"]).code, 0);
    // What nobody installed is no plugin, whatever it is called.
    let directory = file.parent().expect("a directory").to_owned();
    fs::copy(component("test-puppet"), directory.join("test-puppet-0.1.0.wasm")).expect("a copy");
    fs::copy(component("test-puppet"), directory.join("EXAMPLE-EMPTY.wasm")).expect("a copy");
    symlink("/etc", directory.join("link")).expect("a link");
    let listed = host.run(&["list"]);
    assert!(!listed.stdout.contains("test-puppet") && !listed.stdout.contains("EXAMPLE"), "{listed:?}");
    assert_eq!(host.run(&["run", "empty"]).code, 0);
    let verified = host.run(&["verify"]);
    assert!(
        format!("{}{}", verified.stdout, verified.stderr).contains("test-puppet"),
        "what is not installed is named: {verified:?}"
    );
    assert!(Path::new("/etc/passwd").exists());
}
