//! Opening what lies below a bound directory for a program, by handle.
//!
//! The program is shown what was opened here: between this look and the program's start the path may lead elsewhere,
//! the handle does not.

use std::{
    ffi::OsString,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use hostler_capability::{Error, GuestPath, failed};
use rustix::{
    fs::{FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};

/// Something of the operator's, opened.
pub(crate) struct Opened {
    pub(crate) handle: OwnedFd,
    /// Where it lies on this machine.
    pub(crate) real: PathBuf,
    /// Where the bound directory lies, and what the plugin calls it.
    pub(crate) root: (PathBuf, String),
}

/// Opens a file or a directory that exists.
///
/// # Errors
/// Where it is not there, a link leads away from it, or it is neither a file nor a directory.
pub(crate) fn existing(place: &GuestPath<'_>) -> Result<Opened, Error> {
    let opened = open(place, &place.names, OFlags::PATH)?;
    match kind(&opened.handle, place)? {
        FileType::RegularFile | FileType::Directory => Ok(opened),
        _ => Err(failed("EINVAL", format!("{}: neither a file nor a directory", place.shown()))),
    }
}

/// Opens a directory that exists.
///
/// # Errors
/// As [`existing`].
pub(crate) fn directory(place: &GuestPath<'_>) -> Result<Opened, Error> {
    open(place, &place.names, OFlags::PATH | OFlags::DIRECTORY)
}

/// Opens the directory in which an output is to lie, and names it in there.
///
/// # Errors
/// As [`existing`].
pub(crate) fn parent(place: &GuestPath<'_>) -> Result<(Opened, OsString), Error> {
    let Some((name, above)) = place.names.split_last() else {
        return Err(Error::Invalid(format!("{}: an output lies below the bound directory", place.shown())));
    };
    Ok((open(place, above, OFlags::RDONLY | OFlags::DIRECTORY)?, name.clone()))
}

fn open(place: &GuestPath<'_>, names: &[OsString], flags: OFlags) -> Result<Opened, Error> {
    let root_flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(&place.directory.path, root_flags, Mode::empty())
        .map_err(|errno| Error::Unavailable(format!("directory.{}: {}", place.resource, errno_words(errno))))?;
    let root_path = real_path(&root).map_err(|errno| at(place, errno))?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let below: PathBuf = if names.is_empty() { ".".into() } else { names.iter().collect() };
    let flags = flags | OFlags::CLOEXEC;
    // A rename meanwhile keeps the kernel from telling whether the path stayed below; then it is asked again.
    let mut tries = 0..16;
    let handle = loop {
        match rustix::fs::openat2(&root, &below, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if tries.next().is_some() => {}
            other => break other.map_err(|errno| at(place, errno))?,
        }
    };
    let real = real_path(&handle).map_err(|errno| at(place, errno))?;
    // Kernel file systems are no place of an operator's, and the root would stand before every wall.
    if real == Path::new("/") || ["/proc", "/sys", "/dev"].iter().any(|kernel| real.starts_with(kernel)) {
        return Err(Error::Unavailable(format!(
            "directory.{}: the root, /proc, /sys and /dev are not handed to programs",
            place.resource
        )));
    }
    Ok(Opened { handle, real, root: (root_path, format!("/{}", place.label)) })
}

fn kind(handle: &OwnedFd, place: &GuestPath<'_>) -> Result<FileType, Error> {
    let stat = rustix::fs::fstat(handle).map_err(|errno| at(place, errno))?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

/// Where an open handle lies.
pub(crate) fn real_path(handle: impl AsFd) -> Result<PathBuf, Errno> {
    let link = format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd());
    let path = rustix::fs::readlink(link, Vec::new())?;
    let path = PathBuf::from(<OsString as std::os::unix::ffi::OsStringExt>::from_vec(path.into_bytes()));
    if path.is_absolute() { Ok(path) } else { Err(Errno::NOENT) }
}

/// An error of the system's about a plugin's path.
pub(crate) fn at(place: &GuestPath<'_>, errno: Errno) -> Error {
    failed(errno_name(errno), format!("{}: {}", place.shown(), errno_words(errno)))
}

/// What an error number says.
pub(crate) fn errno_words(errno: Errno) -> String {
    match errno {
        Errno::LOOP => "a symbolic link, which is not followed".into(),
        Errno::XDEV => "leads out of the bound directory".into(),
        other => {
            let words = std::io::Error::from_raw_os_error(other.raw_os_error()).to_string();
            words.split(" (os error").next().unwrap_or_default().to_lowercase()
        }
    }
}

/// Its name.
pub(crate) fn errno_name(errno: Errno) -> &'static str {
    match errno {
        Errno::NOENT => "ENOENT",
        Errno::ACCESS => "EACCES",
        Errno::PERM => "EPERM",
        Errno::NOTDIR => "ENOTDIR",
        Errno::ISDIR => "EISDIR",
        Errno::LOOP => "ELOOP",
        Errno::XDEV => "EXDEV",
        Errno::EXIST => "EEXIST",
        Errno::NOTEMPTY => "ENOTEMPTY",
        Errno::NOSPC => "ENOSPC",
        Errno::DQUOT => "EDQUOT",
        Errno::ROFS => "EROFS",
        Errno::NAMETOOLONG => "ENAMETOOLONG",
        Errno::NOSYS => "ENOSYS",
        _ => "EIO",
    }
}
