//! A file on its way: a hidden temporary beside its place, which becomes the file whole or disappears.
//!
//! Its name is `.NAME.hostler-BOOT-PID-NUMBER`, readable only by the host's user until it is placed. It is locked
//! (`flock`) as long as its holder lives, and the kernel lets the lock go with the holder, however that ends; so a
//! temporary that nobody has locked is what a killed host left, and is removed when the next file is written to the
//! same directory. The lock tells this across containers too, where a process number would not.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::Write,
    os::{fd::AsFd, unix::ffi::OsStrExt, unix::ffi::OsStringExt},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::{
    fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat},
    io::Errno,
};

use crate::open::{file_type, look, same};

const MARK: &[u8] = b".hostler-";
const ASIDE_MARK: &[u8] = b".hostler-aside-";
/// Bytes of a name that file systems take, less those of the longest mark.
const LONGEST: usize = 255 - 64;
/// Seconds after which an entry that stands aside was left there: it takes microseconds.
const LEFT: i64 = 60;

/// A temporary file. Dropped without [`Temporary::place`] it is removed.
pub(crate) struct Temporary {
    directory: Arc<std::os::fd::OwnedFd>,
    file: File,
    name: Option<OsString>,
}

impl Temporary {
    /// Makes one beside `name`.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn create(directory: Arc<std::os::fd::OwnedFd>, name: &OsStr) -> Result<Self, Errno> {
        for _ in 0..64 {
            let hidden = hidden(name, MARK);
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let handle = match rustix::fs::openat(&directory, &hidden, flags, Mode::RUSR | Mode::WUSR) {
                Err(Errno::EXIST) => continue,
                other => other?,
            };
            let temporary = Self { directory: directory.clone(), file: handle.into(), name: Some(hidden) };
            // Another host that looks for leftovers may have seen it before it was locked; then it is made again.
            let locked = rustix::fs::flock(&temporary.file, FlockOperation::NonBlockingLockExclusive);
            let unsupported = matches!(locked, Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK));
            if (locked.is_ok() || unsupported) && temporary.in_place() {
                return Ok(temporary);
            }
        }
        Err(Errno::EXIST)
    }

    /// The file to write to.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Its handle's figures.
    pub(crate) fn stat(&self) -> Result<Stat, Errno> {
        rustix::fs::fstat(&self.file)
    }

    /// Gives it its mode, makes it durable, and gives it its name, in the place of whatever had that.
    ///
    /// # Errors
    /// What the system says; then the temporary is gone, except where only the directory could not be synced.
    pub(crate) fn place(mut self, name: &OsStr, mode: u32) -> Result<(), Errno> {
        self.file.flush().map_err(|_| Errno::IO)?;
        rustix::fs::fchmod(&self.file, Mode::from_raw_mode(mode))?;
        rustix::fs::fsync(&self.file)?;
        let Some(hidden) = self.name.clone() else { return Err(Errno::BADF) };
        if !self.in_place() {
            return Err(Errno::STALE);
        }
        rustix::fs::renameat(&self.directory, &hidden, &self.directory, name)?;
        self.name = None;
        rustix::fs::fsync(&self.directory)
    }

    /// Whether its name still leads to it.
    fn in_place(&self) -> bool {
        let Some(name) = &self.name else { return false };
        let (Ok(named), Ok(held)) = (look(&self.directory, name), self.stat()) else { return false };
        same(&named, &held)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            let _ = rustix::fs::unlinkat(&self.directory, &name, AtFlags::empty());
        }
    }
}

/// A name under which an entry can stand aside for a moment; nothing where its own is too long for that.
pub(crate) fn aside(name: &OsStr) -> Option<OsString> {
    (name.len() <= LONGEST).then(|| hidden(name, ASIDE_MARK))
}

/// Whether it is the name of a temporary.
pub(crate) fn is_temporary(name: &[u8]) -> bool {
    owner_of(name, MARK).is_some()
}

/// Removes the temporaries that killed hosts left in a directory, gives entries that stood aside their names back, and
/// returns how many it found. What cannot be removed is left: the next file to be written there tries again.
pub(crate) fn clear_leftovers(directory: impl AsFd) -> usize {
    clear(directory, now())
}

