//! Opening what lies below a bound directory, by handles.
//!
//! `openat2` lets the kernel resolve a whole path and refuse every symbolic link on it. Where the kernel (or a filter
//! in front of it) has no `openat2`, the path is walked name by name, each opened without following: the same promise
//! in more steps. Symbolic links are not followed even where they stay below the directory: a link that is harmless
//! when it is looked at can be another one when it is used.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::PathBuf,
    sync::Arc,
};

use hostler_capability::escape_name;
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat},
    io::Errno,
};

use crate::{Problem, filesystem};

/// A bound directory, opened, and names below it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) root: Arc<OwnedFd>,
    /// `REQUEST`, or `REQUEST/TARGET`.
    pub(crate) label: String,
    pub(crate) names: Vec<OsString>,
}

impl Place {
    /// The path in bytes, from the label on: what a tree's entries and an archive's members are named after.
    pub(crate) fn raw(&self) -> Vec<u8> {
        let mut raw = self.label.clone().into_bytes();
        for name in &self.names {
            raw.push(b'/');
            raw.extend_from_slice(name.as_bytes());
        }
        raw
    }

    /// The plugin's path.
    pub(crate) fn shown(&self) -> String {
        shown(&self.raw())
    }

    /// Opens it, without following it where it is a link.
    ///
    /// # Errors
    /// What the system says, or that it lies on a file system of the kernel's own.
    pub(crate) fn open(&self, flags: OFlags) -> Result<OwnedFd, Problem> {
        let shown = self.shown();
        let handle = beneath(&*self.root, &self.names, flags).map_err(Problem::at(&shown))?;
        filesystem::check(&handle, &shown)?;
        Ok(handle)
    }

    /// Opens the directory that holds it, and names it in there.
    ///
    /// # Errors
    /// As [`Place::open`]; [`Problem::Invalid`] for the bound directory itself, which no plugin changes.
    pub(crate) fn parent(&self) -> Result<(OwnedFd, OsString), Problem> {
        let Some((name, above)) = self.names.split_last() else {
            let problem =
                format!("{}: the bound directory itself is the operator's; name something below it", self.shown());
            return Err(Problem::Invalid(problem));
        };
        let above = Self { root: self.root.clone(), label: self.label.clone(), names: above.to_vec() };
        Ok((above.open(OFlags::RDONLY | OFlags::DIRECTORY)?, name.clone()))
    }

    /// Opens it where it is a regular file.
    ///
    /// # Errors
    /// As [`Place::open`], or that it is something else.
    pub(crate) fn open_regular(&self) -> Result<(File, Stat), Problem> {
        let shown = self.shown();
        // Looked at before it is opened for reading: opening a device can already do something.
        let looked = rustix::fs::fstat(self.open(OFlags::PATH)?).map_err(Problem::at(&shown))?;
        regular(&looked, &shown)?;
        let file = self.open(OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let stat = rustix::fs::fstat(&file).map_err(Problem::at(&shown))?;
        regular(&stat, &shown)?;
        Ok((file.into(), stat))
    }
}

/// A path in bytes as the plugin writes it.
pub(crate) fn shown(raw: &[u8]) -> String {
    format!("/{}", escape_name(raw))
}

/// What kind of thing it is.
pub(crate) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Refuses what is not a regular file.
///
/// # Errors
/// [`Problem::NotRegular`].
pub(crate) fn regular(stat: &Stat, path: &str) -> Result<(), Problem> {
    let kind = match file_type(stat) {
        FileType::RegularFile => return Ok(()),
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "of an unknown kind",
    };
    Err(Problem::NotRegular { path: path.into(), kind })
}

/// Whether two looks met the same file.
pub(crate) fn same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

fn beneath(root: impl AsFd, names: &[OsString], flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    if names.is_empty() {
        return rustix::fs::openat(root, c".", flags, Mode::empty());
    }
    let path: PathBuf = names.iter().collect();
    for _ in 0..16 {
        match rustix::fs::openat2(&root, &path, flags, Mode::empty(), RESOLVE) {
            // Something was renamed meanwhile, and the kernel could not tell whether the path stayed below.
            Err(Errno::AGAIN) => {}
            Err(Errno::NOSYS | Errno::PERM) => return stepwise(root, names, flags),
            other => return other,
        }
    }
    stepwise(root, names, flags)
}

/// Name by name. A link in the middle is no directory, and one at the end is opened as itself or not at all.
fn stepwise(root: impl AsFd, names: &[OsString], flags: OFlags) -> Result<OwnedFd, Errno> {
    let Some((last, above)) = names.split_last() else { return Err(Errno::INVAL) };
    let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut held: Option<OwnedFd> = None;
    let open = |held: &Option<OwnedFd>, name: &OsStr, flags| match held {
        Some(directory) => rustix::fs::openat(directory, name, flags, Mode::empty()),
        None => rustix::fs::openat(&root, name, flags, Mode::empty()),
    };
    for name in above {
        held = Some(open(&held, name, step)?);
    }
    open(&held, last, flags)
}

/// Opens a directory within a directory. Without `cross` a mount is not entered ([`Errno::XDEV`]), one of the same
/// device included.
pub(crate) fn child(parent: impl AsFd, name: impl rustix::path::Arg + Copy, cross: bool) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let resolve = if cross { RESOLVE } else { RESOLVE | ResolveFlags::NO_XDEV };
    match rustix::fs::openat2(&parent, name, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {
            let handle = rustix::fs::openat(&parent, name, flags, Mode::empty())?;
            let (above, below) = (rustix::fs::fstat(&parent)?, rustix::fs::fstat(&handle)?);
            if cross || above.st_dev == below.st_dev { Ok(handle) } else { Err(Errno::XDEV) }
        }
        other => other,
    }
}

/// Looks at an entry of a directory itself.
pub(crate) fn look(parent: impl AsFd, name: impl rustix::path::Arg) -> Result<Stat, Errno> {
    rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Vec<OsString> {
        path.split('/').map(Into::into).collect()
    }

    #[test]
    fn both_ways_refuse_links_and_find_what_is_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        std::fs::create_dir_all(root.join("a/b")).expect("directories");
        std::fs::write(root.join("a/b/file"), "x").expect("a file");
        std::os::unix::fs::symlink("/etc", root.join("out")).expect("a link");
        std::os::unix::fs::symlink("a", root.join("in")).expect("a link");
        std::os::unix::fs::symlink("../../..", root.join("a/up")).expect("a link");
        let handle = File::open(root).expect("it is there");
        let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        type Way = fn(&File, &[OsString], OFlags) -> Result<OwnedFd, Errno>;
        let ways: [Way; 2] =
            [|root, names, flags| beneath(root, names, flags), |root, names, flags| stepwise(root, names, flags)];
        for way in ways {
            way(&handle, &names("a/b/file"), read).expect("it is there");
            for path in ["out/passwd", "in/b/file", "a/up/etc/passwd", "out", "a/b/missing"] {
                assert!(way(&handle, &names(path), read).is_err(), "{path}");
            }
            let link = way(&handle, &names("out"), OFlags::PATH | OFlags::NOFOLLOW).expect("the link itself");
            assert_eq!(file_type(&rustix::fs::fstat(link).expect("a handle")), FileType::Symlink);
        }
    }
}
