//! Putting members into a tar stream, in order.
//!
//! GNU headers, which every tar reads: names and links of any length, owners of any number, sizes of any height. A
//! member has the size that its header says, whatever becomes of the file meanwhile: one that shrank is filled with
//! zeros, so that the archive stays whole, and is reported.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::File,
    io::{self, Read, Write},
    os::unix::ffi::OsStrExt,
    sync::mpsc::Receiver,
};

use rustix::fs::{Advice, Stat};
use tar::{Builder, EntryType, Header};

use super::collect::{Member, open_member, was_changed};
use crate::{Problem, metadata::Names, metadata::size, open::shown, work::Cancel};

const BLOCK: u64 = 512;
const BUFFER: usize = 256 << 10;
/// Bytes of a link in a header; a longer one stands in a member of its own before it.
const LINK: usize = 100;
/// Bytes of an owner's name in a header.
const OWNER: usize = 32;
/// What is left out is named up to this many times, and counted beyond.
const NAMED: usize = 10_000;
const CHANGED: &str = "changed while it was read; the archive has it as it was read";

/// What went into the archive.
#[derive(Default)]
pub(super) struct Assembled {
    pub(super) files: u64,
    pub(super) bytes_read: u64,
    pub(super) skipped: Vec<(String, String)>,
}

/// Writes the tar stream.
pub(super) struct Assembler<'a, W: Write> {
    builder: Builder<W>,
    names: &'a Names,
    /// Files with several names that are written, by device and inode.
    linked: HashMap<(u64, u64), Vec<u8>>,
    buffer: Vec<u8>,
    assembled: Assembled,
    more: u64,
}

impl<'a, W: Write> Assembler<'a, W> {
    pub(super) fn new(writer: W, names: &'a Names) -> Self {
        let buffer = vec![0; BUFFER];
        Self {
            builder: Builder::new(writer),
            names,
            linked: HashMap::new(),
            buffer,
            assembled: Assembled::default(),
            more: 0,
        }
    }

    /// Writes all members, and the stream's end.
    pub(super) fn assemble(
        mut self,
        members: Receiver<Member>,
        destination: &str,
        cancel: &Cancel,
    ) -> Result<Assembled, Problem> {
        for member in &members {
            cancel.check()?;
            self.member(member, destination, cancel)?;
        }
        let mut writer = self.builder.into_inner().map_err(Problem::at(destination))?;
        writer.flush().map_err(Problem::at(destination))?;
        if self.more > 0 {
            self.assembled.skipped.push((destination.into(), format!("{} more were left out", self.more)));
        }
        Ok(self.assembled)
    }

    fn member(&mut self, member: Member, destination: &str, cancel: &Cancel) -> Result<(), Problem> {
        match member {
            Member::Directory(raw, stat) => {
                let mut path = raw;
                path.push(b'/');
                self.header(&path, &stat, EntryType::Directory, 0).map_err(Problem::at(destination))
            }
            Member::Link(raw, stat, target) => {
                self.link(&raw, &stat, EntryType::Symlink, &target).map_err(Problem::at(destination))
            }
            Member::Small(raw, whole) => match whole.recv() {
                Ok(Ok(whole)) => {
                    if whole.changed {
                        self.skip(&raw, CHANGED.into());
                    }
                    self.small(&raw, &whole.stat, &whole.bytes).map_err(Problem::at(destination))
                }
                Ok(Err(problem)) => {
                    self.skip(&raw, problem.reason());
                    Ok(())
                }
                Err(_) => Err(Problem::Stopped),
            },
            Member::Large(raw, looked, directory, name) => {
                if let Some(first) = self.linked.get(&(looked.st_dev, looked.st_ino)).cloned() {
                    return self.link(&raw, &looked, EntryType::Link, &first).map_err(Problem::at(destination));
                }
                match open_member(&*directory, &name, &shown(&raw)) {
                    Ok((file, stat)) => self.large(&raw, &stat, file, destination, cancel),
                    Err(problem) => {
                        self.skip(&raw, problem.reason());
                        Ok(())
                    }
                }
            }
            Member::Skipped(raw, reason) => {
                self.skip(&raw, reason);
                Ok(())
            }
        }
    }