fn clear(directory: impl AsFd, now: i64) -> usize {
    let directory = directory.as_fd();
    let Ok(listing) = Dir::read_from(directory) else { return 0 };
    let mut found = 0;
    for entry in listing.flatten() {
        let name = entry.file_name();
        let Ok(stat) = look(directory, name) else { continue };
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            continue;
        }
        let cleared = if let Some(own) = owner_of(name.to_bytes(), ASIDE_MARK) {
            now - stat.st_ctime > LEFT
                && rustix::fs::renameat_with(directory, name, directory, own, RenameFlags::NOREPLACE).is_ok()
        } else if is_temporary(name.to_bytes()) && file_type(&stat) == FileType::RegularFile {
            is_left(directory, name, &stat) && rustix::fs::unlinkat(directory, name, AtFlags::empty()).is_ok()
        } else {
            false
        };
        found += usize::from(cleared);
    }
    found
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Whether nobody holds the temporary.
fn is_left(directory: impl AsFd, name: &std::ffi::CStr, looked: &Stat) -> bool {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(handle) = rustix::fs::openat(directory, name, flags, Mode::empty()) else { return false };
    rustix::fs::fstat(&handle).is_ok_and(|stat| same(&stat, looked))
        && rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive).is_ok()
}

fn hidden(name: &OsStr, mark: &[u8]) -> OsString {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut bytes = vec![b'.'];
    bytes.extend_from_slice(&name.as_bytes()[..name.len().min(LONGEST)]);
    bytes.extend_from_slice(mark);
    bytes.extend_from_slice(format!("{}-{}-{number}", boot(), std::process::id()).as_bytes());
    OsString::from_vec(bytes)
}

/// The name that a hidden one was made for.
fn owner_of<'a>(hidden: &'a [u8], mark: &[u8]) -> Option<&'a OsStr> {
    let hidden = hidden.strip_prefix(b".")?;
    let at = hidden.windows(mark.len()).rposition(|window| window == mark)?;
    let mut fields = hidden[at + mark.len()..].split(|byte| *byte == b'-');
    let boot = fields.next()?;
    let digits =
        |field: Option<&[u8]>| field.is_some_and(|field| !field.is_empty() && field.iter().all(u8::is_ascii_digit));
    let whole = boot.len() == 8
        && boot.iter().all(u8::is_ascii_hexdigit)
        && digits(fields.next())
        && digits(fields.next())
        && fields.next().is_none();
    whole.then(|| OsStr::from_bytes(&hidden[..at]))
}

/// The first eight digits of the boot's identifier: with the process number, whose temporary it is, for a person who
/// finds one.
fn boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let identifier = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: String = identifier.chars().filter(char::is_ascii_hexdigit).take(8).collect();
        format!("{digits:0>8}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_aside_when_its_host_was_killed_gets_its_name_back_and_replaces_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        for name in ["free", "taken"] {
            let aside = aside(OsStr::new(name)).expect("a short name");
            std::fs::write(path.join(aside), "aside").expect("a file");
        }
        std::fs::write(path.join("taken"), "another").expect("a file");
        let handle = File::open(path).expect("a directory");
        assert_eq!(clear(&handle, now()), 0, "its host may live");
        assert_eq!(clear(&handle, now() + 2 * LEFT), 1);
        assert_eq!(std::fs::read_to_string(path.join("free")).expect("it is back"), "aside");
        assert_eq!(std::fs::read_to_string(path.join("taken")).expect("it stays"), "another");
        assert_eq!(std::fs::read_dir(path).expect("a directory").count(), 3);
    }

    #[test]
    fn only_its_own_names_are_recognised() {
        let made = hidden(OsStr::new("dump.zst"), MARK);
        assert!(is_temporary(made.as_bytes()), "{made:?}");
        let aside = aside(OsStr::new("dump")).expect("a short name");
        assert_eq!(owner_of(aside.as_bytes(), ASIDE_MARK), Some(OsStr::new("dump")));
        assert!(!is_temporary(aside.as_bytes()), "what stands aside is never removed as a temporary");
        for other in [
            ".x.hostler-",
            ".x.hostler-0123-1-1",
            "x.hostler-01234567-1-1",
            ".x.hostler-01234567-1-1-1",
            ".hostler.toml",
        ] {
            assert!(!is_temporary(other.as_bytes()), "{other}");
        }
        assert!(hidden(OsStr::new(&"n".repeat(255)), ASIDE_MARK).len() <= 255);
    }
}
