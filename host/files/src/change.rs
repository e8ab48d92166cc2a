//! The other changes: copies, renames, directories, permissions.

use std::io::{self, Read};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps};

use crate::{
    Problem,
    open::{Place, child, file_type},
    temporary::Temporary,
    work::Cancel,
};

/// Bytes that are copied between two looks at whether to stop.
const STRETCH: u64 = 64 << 20;

/// The permission bits of a file. Set-ID bits would let what a plugin wrote run as the host's user.
///
/// # Errors
/// [`Problem::Invalid`].
pub(crate) fn file_mode(mode: u32) -> Result<u32, Problem> {
    within(mode, 0o777, "a file takes 0000 to 0777, without set-ID and sticky bits")
}

/// The permission bits of a directory: set-group-ID and sticky bits have their use there.
///
/// # Errors
/// [`Problem::Invalid`].
pub(crate) fn directory_mode(mode: u32) -> Result<u32, Problem> {
    within(mode, 0o3777, "a directory takes 0000 to 3777, without the set-user-ID bit")
}

fn within(mode: u32, bits: u32, words: &str) -> Result<u32, Problem> {
    if mode & !bits == 0 { Ok(mode) } else { Err(Problem::Invalid(format!("the mode {mode:04o}: {words}"))) }
}

/// Copies a regular file with its mode (less set-ID bits) and times, whole or not at all, in the place of whatever is
/// there. The kernel copies, or shares the blocks, where the file systems can.
///
/// # Errors
/// What the system says.
pub(crate) fn copy(source: &Place, destination: &Place, cancel: &Cancel) -> Result<(), Problem> {
    let (from, to) = (source.shown(), destination.shown());
    let (mut file, stat) = source.open_regular()?;
    let (directory, name) = destination.parent()?;
    let temporary = Temporary::create(directory.into(), &name).map_err(Problem::at(&to))?;
    loop {
        cancel.check()?;
        let copied = io::copy(&mut file.by_ref().take(STRETCH), &mut temporary.file()).map_err(Problem::at(&to))?;
        if copied == 0 {
            break;
        }
    }
    let time = |seconds, rest: u64| Timespec { tv_sec: seconds, tv_nsec: i64::try_from(rest).unwrap_or(0) };
    let times = Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    };
    let after = rustix::fs::fstat(&file).map_err(Problem::at(&from))?;
    if (after.st_size, after.st_mtime, after.st_mtime_nsec) != (stat.st_size, stat.st_mtime, stat.st_mtime_nsec) {
        return Err(Problem::Changed { path: from });
    }
    rustix::fs::futimens(temporary.file(), &times).map_err(Problem::at(&to))?;
    temporary.place(&name, stat.st_mode & 0o777).map_err(Problem::at(&to))
}

/// Renames, in the place of whatever has the new name, as rename(2) does. Not between file systems.
///
/// # Errors
/// What the system says.
pub(crate) fn rename(source: &Place, destination: &Place) -> Result<(), Problem> {
    let shown = format!("{} to {}", source.shown(), destination.shown());
    let ((from, old), (to, new)) = (source.parent()?, destination.parent()?);
    rustix::fs::renameat(&from, &old, &to, &new).map_err(Problem::at(&shown))?;
    rustix::fs::fsync(&to).map_err(Problem::at(&shown))?;
    rustix::fs::fsync(&from).map_err(Problem::at(&shown))
}

/// Makes a directory, durably.
///
/// # Errors
/// What the system says, `EEXIST` where something has the name.
pub(crate) fn create_directory(place: &Place, mode: u32) -> Result<(), Problem> {
    let path = place.shown();
    let (parent, name) = place.parent()?;
    rustix::fs::mkdirat(&parent, &name, Mode::RWXU).map_err(Problem::at(&path))?;
    let made = child(&parent, &name, false).and_then(|made| {
        rustix::fs::fchmod(&made, Mode::from_raw_mode(mode))?;
        rustix::fs::fsync(&made)?;
        rustix::fs::fsync(&parent)
    });
    made.map_err(|errno| {
        let _ = rustix::fs::unlinkat(&parent, &name, AtFlags::REMOVEDIR);
        Problem::at(&path)(errno)
    })
}

/// Sets the permission bits of a file or a directory, never through a link.
///
/// # Errors
/// What the system says, or that it is neither.
pub(crate) fn set_permissions(place: &Place, mode: u32) -> Result<(), Problem> {
    use std::os::fd::AsRawFd;
    let path = place.shown();
    place.parent()?;
    let handle = place.open(OFlags::PATH)?;
    let stat = rustix::fs::fstat(&handle).map_err(Problem::at(&path))?;
    let mode = match file_type(&stat) {
        FileType::RegularFile => file_mode(mode)?,
        FileType::Directory => directory_mode(mode)?,
        _ => return Err(Problem::Invalid(format!("{path}: permissions are set on files and directories alone"))),
    };
    // A handle that was not opened for reading takes no fchmod; its name in /proc leads to the file itself.
    let name = format!("/proc/self/fd/{}", handle.as_raw_fd());
    rustix::fs::chmod(name, Mode::from_raw_mode(mode)).map_err(Problem::at(&path))
}
