//! Paths below a bound directory that some process holds open or has mapped.
//!
//! Processes are asked by the names that the kernel gives their files, in the host's view: a process that sees the
//! directory under another name (in a container) is not found by it. Files that have no name any more are not told.

use std::{
    collections::BTreeSet,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

use hostler_capability::escape_name;

use crate::{Problem, grant::Directory, processes};

const DELETED: &[u8] = b" (deleted)";

/// The plugin's paths, and how many processes the host could not look at.
///
/// # Errors
/// Where the directory is not there.
pub(crate) fn open_paths(directory: &Directory) -> Result<(Vec<String>, usize), Problem> {
    let resolve = |path: &Path| {
        std::fs::canonicalize(path)
            .map_err(|source| Problem::Directory { resource: directory.resource.clone(), source })
    };
    let (root, top) = (resolve(&directory.root)?, resolve(&directory.path)?);
    // A link on the way would lead out of what was bound.
    if top != root.join(directory.path.strip_prefix(&directory.root).unwrap_or(Path::new(""))) {
        let source = std::io::Error::other("a symbolic link stands on the way, and links are not followed");
        return Err(Problem::Directory { resource: directory.resource.clone(), source });
    }
    let (mut found, mut hidden) = (BTreeSet::new(), 0);
    for process in processes::numbers() {
        match processes::links(process) {
            Ok(links) => {
                let names = links.into_iter().map(|(_, link)| link.into_vec());
                found.extend(names.filter_map(|name| below(&name, &root, &top, &directory.label)));
            }
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                hidden += 1;
                continue;
            }
            // It ended.
            Err(_) => continue,
        }
        let maps = std::fs::read(format!("/proc/{process}/maps")).unwrap_or_default();
        let names = maps.split(|byte| *byte == b'\n').filter_map(mapped);
        found.extend(names.filter_map(|name| below(&name, &root, &top, &directory.label)));
    }
    Ok((found.into_iter().collect(), hidden))
}

/// The path of a line of maps, in which a line end is written `\012`.
fn mapped(line: &[u8]) -> Option<Vec<u8>> {
    let path = &line[line.iter().position(|byte| *byte == b'/')?..];
    let mut name = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, after)) = rest.split_first() {
        let end = rest.strip_prefix(b"\\012");
        name.push(if end.is_some() { b'\n' } else { *byte });
        rest = end.unwrap_or(after);
    }
    Some(name)
}

/// The plugin's path of a file below `top`, which is `root` or below it.
fn below(name: &[u8], root: &Path, top: &Path, label: &str) -> Option<String> {
    let path = Path::new(std::ffi::OsStr::from_bytes(name));
    if name.ends_with(DELETED) || path == top || !path.starts_with(top) {
        return None;
    }
    let rest = path.strip_prefix(root).ok()?;
    Some(format!("/{label}/{}", escape_name(rest.as_os_str().as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(root: &Path, below: &str) -> Directory {
        Directory {
            label: "data".into(),
            resource: "shop".into(),
            root: root.into(),
            path: root.join(below),
            shown: String::new(),
        }
    }

    #[test]
    fn what_this_process_holds_open_is_found_under_the_plugins_path() {
        let temporary = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(temporary.path().join("a")).expect("a directory");
        let inside = std::fs::File::create(temporary.path().join("a/in\\side")).expect("a file");
        let beside = std::fs::File::create(temporary.path().join("beside")).expect("a file");
        let gone = std::fs::File::create(temporary.path().join("gone")).expect("a file");
        std::fs::remove_file(temporary.path().join("gone")).expect("it is there");
        let (paths, _) = open_paths(&directory(temporary.path(), "")).expect("it is there");
        assert_eq!(paths, ["/data/a/in\\x5cside", "/data/beside"]);
        let (paths, _) = open_paths(&directory(temporary.path(), "a")).expect("it is there");
        assert_eq!(paths, ["/data/a/in\\x5cside"]);
        drop((inside, beside, gone));
        let (paths, _) = open_paths(&directory(temporary.path(), "")).expect("it is there");
        assert_eq!(paths, Vec::<String>::new());
    }

    #[test]
    fn a_link_below_the_directory_leads_nowhere() {
        let temporary = tempfile::tempdir().expect("a directory");
        std::os::unix::fs::symlink("/", temporary.path().join("out")).expect("a link");
        assert!(matches!(open_paths(&directory(temporary.path(), "out")), Err(Problem::Directory { .. })));
    }

    #[test]
    fn a_mapped_name_may_hold_a_line_end() {
        assert_eq!(mapped(b"7f00-7f01 r-xp 0 08:01 42  /data/a\\012b").as_deref(), Some(&b"/data/a\nb"[..]));
        assert_eq!(mapped(b"7f00-7f01 r-xp 0 00:00 0  [heap]"), None);
    }
}
