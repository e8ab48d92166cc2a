//! The smallest plugin in Python, built by componentize-py against the same contract, packed and run.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use hostler_tests::{Hostler, Postgres, root};

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").flatten() {
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
    }
}

#[test]
fn a_plugin_in_python_counts_connections() {
    let host = Hostler::new("");
    let (source, wit) = (root().join("sdk/python/connections"), host.path().join("wit"));
    copy_directory(&source.join("wit"), &wit);
    copy_directory(&root().join("wit"), &wit.join("deps/hostler"));
    let file = host.path().join("connections.wasm");
    let built = Command::new(root().join("target/venv/bin/componentize-py"))
        .arg("-d")
        .arg(&wit)
        .args(["-w", "connections", "componentize", "app", "-o"])
        .arg(&file)
        .current_dir(&source)
        .stdin(Stdio::null())
        .output()
        .expect("componentize-py is installed: `make test` installs it");
    assert!(built.status.success(), "{built:?}");
    let file = file.display().to_string();
    let manifest = source.join("plugin.toml").display().to_string();
    assert_eq!(host.run(&["pack", &file, &manifest]).code, 0);
    let server = Postgres::start();
    let bind = format!("database={}", server.superuser());
    let checked = host.run(&["check", &file, "--accept", "--bind", &bind, "--format", "json"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.stdout.contains("connections"), "{checked:?}");
}
