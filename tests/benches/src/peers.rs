//! The programs beside which is measured, and their versions.

use std::{path::PathBuf, process::Command};

/// The real psql: Debian's `/usr/bin/psql` is a Perl wrapper, which takes longer than psql itself.
pub(crate) fn psql() -> PathBuf {
    of_postgres("psql")
}

/// A program of the newest PostgreSQL itself.
pub(crate) fn of_postgres(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions
        .map(|version| version.path().join("bin").join(name))
        .filter(|path| path.exists())
        .max()
        .unwrap_or_else(|| name.into())
}

/// What was measured with what.
pub(crate) fn versions() -> Vec<(&'static str, String)> {
    let psql = psql().display().to_string();
    let hiredis = "import redis, hiredis; print('redis-py', redis.__version__, 'hiredis', hiredis.__version__)";
    let asked: [(&str, &[&str]); 10] = [
        ("hostler", &["hostler-bench", env!("CARGO_PKG_VERSION")]),
        ("rustc", &["rustc", "--version"]),
        ("PostgreSQL", &[&psql, "--version"]),
        ("Redis", &["redis-server", "--version"]),
        ("Python", &["/usr/bin/python3", "-c", hiredis]),
        ("Ansible", &["ansible-playbook", "--version"]),
        ("check_postgres", &["check_postgres", "--version"]),
        ("check_pgactivity", &["check_pgactivity", "--version"]),
        ("tar", &["tar", "--version"]),
        ("zstd", &["zstd", "--version"]),
    ];
    asked.iter().map(|(name, words)| (*name, version(words))).collect()
}

fn version(words: &[&str]) -> String {
    let (program, arguments) = words.split_first().expect("a program");
    if *program == "hostler-bench" {
        return format!("{}, wasmtime {}, release build", arguments.concat(), wasmtime());
    }
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("not installed");
    line.trim().chars().take(120).collect()
}

/// The version that is pinned.
fn wasmtime() -> &'static str {
    let lock = include_str!("../../../Cargo.lock");
    let package = lock.split("[[package]]").find(|package| package.contains("\nname = \"wasmtime\"\n"));
    package.and_then(|package| package.split("version = \"").nth(1)?.split('"').next()).unwrap_or("unknown")
}
