//! Finding the members of an archive, and reading small files ahead of their turn.

use std::{
    collections::BTreeSet,
    ffi::{CStr, CString},
    fs::File,
    io::Read,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use rustix::fs::{FileType, Mode, OFlags, Stat};

use crate::{
    Problem,
    metadata::size,
    open::{Place, file_type, look, regular, shown},
    temporary::is_temporary,
    walk::{Found, Visitor, walk},
    work::Cancel,
};

/// Files up to this size are read ahead: with [`super::AHEAD`] of them that is 16 MiB at most.
const SMALL: u64 = 64 << 10;

/// One member of an archive, in its turn. Its path begins with the label and is in bytes.
pub(super) enum Member {
    /// A directory, before what is in it.
    Directory(Vec<u8>, Stat),
    /// A symbolic link, with what it says.
    Link(Vec<u8>, Stat, Vec<u8>),
    /// A small file that is being read.
    Small(Vec<u8>, Receiver<Result<Whole, Problem>>),
    /// A file that is read in its turn.
    Large(Vec<u8>, Stat, Arc<OwnedFd>, CString),
    /// Something that is left out, and why.
    Skipped(Vec<u8>, String),
}

/// A small file, read.
pub(super) struct Whole {
    pub(super) stat: Stat,
    pub(super) bytes: Vec<u8>,
    pub(super) changed: bool,
}

/// A small file to be read.
pub(super) struct Task {
    directory: Arc<OwnedFd>,
    name: CString,
    path: String,
    reply: SyncSender<Result<Whole, Problem>>,
}

/// Sends members in their order, and small files to their readers.
pub(super) struct Collector {
    members: SyncSender<Member>,
    tasks: SyncSender<Task>,
    excluded: BTreeSet<(u64, u64)>,
}

impl Collector {
    /// `excluded` are devices and inodes: the archive itself, and what it replaces.
    pub(super) fn new(members: SyncSender<Member>, tasks: SyncSender<Task>, excluded: BTreeSet<(u64, u64)>) -> Self {
        Self { members, tasks, excluded }
    }

    /// Goes through all sources.
    pub(super) fn collect(mut self, sources: &[Place], cancel: &Cancel) -> Result<(), Problem> {
        for source in sources {
            let path = source.shown();
            let stat = rustix::fs::fstat(source.open(OFlags::PATH)?).map_err(Problem::at(&path))?;
            if file_type(&stat) == FileType::Directory {
                self.send(Member::Directory(source.raw(), stat))?;
                walk(source, None, false, cancel, &mut self)?;
            } else {
                let (parent, name) = source.parent()?;
                let stat = look(&parent, &name).map_err(Problem::at(&path))?;
                let name = CString::new(name.into_encoded_bytes()).map_err(|_| Problem::Invalid(path))?;
                self.entry(Found { directory: &Arc::new(parent), name: &name, stat: &stat, raw: &source.raw() })?;
            }
        }
        Ok(())
    }

    fn send(&self, member: Member) -> Result<(), Problem> {
        self.members.send(member).map_err(|_| Problem::Stopped)
    }

    fn skip(&self, raw: &[u8], reason: impl Into<String>) -> Result<(), Problem> {
        self.send(Member::Skipped(raw.to_vec(), reason.into()))
    }
}

impl Visitor for Collector {
    fn entry(&mut self, found: Found<'_>) -> Result<(), Problem> {
        let Found { directory, name, stat, raw } = found;
        match file_type(stat) {
            _ if self.excluded.contains(&(stat.st_dev, stat.st_ino)) => Ok(()),
            FileType::Directory => self.send(Member::Directory(raw.to_vec(), *stat)),
            FileType::RegularFile if is_temporary(name.to_bytes()) => self.skip(raw, "a temporary of a host's"),
            // A file with several names has to be known as written before its other names are.
            FileType::RegularFile if size(stat) > SMALL || stat.st_nlink > 1 => {
                self.send(Member::Large(raw.to_vec(), *stat, directory.clone(), name.to_owned()))
            }
            FileType::RegularFile => {
                let (reply, whole) = sync_channel(1);
                let task = Task { directory: directory.clone(), name: name.to_owned(), path: shown(raw), reply };
                self.tasks.send(task).map_err(|_| Problem::Stopped)?;
                self.send(Member::Small(raw.to_vec(), whole))
            }
            FileType::Symlink => match rustix::fs::readlinkat(&**directory, name, Vec::new()) {
                Ok(target) => self.send(Member::Link(raw.to_vec(), *stat, target.into_bytes())),
                Err(errno) => self.skip(raw, Problem::at("")(errno).reason()),
            },
            _ => {
                let reason = regular(stat, "").err().map_or_else(String::new, |problem| problem.reason());
                self.skip(raw, reason)
            }
        }
    }

    fn unreadable(&mut self, raw: &[u8], reason: String) -> Result<(), Problem> {
        self.skip(raw, reason)
    }

    fn mount(&mut self, raw: &[u8]) -> Result<(), Problem> {
        self.skip(raw, "another file system is mounted there; name it as a source of its own")
    }
}

/// Reads small files until there are no more.
pub(super) fn read_ahead(tasks: &Mutex<Receiver<Task>>) {
    loop {
        let next = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(task) = next else { return };
        let whole = read_whole(&*task.directory, &task.name, &task.path);
        // Nobody waits for it where the archive ended before its time.
        let _ = task.reply.send(whole);
    }
}

fn read_whole(directory: impl AsFd, name: &CStr, path: &str) -> Result<Whole, Problem> {
    let (file, stat) = open_member(directory, name, path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(size(&stat)).unwrap_or(0));
    (&file).take(size(&stat)).read_to_end(&mut bytes).map_err(Problem::at(path))?;
    let changed = was_changed(&file, &stat);
    Ok(Whole { stat, bytes, changed })
}

/// Opens a regular file within a directory.
pub(super) fn open_member(directory: impl AsFd, name: &CStr, path: &str) -> Result<(File, Stat), Problem> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(directory, name, flags, Mode::empty()).map_err(Problem::at(path))?;
    let stat = rustix::fs::fstat(&handle).map_err(Problem::at(path))?;
    regular(&stat, path)?;
    Ok((handle.into(), stat))
}

/// Whether it was written since it was opened.
pub(super) fn was_changed(file: &File, opened: &Stat) -> bool {
    let figures = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    rustix::fs::fstat(file).map_or(true, |now| figures(&now) != figures(opened))
}
