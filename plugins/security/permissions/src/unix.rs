//! Files of the machine that say who may log in and who may become root, and files that everybody may write. They are
//! told by their names in the bound directories, wherever those lie: `passwd` is the one of /etc as of an image.

use hostler_sdk::files::{self, Directory, Entry, Kind};
use hostler_sdk::prelude::*;

use crate::right::{Found, Level, Right};
use crate::{Settings, keys, sudoers};

const LARGEST: usize = 4 << 20;
const EVERYBODY_WRITES: u32 = 0o002;
/// Only a file's owner removes it from such a directory.
const STICKY: u32 = 0o1000;

pub(crate) async fn look(directories: &[Directory], settings: &Settings, found: &mut Found) -> Result<(), TaskError> {
    let mut whole = true;
    for directory in directories {
        match one(directory, settings, found).await {
            Ok(all) => whole &= all,
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                whole = false;
                error.finding("directory-not-read", directory.name()).report();
            }
        }
    }
    if whole {
        found.whole("unix");
    } else {
        found.missed();
    }
    Ok(())
}

/// What a file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Accounts,
    Groups,
    Sudo,
    Keys,
    Else,
}

fn about(below: &str) -> About {
    let name = below.rsplit('/').next().unwrap_or(below);
    match below {
        "passwd" => About::Accounts,
        "group" => About::Groups,
        "sudoers" => About::Sudo,
        // As sudo does, which leaves out backups and what a package put aside.
        _ if below.starts_with("sudoers.d/") && !name.contains('.') && !name.ends_with('~') => About::Sudo,
        _ if matches!(name, "authorized_keys" | "authorized_keys2") => About::Keys,
        _ => About::Else,
    }
}

/// Whether everything in it could be looked at.
async fn one(directory: &Directory, settings: &Settings, found: &mut Found) -> Result<bool, TaskError> {
    let tree = directory.list(Some(settings.depth)).await?;
    let mut whole = tree.unreadable.is_empty();
    for (path, reason) in &tree.unreadable {
        finding!(Severity::Unknown, "not-read", path.as_str(), "it could not be looked at: {reason}")
            .remedy("let the host's user read it, or run the host as one that may")
            .report();
    }
    let root = format!("{}/", directory.root());
    let mut accounts = String::new();
    let mut groups = String::new();
    for entry in &tree.entries {
        let Some(below) = entry.path.strip_prefix(&root) else { continue };
        let about = about(below);
        let subject = format!("{}/{below}", directory.name());
        open_to_all(entry, &subject, about != About::Else || below.contains(".ssh"), found);
        if about == About::Else || entry.metadata.kind != Kind::File {
            continue;
        }
        let text = match files::read(&entry.path, LARGEST).await {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                whole = false;
                error.finding("not-read", &subject).report();
                continue;
            }
        };
        match about {
            About::Accounts => accounts = text,
            About::Groups => groups = text,
            About::Sudo => whole &= sudo(&subject, &text, found),
            About::Keys => authorized(&subject, &text, entry.metadata.ownership.user_id == 0, found),
            About::Else => {}
        }
    }
    judge_accounts(&accounts, &groups, &settings.groups, found);
    Ok(whole)
}

fn open_to_all(entry: &Entry, subject: &str, about_rights: bool, found: &mut Found) {
    let mode = entry.metadata.ownership.mode;
    let sticky = entry.metadata.kind == Kind::Directory && mode & STICKY != 0;
    let counts = matches!(entry.metadata.kind, Kind::File | Kind::Directory);
    if !counts || sticky || mode & EVERYBODY_WRITES == 0 {
        return;
    }
    let (severity, why) = if about_rights {
        (Severity::Critical, ", and it says who may log in or become root")
    } else {
        (Severity::Warning, "")
    };
    let finding = finding!(
        severity,
        "world-writable",
        subject,
        "every user of the machine may write it (mode {:04o}){why}",
        mode & 0o7777
    )
    .remedy(format!("chmod o-w {subject}    -- and look at what is in it by now"));
    found.fault(format!("unix world-writable {subject}"), finding);
}

