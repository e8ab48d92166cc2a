//! Paths as a plugin writes them: `/REQUEST/...`, or `/REQUEST/TARGET/...` where the request takes many.
//!
//! They stand here because several capabilities speak of the same bound directories (files, open paths, programs'
//! arguments), and two readings of one path would be a hole. Nothing is opened here: a path becomes a directory that
//! is bound and a list of names below it, none of which is `..`, empty, or holds a slash or a zero byte.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use hostler_configuration::{Binding, DirectoryResource, Grant, Resource};
use hostler_manifest::Access;
use thiserror::Error;

/// A place below a bound directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestPath<'a> {
    /// The request, with the target where it takes many: what the audit and effects name.
    pub label: String,
    /// The resource's name, such as `backups`.
    pub resource: &'a str,
    /// The directory that is bound.
    pub directory: &'a DirectoryResource,
    /// What is granted.
    pub access: Access,
    /// The names below the directory, as the file system has them.
    pub names: Vec<OsString>,
}

impl GuestPath<'_> {
    /// The path again, written the one way that the host writes it.
    pub fn shown(&self) -> String {
        let mut shown = format!("/{}", self.label);
        for name in &self.names {
            shown.push('/');
            shown.push_str(&escape_name(name.as_bytes()));
        }
        shown
    }
}

/// Why a path names no place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GuestPathError {
    /// It does not begin with a slash.
    #[error("a path begins with /REQUEST, the name of a directory request")]
    Relative,
    /// No directory is bound to the request.
    #[error("no directory is bound to a request {0:?}")]
    NotBound(String),
    /// The request takes many, and none of them has this name.
    #[error("the request {request:?} takes many directories, and none of them is {target:?}")]
    NoTarget {
        /// The request.
        request: String,
        /// What stood in the target's place.
        target: String,
    },
    /// It goes up.
    #[error("a path stays below its directory: \"..\" is refused")]
    Upwards,
    /// A backslash that is not followed by `x` and two hexadecimal digits, or that stands for a slash or a zero byte.
    #[error(
        "a backslash in a path stands before xNN, the byte's two hexadecimal digits (a backslash itself is \\x5c), and never for a slash or a zero byte"
    )]
    Escape,
}

/// Finds the place that a path names among the directories of a run.
///
/// # Errors
/// Where it names none.
pub fn guest_path<'a>(bindings: &'a [Binding], path: &str) -> Result<GuestPath<'a>, GuestPathError> {
    let below = path.strip_prefix('/').ok_or(GuestPathError::Relative)?;
    let mut names = Vec::new();
    for part in below.split('/').filter(|part| !part.is_empty() && *part != ".") {
        let name = unescape_name(part).ok_or(GuestPathError::Escape)?;
        match name.as_slice() {
            b".." => return Err(GuestPathError::Upwards),
            b"." => {}
            bytes if bytes.iter().any(|byte| matches!(byte, 0 | b'/')) => return Err(GuestPathError::Escape),
            _ => names.push(OsString::from_vec(name)),
        }
    }
    let mut names = names.into_iter();
    let request = names.next().ok_or(GuestPathError::Relative)?;
    let bound = bindings.iter().find_map(|binding| match binding.grant {
        Grant::Directory(access) if OsStr::new(&binding.request) == request => Some((binding, access)),
        _ => None,
    });
    let (binding, access) = bound.ok_or_else(|| GuestPathError::NotBound(shown(&request)))?;
    let (target, label) = if binding.many {
        let name = names.next().unwrap_or_default();
        let target = binding.targets.iter().find(|target| OsStr::new(&target.name) == name);
        let missing = || GuestPathError::NoTarget { request: binding.request.clone(), target: shown(&name) };
        let target = target.ok_or_else(missing)?;
        (target, format!("{}/{}", binding.request, target.name))
    } else {
        let target = binding.targets.first().ok_or_else(|| GuestPathError::NotBound(binding.request.clone()))?;
        (target, binding.request.clone())
    };
    let Resource::Directory(directory) = &target.resource else {
        return Err(GuestPathError::NotBound(binding.request.clone()));
    };
    Ok(GuestPath { label, resource: &target.name, directory, access, names: names.collect() })
}