    fn skip(&mut self, raw: &[u8], reason: String) {
        if self.assembled.skipped.len() < NAMED {
            self.assembled.skipped.push((shown(raw), reason));
        } else {
            self.more += 1;
        }
    }

    fn small(&mut self, raw: &[u8], stat: &Stat, bytes: &[u8]) -> io::Result<()> {
        self.header(raw, stat, EntryType::Regular, size(stat))?;
        self.builder.get_mut().write_all(bytes)?;
        self.fill(bytes.len() as u64, size(stat))?;
        self.assembled.files += 1;
        self.assembled.bytes_read += bytes.len() as u64;
        Ok(())
    }

    fn large(
        &mut self,
        raw: &[u8],
        stat: &Stat,
        mut file: File,
        destination: &str,
        cancel: &Cancel,
    ) -> Result<(), Problem> {
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
        let size = size(stat);
        self.header(raw, stat, EntryType::Regular, size).map_err(Problem::at(destination))?;
        let mut read = 0;
        let mut reason = None;
        while read < size {
            cancel.check()?;
            let most = self.buffer.len().min(usize::try_from(size - read).unwrap_or(usize::MAX));
            match file.read(&mut self.buffer[..most]) {
                Ok(0) => break,
                Ok(count) => {
                    self.builder.get_mut().write_all(&self.buffer[..count]).map_err(Problem::at(destination))?;
                    read += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    reason =
                        Some(format!("{}; the archive has zeros from byte {read} on", Problem::at("")(error).reason()));
                    break;
                }
            }
        }
        self.fill(read, size).map_err(Problem::at(destination))?;
        if reason.is_none() && (read < size || was_changed(&file, stat)) {
            reason = Some(CHANGED.into());
        }
        if let Some(reason) = reason {
            self.skip(raw, reason);
        }
        if stat.st_nlink > 1 {
            self.linked.insert((stat.st_dev, stat.st_ino), raw.to_vec());
        }
        self.assembled.files += 1;
        self.assembled.bytes_read += read;
        Ok(())
    }

    /// Zeros to the size that the header says, and to the end of the block.
    fn fill(&mut self, written: u64, size: u64) -> io::Result<()> {
        let missing = size.next_multiple_of(BLOCK) - written;
        io::copy(&mut io::repeat(0).take(missing), self.builder.get_mut()).map(drop)
    }

    /// A header of a member whose content follows.
    fn header(&mut self, raw: &[u8], stat: &Stat, kind: EntryType, size: u64) -> io::Result<()> {
        let mut header = self.prepared(stat, kind, size)?;
        self.builder.append_data(&mut header, OsStr::from_bytes(raw), io::empty())
    }

    fn link(&mut self, raw: &[u8], stat: &Stat, kind: EntryType, target: &[u8]) -> io::Result<()> {
        let mut header = self.prepared(stat, kind, 0)?;
        if target.len() > LINK {
            self.builder.append(&long_link(target), target.chain(io::repeat(0).take(1)))?;
        }
        header.set_link_name_literal(&target[..target.len().min(LINK)])?;
        self.builder.append_data(&mut header, OsStr::from_bytes(raw), io::empty())
    }

    fn prepared(&self, stat: &Stat, kind: EntryType, size: u64) -> io::Result<Header> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(stat.st_mode & 0o7777);
        header.set_uid(u64::from(stat.st_uid));
        header.set_gid(u64::from(stat.st_gid));
        header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
        header.set_size(size);
        let (user, group) = self.names.of(stat);
        if let Some(user) = user.filter(|name| name.len() <= OWNER) {
            header.set_username(&user)?;
        }
        if let Some(group) = group.filter(|name| name.len() <= OWNER) {
            header.set_groupname(&group)?;
        }
        Ok(header)
    }
}

/// The member that carries a link too long for a header.
fn long_link(target: &[u8]) -> Header {
    let mut header = Header::new_gnu();
    let name = b"././@LongLink";
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(EntryType::GNULongLink);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(target.len() as u64 + 1);
    header.set_cksum();
    header
}