/// Accounts that are root by their number, that need no password, and that may become root by their group.
pub(crate) fn judge_accounts(accounts: &str, groups: &str, powerful: &[String], found: &mut Found) {
    let account = |line: &str| -> Option<(String, String, String, String)> {
        let fields: Vec<&str> = line.split(':').collect();
        let field = |place: usize| fields.get(place).map(|field| (*field).to_owned());
        Some((field(0)?, field(1)?, field(2)?, field(3)?))
    };
    let accounts: Vec<_> = accounts.lines().filter(|line| !line.starts_with('#')).filter_map(account).collect();
    for (name, password, number, _) in &accounts {
        if number.parse() == Ok(0_u32) && name != "root" {
            found.right(Right {
                level: Level::Everything,
                area: "unix",
                kind: "uid-0",
                name: name.clone(),
                means: "is root by another name: its uid is 0".into(),
                remedy: format!("userdel {name}"),
            });
        }
        if password.is_empty() {
            let finding =
                finding!(Severity::Critical, "password-empty", name.as_str(), "this account has no password at all")
                    .remedy(format!("passwd -l {name}"));
            found.fault(format!("unix password-empty {name}"), finding);
        }
    }
    for line in groups.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [group, _, number, members] = fields.as_slice() else { continue };
        if !powerful.iter().any(|name| name == group) {
            continue;
        }
        let primary = accounts.iter().filter(|(_, _, _, own)| own == number).map(|(name, ..)| name.as_str());
        let members = members.split(',').map(str::trim).filter(|member| !member.is_empty());
        for member in members.chain(primary).filter(|member| *member != "root") {
            found.right(Right {
                level: Level::Everything,
                area: "unix",
                kind: "member",
                name: format!("{group}:{member}"),
                means: format!("is in the group {group}, by which it can become root"),
                remedy: format!("gpasswd -d {member} {group}"),
            });
        }
    }
}

/// Whether all that it includes is read too.
fn sudo(subject: &str, text: &str, found: &mut Found) -> bool {
    let parsed = sudoers::parse(text);
    for (line, everything) in &parsed.lines {
        found.right(Right {
            level: if *everything { Level::Everything } else { Level::Some },
            area: "unix",
            kind: "sudo",
            name: format!("{subject}: {line}"),
            means: if *everything { "lets somebody run everything as root" } else { "is a rule of sudo" }.into(),
            remedy: "take the line out by visudo".into(),
        });
    }
    let mut whole = true;
    for include in &parsed.includes {
        // Only that directory is read as sudo reads it.
        if include.trim_end_matches('/').rsplit('/').next() != Some("sudoers.d") {
            whole = false;
            finding!(Severity::Unknown, "include-not-read", subject, "it includes {include}, which is not read here")
                .remedy("move its lines into sudoers.d, or look at it by hand: visudo -c lists what is included")
                .report();
        }
    }
    whole
}

/// sshd takes a key only from a file of the account's own, so the owner says whose door it is.
pub(crate) fn authorized(subject: &str, text: &str, roots: bool, found: &mut Found) {
    let (keys, damaged) = keys::parse(text);
    for key in keys {
        let held = if key.restricted { ", held to its options" } else { "" };
        let comment = if key.comment.is_empty() { "without a comment".into() } else { key.comment.clone() };
        found.right(Right {
            level: if roots { Level::Everything } else { Level::Some },
            area: "unix",
            kind: "key",
            name: format!("{subject} {}", key.fingerprint),
            means: format!(
                "opens {} ({}, {comment}{held})",
                if roots { "root's account" } else { "this account" },
                key.kind
            ),
            remedy: "take its line out of the file".into(),
        });
    }
    if damaged > 0 {
        finding!(
            Severity::Unknown,
            "not-read",
            subject,
            "{} of it {} no key",
            counted(damaged, "line"),
            agreed(damaged, "is", "are")
        )
        .remedy("look at it by ssh-keygen -lf")
        .report();
    }
}
