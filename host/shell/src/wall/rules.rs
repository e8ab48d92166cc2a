//! Landlock's rules.
//!
//! Beside bubblewrap only those without files: whoever is under rules for files may not mount, and bubblewrap does
//! little else. Without bubblewrap the rules for files are the wall that is left.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use super::mounts;
use crate::{child, launch::Launch};

/// The newest version whose rights are used here.
const KNOWN: ABI = ABI::V6;

/// The kernel's version of Landlock; 0 where it has none.
pub(super) fn version() -> i64 {
    child::landlock_version()
}

/// What Landlock does not hold on this kernel and nothing else holds in its place.
pub(super) fn missing() -> Option<String> {
    let words = "the kernel's Landlock does not hold abstract sockets (Linux 6.12 does): a program with network = true can reach those of the host";
    (version() < 6).then(|| words.into())
}

/// The rules beside bubblewrap.
pub(super) fn scope(network: bool) -> Option<RulesetCreated> {
    let rules = || -> Result<RulesetCreated, RulesetError> {
        let rules = Ruleset::default().set_compatibility(CompatLevel::BestEffort).scope(Scope::from_all(KNOWN))?;
        let rules = if network { rules } else { rules.handle_access(AccessNet::from_all(KNOWN))? };
        rules.create()
    };
    rules().ok()
}

/// The rules in place of bubblewrap.
pub(super) fn files(launch: &Launch, scratch: &Path, hidden: &[PathBuf]) -> Option<RulesetCreated> {
    let rules = || -> Result<RulesetCreated, RulesetError> {
        let rules = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
        let rules = rules.handle_access(AccessFs::from_all(KNOWN))?.scope(Scope::from_all(KNOWN))?;
        let rules = if launch.network { rules } else { rules.handle_access(AccessNet::from_all(KNOWN))? };
        let mut rules = rules.create()?;
        let read = AccessFs::from_read(KNOWN);
        let all = AccessFs::from_all(KNOWN);
        let mut masked: Vec<PathBuf> = hidden.to_vec();
        masked.extend(mounts::SECRETS.iter().map(PathBuf::from));
        let mut seen = Vec::new();
        for root in mounts::SYSTEM.iter().chain(&["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]) {
            around(Path::new(root), &masked, &mut seen);
        }
        seen.push(launch.program.clone());
        seen.extend(launch.sockets.iter().cloned());
        // Figures of the machine alone: rules name files, and those of a process's own cannot be told apart from those
        // of the host's processes, whose environment would be read there.
        seen.extend(
            ["cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "uptime", "version"]
                .map(|name| Path::new("/proc").join(name)),
        );
        for path in seen {
            rules = allow(rules, &path, read)?;
        }
        for device in ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"] {
            rules = allow(rules, Path::new(device), AccessFs::from_file(KNOWN))?;
        }
        rules = allow(rules, scratch, all)?;
        for shown in &launch.shown {
            rules = allow(rules, &shown.real, if shown.writable { all } else { read })?;
        }
        Ok(rules)
    };
    match rules() {
        Ok(rules) => Some(rules),
        Err(error) => {
            tracing::warn!("Landlock's rules could not be made: {error}");
            None
        }
    }
}

fn allow(rules: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, RulesetError> {
    // What is not there needs no rule.
    let (Ok(handle), Ok(found)) = (PathFd::new(path), std::fs::metadata(path)) else { return Ok(rules) };
    let access = if found.is_dir() { access } else { access & AccessFs::from_file(KNOWN) };
    rules.add_rule(PathBeneath::new(handle, access))
}

/// A directory less what is masked in it: rules only add, so that the siblings of what is masked are named.
fn around(root: &Path, masked: &[PathBuf], seen: &mut Vec<PathBuf>) {
    let Ok(root) = root.canonicalize() else { return };
    if masked.iter().any(|masked| root.starts_with(masked)) {
        return;
    }
    if !masked.iter().any(|masked| masked.starts_with(&root)) {
        seen.push(root);
        return;
    }
    let Ok(entries) = std::fs::read_dir(&root) else { return };
    let names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
    for name in names {
        around(&root.join(name), masked, seen);
    }
}
