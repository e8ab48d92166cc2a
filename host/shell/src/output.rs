//! What a program makes: whole in its place, or not there at all.
//!
//! The program writes into a directory of its own beside the place, so that it can touch no sibling. When it ended
//! with 0 the host syncs what it made and renames it into its place. A lock on the directory tells one in use from
//! one that a killed host left; the latter are taken away when the next output is made beside them.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use hostler_capability::{Error, GuestPath, failed};
use rustix::{
    fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags},
    io::Errno,
};

use crate::place::{self, Opened};

const PREFIX: &str = ".hostler-output-";
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A place in the making.
pub(crate) struct Output {
    parent: OwnedFd,
    /// The directory of the program's own, locked.
    own: OwnedFd,
    own_name: OsString,
    name: OsString,
    shown: String,
    /// Where the directory lies on this machine.
    pub(crate) real: PathBuf,
    /// What the plugin calls the directory of the place.
    pub(crate) label: String,
    pub(crate) root: (PathBuf, String),
}

impl Output {
    /// Makes the directory in which the program writes.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn prepare(guest: &GuestPath<'_>) -> Result<Self, Error> {
        let (Opened { handle: parent, real, root }, name) = place::parent(guest)?;
        let wrong = |errno| place::at(guest, errno);
        sweep(&parent);
        let (own, own_name) = loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let own_name: OsString = format!("{PREFIX}{}-{number}", std::process::id()).into();
            match rustix::fs::mkdirat(&parent, &own_name, Mode::RWXU) {
                Err(Errno::EXIST) => continue,
                other => other.map_err(wrong)?,
            }
            let own = open_directory(&parent, &own_name).map_err(wrong)?;
            rustix::fs::flock(&own, FlockOperation::NonBlockingLockExclusive).map_err(wrong)?;
            break (own, own_name);
        };
        let shown = guest.shown();
        let label = shown.rsplit_once('/').map_or(String::new(), |(above, _)| above.to_owned());
        Ok(Self { real: real.join(&own_name), parent, own, own_name, name, shown, label, root })
    }

    /// Where the program is to write.
    pub(crate) fn path(&self) -> PathBuf {
        self.real.join(&self.name)
    }

    /// A second handle of its directory, without the lock.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn handle(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.own, c".", flags, Mode::empty())
    }

    /// Makes the file itself, for the host to write.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn create(&self) -> Result<File, Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP;
        rustix::fs::openat(&self.own, &self.name, flags, mode).map(File::from).map_err(|errno| self.wrong(errno))
    }

    /// Syncs what was made and puts it in its place. Blocks.
    ///
    /// # Errors
    /// Where the program made nothing, or something else than a file or a directory, or what the system says.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        let looked =
            rustix::fs::statat(&self.own, &self.name, AtFlags::SYMLINK_NOFOLLOW).map_err(|errno| match errno {
                Errno::NOENT => {
                    failed("ENOENT", format!("{}: the program ended well and made nothing there", self.shown))
                }
                other => self.wrong(other),
            })?;
        let replaces = match FileType::from_raw_mode(looked.st_mode) {
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let made = rustix::fs::openat(&self.own, &self.name, flags, Mode::empty())
                    .map_err(|errno| self.wrong(errno))?;
                rustix::fs::fsync(&made).map_err(|errno| self.wrong(errno))?;
                RenameFlags::empty()
            }
            FileType::Directory => {
                // One call for a whole tree, however many files it has.
                rustix::fs::syncfs(&self.own).map_err(|errno| self.wrong(errno))?;
                RenameFlags::NOREPLACE
            }
            _ => {
                return Err(failed(
                    "EINVAL",
                    format!("{}: the program made neither a file nor a directory", self.shown),
                ));
            }
        };
        rustix::fs::renameat_with(&self.own, &self.name, &self.parent, &self.name, replaces)
            .map_err(|errno| self.wrong(errno))?;
        rustix::fs::fsync(&self.parent).map_err(|errno| self.wrong(errno))
    }

    fn wrong(&self, errno: Errno) -> Error {
        failed(place::errno_name(errno), format!("{}: {}", self.shown, place::errno_words(errno)))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Err(errno) = remove(&self.parent, &self.own_name) {
            tracing::warn!(
                place = self.shown,
                "what a program left could not be taken away: {}",
                place::errno_words(errno)
            );
        }
    }
}

fn open_directory(parent: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// Takes away what killed hosts left: directories of ours that nobody holds.
fn sweep(parent: &OwnedFd) {
    let Ok(entries) = Dir::read_from(parent) else { return };
    for entry in entries.flatten() {
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if !name.as_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let Ok(left) = open_directory(parent, name) else { continue };
        if rustix::fs::flock(&left, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = remove(parent, name);
        }
    }
}

/// Removes a tree by handles, never following a link.
pub(crate) fn remove(parent: impl AsFd, name: &OsStr) -> Result<(), Errno> {
    let directory = open_directory(&parent, name)?;
    for entry in Dir::read_from(&directory)?.flatten() {
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => {
                let _ = rustix::fs::chmodat(&directory, name, Mode::RWXU, AtFlags::empty());
                remove(&directory, name)?;
            }
            other => other?,
        }
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}
