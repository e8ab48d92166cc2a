//! Whether the server's disk has room for what is built beside the old. A server does not say where its data is, so the
//! operator does: the path on this machine, or how much there is where the server is elsewhere.

use hostler_sdk::machine::{self, Mount};
use hostler_sdk::prelude::*;

/// What the operator says of the disk.
#[derive(Debug, Clone, Copy)]
pub struct Disk<'a> {
    /// A path on the mount of the server's data, on this machine; empty where it is elsewhere.
    pub data_path: &'a str,
    /// Bytes that the run may count on, where the server is elsewhere.
    pub free_space: ByteSize,
}

impl Disk<'_> {
    /// How many bytes are free there; nothing where nobody said.
    ///
    /// # Errors
    /// Where the machine cannot be looked at, or no mount holds the path.
    pub async fn available(&self) -> Result<Option<u64>, TaskError> {
        if self.data_path.is_empty() {
            return Ok(Some(self.free_space.0).filter(|bytes| *bytes > 0));
        }
        let mounts = machine::mounts().await?;
        match mount_of(&mounts, self.data_path) {
            Some(mount) => Ok(Some(mount.available_bytes)),
            None => Err(TaskError::new(format!("no mount of this machine holds {:?}", self.data_path))
                .remedy("set `data_path` to where the server's data is on this machine, as an absolute path")),
        }
    }
}

/// Tells that nobody said how much room there is, so that nothing is built.
pub fn report_unknown() {
    finding!(
        Severity::Unknown,
        "free-space-unknown",
        "disk",
        "how much room the server's disk has is unknown, so nothing is built beside the old"
    )
    .remedy(
        "set `data_path` in the task's settings to the server's data directory, such as /var/lib/postgresql, or, where \
         the server is another machine, `free_space` to what may be used there",
    )
    .report();
}

fn mount_of<'a>(mounts: &'a [Mount], path: &str) -> Option<&'a Mount> {
    let holds = |mount: &&Mount| {
        let rest = path.strip_prefix(mount.path.trim_end_matches('/'));
        path.starts_with('/') && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    mounts.iter().filter(holds).max_by_key(|mount| mount.path.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_holds_a_path() {
        let mount = |path: &str| Mount {
            path: path.into(),
            filesystem: "ext4".into(),
            total_bytes: 0,
            available_bytes: 0,
            total_inodes: 0,
            available_inodes: 0,
            read_only: false,
        };
        let mounts = [mount("/"), mount("/var"), mount("/var/lib/post")];
        let of = |path| mount_of(&mounts, path).map(|mount| mount.path.as_str());
        assert_eq!(of("/var/lib/postgresql/15"), Some("/var"));
        assert_eq!((of("/var"), of("/srv"), of("var")), (Some("/var"), Some("/"), None));
    }
}
