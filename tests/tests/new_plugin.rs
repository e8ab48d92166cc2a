//! A plugin of one's own in five minutes, by the README's commands: written, tested, built, checked.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use hostler_tests::{Hostler, Postgres, root};

/// One of the README's cargo commands. What it builds is kept for the next time, and its dependencies are those that
/// this workspace is locked to, so that nothing is fetched.
fn cargo(plugin: &Path, arguments: &[&str]) -> String {
    let built = Command::new("cargo")
        .args(arguments)
        .arg("--offline")
        .current_dir(plugin)
        .env("CARGO_TARGET_DIR", root().join("target/new-plugin"))
        .stdin(Stdio::null())
        .output()
        .expect("cargo starts");
    let said = String::from_utf8_lossy(&built.stdout).into_owned() + &String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "cargo {arguments:?}: {said}");
    said
}

#[test]
fn a_new_plugin_is_tested_built_and_checked() {
    let host = Hostler::new("");
    let sdk = root().join("sdk").display().to_string();
    let made = host.run(&["new", "shop-check", "--sdk", &sdk]);
    assert_eq!(made.code, 0, "{made:?}");
    let plugin = host.path().join("shop-check");
    fs::copy(root().join("Cargo.lock"), plugin.join("Cargo.lock")).expect("the lock is copied");
    let tested = cargo(&plugin, &["test"]);
    assert!(tested.contains("2 passed"), "{tested}");
    cargo(&plugin, &["build", "--release", "--target", "wasm32-wasip2"]);
    let component = root().join("target/new-plugin/wasm32-wasip2/release/shop_check.wasm").display().to_string();
    let server = Postgres::start();
    let bind = format!("database={}", server.superuser());
    let checked = host.run(&["check", &component, "--accept", "--bind", &bind]);
    assert!(checked.code == 0 && checked.stdout.contains("1 connection\n"), "{checked:?}");
}