/// A name (or a path: slashes stay) as a plugin sees it: what is not UTF-8, and a backslash, is written `\xNN`.
pub fn escape_name(name: &[u8]) -> String {
    let mut escaped = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        let mut pieces = chunk.valid().split('\\');
        escaped.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            escaped.push_str("\\x5c");
            escaped.push_str(piece);
        }
        for byte in chunk.invalid() {
            escaped.push_str(&format!("\\x{byte:02x}"));
        }
    }
    escaped
}

/// The bytes of an escaped name; nothing where a backslash stands alone.
pub fn unescape_name(name: &str) -> Option<Vec<u8>> {
    let mut pieces = name.split('\\');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.strip_prefix('x')?.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(bytes)
}

fn shown(name: &OsStr) -> String {
    escape_name(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use hostler_configuration::Target;

    use super::*;

    fn bindings() -> Vec<Binding> {
        let target = |name: &str| Target {
            name: name.into(),
            resource: Resource::Directory(DirectoryResource {
                path: format!("/srv/{name}").into(),
                trust_contents: false,
            }),
        };
        let binding = |request: &str, many, targets: &[&str], access| Binding {
            request: request.into(),
            many,
            targets: targets.iter().map(|name| target(name)).collect(),
            grant: Grant::Directory(access),
        };
        vec![binding("data", false, &["shop"], Access::Read), binding("logs", true, &["a", "b"], Access::Write)]
    }

    #[test]
    fn names_the_directory_and_what_is_below_it() {
        let bindings = bindings();
        let place = guest_path(&bindings, "/data//x/./y/").expect("it is bound");
        assert_eq!((place.label.as_str(), place.names.len(), place.access), ("data", 2, Access::Read));
        let place = guest_path(&bindings, "/logs/b").expect("it is bound");
        assert_eq!((place.label.as_str(), place.names.len(), place.access), ("logs/b", 0, Access::Write));
        assert_eq!(place.shown(), "/logs/b");
    }

    #[test]
    fn what_leaves_or_names_nothing_is_refused() {
        let bindings = bindings();
        for (path, expected) in [
            ("data/x", GuestPathError::Relative),
            ("", GuestPathError::Relative),
            ("/", GuestPathError::Relative),
            ("/etc/passwd", GuestPathError::NotBound("etc".into())),
            ("/data/../x", GuestPathError::Upwards),
            ("/data/\\x2e\\x2e/x", GuestPathError::Upwards),
            ("/data/\\x2e./x", GuestPathError::Upwards),
            ("/data/a\\x2fb", GuestPathError::Escape),
            ("/data/a\\x00", GuestPathError::Escape),
            ("/data/a\\b", GuestPathError::Escape),
            ("/data/a\\x+1", GuestPathError::Escape),
            ("/logs", GuestPathError::NoTarget { request: "logs".into(), target: String::new() }),
            ("/logs/c/x", GuestPathError::NoTarget { request: "logs".into(), target: "c".into() }),
        ] {
            assert_eq!(guest_path(&bindings, path).err(), Some(expected), "{path}");
        }
    }

    #[test]
    fn any_name_comes_back() {
        let names: [&[u8]; 6] = [b"plain", b"\xff\xfe", "größe".as_bytes(), b"a\\x41", b"\\", b"\xc3\\x\xc3"];
        for name in names {
            let escaped = escape_name(name);
            assert_eq!(unescape_name(&escaped).as_deref(), Some(name), "{escaped}");
        }
        assert_eq!(escape_name(b"a\\\xff"), "a\\x5c\\xff");
    }
}
