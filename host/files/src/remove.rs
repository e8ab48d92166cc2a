//! Removing a file, an empty directory, or a tree.
//!
//! A removal that is held to an identity looks twice: at the entry under its name, and again after it was renamed to a
//! hidden name beside it, where nobody else puts another in its place. Only then it is removed; if it was another one
//! after all, it gets its name back. Where the file system or the length of the name does not allow that, the window
//! between the look and the removal stays, some microseconds long.

use std::{
    ffi::{CString, OsStr, OsString},
    os::fd::{AsFd, OwnedFd},
};

use hostler_world::files::Identity;
use rustix::{
    fs::{AtFlags, Dir, FileType, RenameFlags, Stat},
    io::Errno,
};

use crate::{
    Problem,
    metadata::modified,
    open::{Place, child, file_type, look, shown},
    temporary::aside,
    walk::DEEPEST,
    work::Cancel,
};

/// Names that are read from a directory before they are removed.
const BATCH: usize = 4096;

/// Removes a file, a link or an empty directory.
///
/// # Errors
/// What the system says; [`Problem::Changed`] where it is not what was looked at.
pub(crate) fn remove(place: &Place, expected: Option<Identity>) -> Result<(), Problem> {
    let path = place.shown();
    let (parent, name) = place.parent()?;
    let stat = look(&parent, &name).map_err(Problem::at(&path))?;
    let Some(expected) = expected else {
        return unlink(&parent, &name, &stat).map_err(Problem::at(&path));
    };
    if !is(&stat, expected) {
        return Err(Problem::Changed { path });
    }
    let Some(aside) = aside(&name) else {
        return unlink(&parent, &name, &stat).map_err(Problem::at(&path));
    };
    match rustix::fs::renameat_with(&parent, &name, &parent, &aside, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => return unlink(&parent, &name, &stat).map_err(Problem::at(&path)),
        other => other.map_err(Problem::at(&path))?,
    }
    let removed = match look(&parent, &aside) {
        Ok(stat) if is(&stat, expected) => unlink(&parent, &aside, &stat).map_err(Problem::at(&path)),
        Ok(_) => Err(Problem::Changed { path: path.clone() }),
        Err(errno) => Err(Problem::at(&path)(errno)),
    };
    removed.map_err(|problem| give_back(&parent, &aside, &name, &path, problem))
}

fn give_back(parent: impl AsFd, aside: &OsString, name: &OsStr, path: &str, problem: Problem) -> Problem {
    match rustix::fs::renameat_with(&parent, aside, &parent, name, RenameFlags::NOREPLACE) {
        Ok(()) | Err(Errno::NOENT) => problem,
        Err(_) => Problem::Aside { path: path.into(), aside: aside.to_string_lossy().into_owned() },
    }
}

fn is(stat: &Stat, expected: Identity) -> bool {
    (stat.st_dev, stat.st_ino, modified(stat)) == (expected.device, expected.inode, expected.modified)
}

fn unlink(parent: impl AsFd, name: impl rustix::path::Arg, stat: &Stat) -> Result<(), Errno> {
    let directory = file_type(stat) == FileType::Directory;
    rustix::fs::unlinkat(parent, name, if directory { AtFlags::REMOVEDIR } else { AtFlags::empty() })
}

/// Removes a directory with all that is in it, and returns how many entries that were. A mount below it ends the
/// removal there; links are removed and not followed.
///
/// # Errors
/// At the first entry that cannot be removed, which is named; what went before it is removed.
pub(crate) fn remove_tree(place: &Place, cancel: &Cancel) -> Result<u64, Problem> {
    let path = place.shown();
    let (parent, name) = place.parent()?;
    let top = match child(&parent, &name, false) {
        Err(Errno::XDEV) => return Err(Problem::Mount { path }),
        other => other.map_err(Problem::at(&path))?,
    };
    let mut removed = 0;
    empty(&top, &place.raw(), 1, cancel, &mut removed)?;
    rustix::fs::unlinkat(&parent, &name, AtFlags::REMOVEDIR).map_err(Problem::at(&path))?;
    Ok(removed + 1)
}

fn empty(directory: &OwnedFd, raw: &[u8], depth: usize, cancel: &Cancel, removed: &mut u64) -> Result<(), Problem> {
    if depth > DEEPEST {
        return Err(Problem::Deep { path: shown(raw) });
    }
    loop {
        let names = some_names(directory).map_err(Problem::at(&shown(raw)))?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            cancel.check()?;
            let mut below = raw.to_vec();
            below.push(b'/');
            below.extend_from_slice(name.as_bytes());
            match remove_entry(directory, &name, &below, depth, cancel, removed) {
                // Somebody else removed it.
                Err(Problem::System { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
    }
}

fn remove_entry(
    directory: &OwnedFd,
    name: &CString,
    raw: &[u8],
    depth: usize,
    cancel: &Cancel,
    removed: &mut u64,
) -> Result<(), Problem> {
    let path = shown(raw);
    let stat = look(directory, name).map_err(Problem::at(&path))?;
    if file_type(&stat) == FileType::Directory {
        let handle = match child(directory, name.as_c_str(), false) {
            Err(Errno::XDEV) => return Err(Problem::Mount { path }),
            other => other.map_err(Problem::at(&path))?,
        };
        empty(&handle, raw, depth + 1, cancel, removed)?;
    }
    unlink(directory, name, &stat).map_err(Problem::at(&path))?;
    *removed += 1;
    Ok(())
}

fn some_names(directory: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
        if names.len() >= BATCH {
            break;
        }
    }
    Ok(names)
}
