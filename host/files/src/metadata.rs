//! What is told of a file, and the names of owners.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use hostler_world::files::{FilesystemUsage, Kind, Metadata, Ownership};
use rustix::fs::{FileType, Stat, StatVfs};

use crate::open::file_type;

/// Names of users and groups, asked of the machine once each: it may ask a directory service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    users: BTreeMap<u32, Option<String>>,
    groups: BTreeMap<u32, Option<String>>,
}

impl Names {
    /// The user's and the group's name, where the machine knows them.
    pub(crate) fn of(&self, stat: &Stat) -> (Option<String>, Option<String>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let user = known.users.entry(stat.st_uid).or_insert_with(|| user_name(stat.st_uid)).clone();
        let group = known.groups.entry(stat.st_gid).or_insert_with(|| group_name(stat.st_gid)).clone();
        (user, group)
    }

    /// All that is told of a file.
    pub(crate) fn metadata(&self, stat: &Stat) -> Metadata {
        let (user, group) = self.of(stat);
        Metadata {
            kind: match file_type(stat) {
                FileType::RegularFile => Kind::File,
                FileType::Directory => Kind::Directory,
                FileType::Symlink => Kind::Link,
                _ => Kind::Other,
            },
            device: stat.st_dev,
            inode: stat.st_ino,
            #[allow(clippy::unnecessary_cast, reason = "32 bits wide on some machines")]
            links: stat.st_nlink as u64,
            size: size(stat),
            modified: modified(stat),
            accessed: nanoseconds(stat.st_atime, stat.st_atime_nsec as i64),
            changed: nanoseconds(stat.st_ctime, stat.st_ctime_nsec as i64),
            ownership: Ownership {
                user_id: stat.st_uid,
                group_id: stat.st_gid,
                mode: stat.st_mode & 0o7777,
                user,
                group,
            },
        }
    }
}

fn user_name(id: u32) -> Option<String> {
    nix::unistd::User::from_uid(id.into()).ok().flatten().map(|user| user.name)
}

fn group_name(id: u32) -> Option<String> {
    nix::unistd::Group::from_gid(id.into()).ok().flatten().map(|group| group.name)
}

/// Bytes of the file.
pub(crate) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// When it was last written, in nanoseconds since the Unix epoch.
pub(crate) fn modified(stat: &Stat) -> i64 {
    nanoseconds(stat.st_mtime, stat.st_mtime_nsec as i64)
}

/// When it was last read, in nanoseconds since the Unix epoch.
pub(crate) fn accessed(stat: &Stat) -> i64 {
    nanoseconds(stat.st_atime, stat.st_atime_nsec as i64)
}

fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// How full a file system is.
pub(crate) fn usage(stat: &StatVfs) -> FilesystemUsage {
    FilesystemUsage {
        total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        available_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        total_inodes: stat.f_files,
        available_inodes: stat.f_favail,
    }
}
