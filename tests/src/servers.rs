//! Which PostgreSQL there is: Debian's, and the other major versions that `scripts/set-up` puts into target/servers.
//!
//! PostgreSQL will not start as root, so root's tests start it as the user postgres; and a checkout is often where that
//! user may not go, such as below /root. Then the programs are copied once to where it may.

use std::{
    fs,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::root;

/// The major versions that a test can start, the oldest first.
pub fn servers() -> Vec<u32> {
    let mut all: Vec<u32> = [Path::new("/usr/lib/postgresql"), &root().join("target/servers")]
        .into_iter()
        .flat_map(numbers)
        .filter(|version| found(*version).is_some())
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The directory of a major version's programs, which the user of the tests' servers can start.
///
/// # Panics
/// Where that version is not installed.
pub fn programs(version: u32) -> PathBuf {
    let programs = found(version)
        .unwrap_or_else(|| panic!("PostgreSQL {version} is not installed: `scripts/set-up test` installs it"));
    match other_user() {
        Some(user) if !starts(&programs.join("postgres"), user) => copied(&programs).join("bin"),
        _ => programs,
    }
}

/// The newest of the distribution's servers.
pub(crate) fn newest() -> u32 {
    let newest = numbers(Path::new("/usr/lib/postgresql")).into_iter().max();
    newest.expect("PostgreSQL is installed: `make test` installs it")
}

/// Whom servers belong to where the tests run as root, as user and group.
pub(crate) fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.starts_with("postgres:"))?;
    let fields: Vec<_> = line.split(':').collect();
    Some((fields[2].parse().ok()?, fields[3].parse().ok()?))
}

fn numbers(directory: &Path) -> Vec<u32> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn found(version: u32) -> Option<PathBuf> {
    let number = version.to_string();
    [Path::new("/usr/lib/postgresql").join(&number), root().join("target/servers").join(&number)]
        .into_iter()
        .map(|directory| directory.join("bin"))
        .find(|programs| programs.join("postgres").is_file())
}

fn starts(program: &Path, (user, group): (u32, u32)) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").uid(user).gid(group).current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A copy of the package that these programs are in, for everybody to read and start. It stays for the next tests, under
/// the package's version.
fn copied(programs: &Path) -> PathBuf {
    let server = programs.parent().expect("bin/ is in a directory").canonicalize().expect("it is there");
    let packages = root().join("target/servers/packages").canonicalize().expect("set-up made it");
    let inside = server.strip_prefix(&packages).expect("target/servers/N is a link to a package");
    let package = inside.components().next().expect("a package has a directory");
    let all = std::env::temp_dir().join("hostler-servers");
    let _ = fs::DirBuilder::new().mode(0o755).create(&all);
    let owner = fs::symlink_metadata(&all).expect("the directory of copies").uid();
    assert_eq!(owner, rustix::process::geteuid().as_raw(), "{} belongs to somebody else: remove it", all.display());
    let copy = all.join(package);
    if !copy.is_dir() {
        // Tests run side by side: whoever is last finds that another was faster.
        let fresh = tempfile::Builder::new().prefix(".copy-").tempdir_in(&all).expect("a directory");
        let to = fresh.path().join("package");
        let mut copying = Command::new("cp");
        let copying = copying.args(["-R", "-P"]).arg(packages.join(package)).arg(&to).status();
        assert!(copying.is_ok_and(|status| status.success()), "the servers can be copied to {}", all.display());
        let opened = Command::new("chmod").args(["-R", "a+rX"]).arg(&to).status();
        assert!(opened.is_ok_and(|status| status.success()), "the copy can be opened to everybody");
        let _ = fs::rename(&to, &copy);
    }
    fs::set_permissions(&all, fs::Permissions::from_mode(0o755)).expect("it is ours");
    all.join(inside)
}
