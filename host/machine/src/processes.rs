//! Processes: their names, users and units, and whether they run code that is no longer there.
//!
//! Neither arguments nor environments are read: they hold secrets.

use std::{collections::BTreeMap, ffi::OsString, io, os::unix::ffi::OsStringExt, path::Path};

use hostler_capability::escape_name;
use hostler_world::machine::Process;

use crate::Problem;

/// How the kernel marks a file without a name.
const DELETED: &[u8] = b" (deleted)";
/// Files without a name that programs make on purpose, to run what they compile.
const ON_PURPOSE: [&[u8]; 6] = [b"/memfd:", b"/dev/", b"/tmp/", b"/var/tmp/", b"/SYSV", b"/[aio]"];

/// # Errors
/// Where /proc cannot be read.
pub(crate) fn processes() -> Result<Vec<Process>, Problem> {
    if let Err(source) = std::fs::read_dir("/proc") {
        return Err(Problem::Unreadable { file: "/proc".into(), source });
    }
    let mut users = BTreeMap::new();
    // One that ended meanwhile is left out.
    Ok(numbers().into_iter().filter_map(|number| process(number, &mut users)).collect())
}

fn process(number: u32, users: &mut BTreeMap<u32, String>) -> Option<Process> {
    let status = crate::errors::read(&format!("/proc/{number}/status")).ok()?;
    let uid = uid(&status)?;
    let user = users.entry(uid).or_insert_with(|| user_name(uid)).clone();
    let unit = crate::errors::read(&format!("/proc/{number}/cgroup")).ok().and_then(|groups| unit(&groups));
    Some(Process { id: number, name: name(number), user, unit, deleted_code: runs_deleted(number) })
}

/// The numbers of all processes.
pub(crate) fn numbers() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// A process's name, as the kernel has it; empty where it ended.
pub(crate) fn name(number: u32) -> String {
    let name = std::fs::read(format!("/proc/{number}/comm")).unwrap_or_default();
    escape_name(name.strip_suffix(b"\n").unwrap_or(&name))
}

/// What a process's file descriptors lead to, with the descriptors.
///
/// # Errors
/// Where the host may not look, or the process ended.
pub(crate) fn links(number: u32) -> io::Result<Vec<(OsString, OsString)>> {
    let entries = std::fs::read_dir(format!("/proc/{number}/fd"))?;
    let link =
        |entry: std::fs::DirEntry| Some((entry.file_name(), std::fs::read_link(entry.path()).ok()?.into_os_string()));
    Ok(entries.flatten().filter_map(link).collect())
}

pub(crate) fn uid(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse().ok())
}

fn user_name(uid: u32) -> String {
    let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

/// The systemd unit: the first part of the control group's path that is no slice.
pub(crate) fn unit(groups: &str) -> Option<String> {
    let group = |line: &'_ str| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?.to_owned(), fields.next()?.to_owned());
        (controllers.is_empty() || controllers == "name=systemd").then_some(path)
    };
    let paths: Vec<_> = groups.lines().filter_map(group).collect();
    let is_unit =
        |part: &&str| [".service", ".scope", ".socket", ".mount", ".swap"].iter().any(|kind| part.ends_with(kind));
    paths.iter().find_map(|path| path.split('/').find(is_unit).map(str::to_owned))
}

/// Where the host may not look, it is taken to run what is there.
fn runs_deleted(number: u32) -> bool {
    let directory = format!("/proc/{number}");
    let program = std::fs::read_link(Path::new(&directory).join("exe"));
    if program.is_ok_and(|path| is_deleted(&path.into_os_string().into_vec())) {
        return true;
    }
    let maps = std::fs::read(Path::new(&directory).join("maps")).unwrap_or_default();
    maps.split(|byte| *byte == b'\n').any(maps_deleted)
}

/// `address perms offset device inode path`, whose executable part comes from a file without a name.
pub(crate) fn maps_deleted(line: &[u8]) -> bool {
    line.ends_with(DELETED)
        && line.split(|byte| *byte == b' ').nth(1).is_some_and(|permissions| permissions.contains(&b'x'))
        && line.iter().position(|byte| *byte == b'/').is_some_and(|at| is_deleted(&line[at..]))
}

fn is_deleted(path: &[u8]) -> bool {
    path.ends_with(DELETED) && !ON_PURPOSE.iter().any(|prefix| path.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_first_part_that_is_no_slice() {
        for (groups, expected) in [
            ("0::/system.slice/postgresql@15-main.service\n", Some("postgresql@15-main.service")),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n", Some("user@1000.service")),
            ("2:cpu:/x.service\n1:name=systemd:/system.slice/ssh.service\n", Some("ssh.service")),
            ("0::/user.slice/user-0.slice/session-3.scope\n", Some("session-3.scope")),
            ("0::/\n", None),
        ] {
            assert_eq!(unit(groups).as_deref(), expected, "{groups}");
        }
    }

    #[test]
    fn deleted_code_is_what_is_executable_and_was_not_made_on_purpose() {
        for (line, expected) in [
            ("7f00-7f01 r-xp 00000000 08:01 42   /usr/lib/libssl.so.3 (deleted)", true),
            ("7f00-7f01 r--p 00000000 08:01 42   /usr/lib/libssl.so.3 (deleted)", false),
            ("7f00-7f01 r-xp 00000000 08:01 42   /usr/lib/libssl.so.3", false),
            ("7f00-7f01 rwxp 00000000 00:01 42   /memfd:jit (deleted)", false),
            ("7f00-7f01 rw-s 00000000 00:01 42   /dev/zero (deleted)", false),
            ("7f00-7f01 r-xp 00000000 00:00 0    [vdso]", false),
        ] {
            assert_eq!(maps_deleted(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn a_process_whose_program_was_replaced_is_told() {
        let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory outside /tmp");
        let program = directory.path().join("sleeper");
        std::fs::copy("/bin/sleep", &program).expect("a program");
        let mut child = std::process::Command::new(&program).arg("60").spawn().expect("it starts");
        let told = |number| processes().expect("every Linux tells").into_iter().find(|process| process.id == number);
        let before = told(child.id()).expect("it runs");
        std::fs::remove_file(&program).expect("it is there");
        let after = told(child.id()).expect("it runs");
        child.kill().expect("it runs");
        child.wait().expect("it was started");
        assert_eq!((before.name.as_str(), before.deleted_code, after.deleted_code), ("sleeper", false, true));
        assert_eq!(before.user, user_name(rustix::process::getuid().as_raw()));
    }
}
