//! The plugins as they are installed: one component each, its manifest inside, and no way to anything that it does not
//! ask for.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use hostler_manifest::{Manifest, SettingKind, extract, imports};

/// Every plugin is compiled on every machine that it is installed on, so it is to stay below this, its manifest aside.
const LARGEST: usize = 300_000;

/// Those that do not yet, and what they may have: each asynchronous call costs about 2.5 KB of generated code,
/// x509-parser cannot be taken in parts, what reads JSON brings serde_json's reader, and what reads lines by the million
/// is built for speed. None is to grow, and none is to be added without a reason.
const LARGER: &[(&str, usize)] = &[
    ("backup-freshness", 340_000),
    ("backup-postgres-base", 458_000),
    ("backup-postgres-dump", 450_000),
    ("backup-restore-test", 402_000),
    ("backup-verify", 375_000),
    ("monitoring-dashboards", 353_000),
    ("monitoring-metrics", 337_000),
    ("monitoring-rollup", 440_000),
    ("node-dependencies", 377_000),
    ("node-runtime", 382_000),
    ("postgres-archive", 445_000),
    ("postgres-failover", 386_000),
    ("postgres-compact", 355_000),
    ("postgres-index-health", 310_000),
    ("postgres-partitions", 325_000),
    ("postgres-tuning", 325_000),
    ("postgres-vacuum", 345_000),
    ("redis-consistency", 315_000),
    ("redis-snapshot", 340_000),
    ("redis-warm", 388_000),
    ("security-access-logs", 480_000),
    ("security-certificates", 528_000),
    ("security-failed-logins", 445_000),
    ("security-firewall", 412_000),
    ("security-permissions", 442_000),
    ("security-rate-limits", 380_000),
    ("security-renew-certificates", 462_000),
    ("security-vulnerabilities", 468_000),
    ("system-documentation", 315_000),
    ("system-compliance", 515_000),
    ("system-error-logs", 360_000),
    ("system-logs-rotation", 400_000),
    ("system-patch", 348_000),
    ("system-maintenance-window", 369_000),
    ("system-temp-files", 364_000),
    ("system-updates", 330_000),
];

/// Interfaces that every plugin may import.
const BASE: [&str; 7] = ["types", "run-context", "plan", "report", "log", "settings", "state"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Directories of plugins, as `AREA/TASK`.
fn plugins() -> Vec<PathBuf> {
    let children = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).expect("the directory is there");
        entries.map(|entry| entry.expect("it can be read").path()).collect()
    };
    let areas = children(&root().join("plugins"));
    let mut plugins: Vec<PathBuf> = areas.iter().filter(|area| area.is_dir()).flat_map(|area| children(area)).collect();
    plugins.retain(|plugin| plugin.join("plugin.toml").is_file());
    plugins.sort();
    plugins
}

fn package(plugin: &Path) -> String {
    let names: Vec<_> = plugin.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
    format!("{}-{}", names[1], names[0])
}

/// Builds the packages as `make plugins` does, and returns where their components are.
fn build(packages: &[String]) -> PathBuf {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root()).args(["build", "--quiet", "--profile", "plugin", "--target", "wasm32-wasip2"]);
    for package in packages {
        command.args(["--package", package]);
    }
    // What the test itself was built with is not meant for WebAssembly.
    for (name, _) in std::env::vars().filter(|(name, _)| name.contains("RUSTFLAGS") || name.starts_with("CARGO_PKG_")) {
        command.env_remove(name);
    }
    assert!(command.status().expect("cargo can be started").success(), "the plugins do not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("wasm32-wasip2/plugin")
}

#[test]
fn each_component_has_its_manifest_and_imports_what_it_requests() {
    let plugins = plugins();
    assert!(plugins.len() >= 31, "{plugins:?}");
    let packages: Vec<String> = plugins.iter().map(|plugin| package(plugin)).collect();
    let built = build(&packages);
    let mut large = vec![];
    for (plugin, package) in plugins.iter().zip(&packages) {
        let bytes = fs::read(built.join(format!("{}.wasm", package.replace('-', "_")))).expect(package);
        let written = fs::read_to_string(plugin.join("plugin.toml")).expect(package);
        let manifest = extract(&bytes).unwrap_or_else(|error| panic!("{package}: {error}"));
        assert_eq!(manifest, Manifest::parse(&written).expect(package), "{package}");
        assert_eq!(&manifest.plugin.name, package);
        let imported = imports(&bytes, &manifest).unwrap_or_else(|error| panic!("{package}: {error}"));
        let used: BTreeSet<&str> = imported
            .iter()
            .filter_map(|import| import.strip_prefix("hostler:plugin/")?.split_once('@'))
            .map(|(interface, _)| interface)
            .filter(|interface| !BASE.contains(interface))
            .collect();
        let requested: BTreeSet<&str> = manifest.requests.values().map(|request| request.interface()).collect();
        assert_eq!(used, requested, "{package} imports what it requests, and nothing else");
        let reach: Vec<&String> = imported
            .iter()
            .filter(|import| {
                ["wasi:sockets", "wasi:filesystem", "wasi:http"].iter().any(|denied| import.starts_with(denied))
            })
            .collect();
        assert!(reach.is_empty(), "{package} reaches for {reach:?}");
        // Of what is compiled: the manifest in it is only read.
        let length = bytes.len() - written.len();
        let limit = LARGER.iter().find(|(larger, _)| larger == package).map_or(LARGEST, |(_, limit)| *limit);
        if length >= limit {
            large.push(format!("{package} has {length} bytes, and may have {limit}"));
        }
    }
    assert!(large.is_empty(), "too large: {large:#?}");
}

/// Beside a `rlib`, Cargo leaves link-time optimisation out, and a component is an eighth larger.
#[test]
fn each_plugin_is_linked_as_a_component_alone() {
    for plugin in plugins() {
        let written = fs::read_to_string(plugin.join("Cargo.toml")).expect("it is readable");
        assert!(written.contains("crate-type = [\"cdylib\"]"), "{}", package(&plugin));
    }
}

#[test]
fn each_setting_says_what_it_is_what_holds_without_it_and_how_far_it_goes() {
    for plugin in plugins() {
        let name = package(&plugin);
        let written = fs::read_to_string(plugin.join("plugin.toml")).expect("it is readable");
        for (key, setting) in Manifest::parse(&written).expect("it is a manifest").settings {
            let summary = &setting.summary;
            assert!(summary.len() > 20, "{name}: what {key} is: {summary}");
            let says = setting.required || summary.contains("without it");
            assert!(
                setting.default.is_some() || says,
                "{name}: {key} has no default, and its summary does not say what holds"
            );
            let counts = matches!(setting.kind, SettingKind::Integer | SettingKind::Number | SettingKind::Duration);
            assert!(!counts || setting.minimum.is_some(), "{name}: {key} has no least value");
        }
    }
}
