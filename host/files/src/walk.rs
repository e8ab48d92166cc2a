//! Going through a tree by handles: for the list of its entries, and for an archive of it.
//!
//! Each directory is opened within the one above it, without following and, unless asked, without entering a mount,
//! and compared with what was looked at before it was opened. Entries come in the order of the file system, as they
//! are read: a directory of ten million files takes no more memory than one of ten.

use std::{ffi::CStr, os::fd::OwnedFd, sync::Arc};

use rustix::{
    fs::{Dir, FileType, OFlags, Stat},
    io::Errno,
};

use crate::{
    Problem, filesystem,
    open::{Place, child, file_type, look, same, shown},
    work::Cancel,
};

/// How deeply a tree may be nested: each level holds two handles.
pub(crate) const DEEPEST: usize = 200;

/// One entry of a directory.
pub(crate) struct Found<'a> {
    pub(crate) directory: &'a Arc<OwnedFd>,
    pub(crate) name: &'a CStr,
    pub(crate) stat: &'a Stat,
    /// From the label on, in bytes.
    pub(crate) raw: &'a [u8],
}

/// What is done with the entries of a tree.
pub(crate) trait Visitor {
    /// An entry; a directory comes before what is in it.
    fn entry(&mut self, found: Found<'_>) -> Result<(), Problem>;
    /// Something that could not be read, and why.
    fn unreadable(&mut self, raw: &[u8], reason: String) -> Result<(), Problem>;
    /// A mount that is not entered.
    fn mount(&mut self, raw: &[u8]) -> Result<(), Problem>;
}

struct Level {
    listing: Dir,
    handle: Arc<OwnedFd>,
    raw: Vec<u8>,
}

/// Goes through what is below a place; `depth` 1 is its own entries.
///
/// # Errors
/// Where the place itself cannot be opened; what the visitor returns; [`Problem::Stopped`].
pub(crate) fn walk(
    place: &Place,
    depth: Option<u32>,
    cross: bool,
    cancel: &Cancel,
    visitor: &mut impl Visitor,
) -> Result<(), Problem> {
    let top = place.open(OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK)?;
    let depth = depth.map_or(usize::MAX, |depth| usize::try_from(depth).unwrap_or(usize::MAX));
    if depth == 0 {
        return Ok(());
    }
    let mut levels = vec![level(top, place.raw()).map_err(Problem::at(&place.shown()))?];
    while let Some(current) = levels.last_mut() {
        cancel.check()?;
        let entry = match current.listing.read() {
            None => {
                levels.pop();
                continue;
            }
            Some(Err(errno)) => {
                visitor.unreadable(&current.raw, Problem::at("")(errno).reason())?;
                levels.pop();
                continue;
            }
            Some(Ok(entry)) => entry,
        };
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let mut raw = current.raw.clone();
        raw.push(b'/');
        raw.extend_from_slice(name.to_bytes());
        let stat = match look(&*current.handle, name) {
            Ok(stat) => stat,
            // Removed since the directory was read.
            Err(Errno::NOENT) => continue,
            Err(errno) => {
                visitor.unreadable(&raw, Problem::at("")(errno).reason())?;
                continue;
            }
        };
        visitor.entry(Found { directory: &current.handle, name, stat: &stat, raw: &raw })?;
        if file_type(&stat) != FileType::Directory || levels.len() >= depth {
            continue;
        }
        if levels.len() >= DEEPEST {
            visitor.unreadable(&raw, Problem::Deep { path: shown(&raw) }.reason())?;
            continue;
        }
        match enter(&levels, name, &stat, &raw, cross) {
            Ok(Some(handle)) => match level(handle, raw.clone()) {
                Ok(level) => levels.push(level),
                Err(errno) => visitor.unreadable(&raw, Problem::at("")(errno).reason())?,
            },
            Ok(None) => visitor.mount(&raw)?,
            Err(problem) => visitor.unreadable(&raw, problem.reason())?,
        }
    }
    Ok(())
}

fn level(handle: OwnedFd, raw: Vec<u8>) -> Result<Level, Errno> {
    Ok(Level { listing: Dir::read_from(&handle)?, handle: Arc::new(handle), raw })
}

/// The directory's handle, or nothing where it is a mount that is not to be entered.
fn enter(levels: &[Level], name: &CStr, looked: &Stat, raw: &[u8], cross: bool) -> Result<Option<OwnedFd>, Problem> {
    let path = shown(raw);
    let Some(above) = levels.last() else { return Ok(None) };
    let handle = match child(&*above.handle, name, cross) {
        Err(Errno::XDEV) => return Ok(None),
        other => other.map_err(Problem::at(&path))?,
    };
    let stat = rustix::fs::fstat(&handle).map_err(Problem::at(&path))?;
    // Otherwise something else took its place between the look and the opening.
    if !same(looked, &stat) {
        return Err(Problem::Changed { path });
    }
    if cross {
        filesystem::check(&handle, &path)?;
    }
    Ok(Some(handle))
}
