//! What can go wrong with a file, and how it is told: by the plugin's path, never by the operator's.

use std::io;

use hostler_capability::{Error, failed};
use hostler_world::types::Failure;
use thiserror::Error as ThisError;

/// Why a file could not be served.
#[derive(Debug, ThisError)]
pub enum Problem {
    /// The system refused.
    #[error("{path}: {}", words(.source))]
    System {
        /// The plugin's path.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The bound directory itself cannot be opened.
    #[error("directory.{resource} cannot be opened: {}; see its path in the configuration", words(.source))]
    Unavailable {
        /// The resource's name.
        resource: String,
        /// What the system said.
        source: io::Error,
    },
    /// It lies on a file system that speaks for the kernel.
    #[error("{path}: it lies on {kind}, which is never served; bind a directory of files")]
    Pseudo {
        /// The plugin's path, or the resource's name.
        path: String,
        /// Such as `procfs`.
        kind: &'static str,
    },
    /// Something else than a regular file.
    #[error("{path}: it is {kind}, and only regular files are read and written")]
    NotRegular {
        /// The plugin's path.
        path: String,
        /// Such as `a FIFO`.
        kind: &'static str,
    },
    /// The file is not the one that was looked at.
    #[error("{path}: it is not the file that was looked at, or was written since; look again")]
    Changed {
        /// The plugin's path.
        path: String,
    },
    /// The file is not the one that was looked at, and its place was taken while it stood aside.
    #[error(
        "{path}: it was not the file that was looked at; another took its place, and it stands beside it as {aside}"
    )]
    Aside {
        /// The plugin's path.
        path: String,
        /// The name that it has now.
        aside: String,
    },
    /// Another file system is mounted there.
    #[error("{path}: another file system is mounted there, and a tree is not followed into it")]
    Mount {
        /// The plugin's path.
        path: String,
    },
    /// Nested too deeply.
    #[error("{path}: nested more than {} directories deep", crate::walk::DEEPEST)]
    Deep {
        /// The plugin's path.
        path: String,
    },
    /// The call's own arguments are wrong.
    #[error("{0}")]
    Invalid(String),
    /// What is compressed is damaged or of another kind.
    #[error("{path}: cannot be unpacked: {problem}")]
    Damaged {
        /// The plugin's path.
        path: String,
        /// What the decoder says.
        problem: String,
    },
    /// The run is being stopped, or the plugin dropped the call.
    #[error("stopped")]
    Stopped,
    /// The run's own limit.
    #[error("a limit of the run is used up")]
    Limit(Error),
}

impl Problem {
    /// For `map_err`: a problem of the system at a path.
    pub(crate) fn at<E: Into<io::Error>>(path: &str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { path: path.into(), source: source.into() }
    }

    /// The reason without the path, for lists that hold the path beside it.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::System { source, .. } => words(source),
            other => {
                let text = other.to_string();
                text.split_once(": ").map_or_else(|| text.clone(), |(_, reason)| reason.to_owned())
            }
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let message = problem.to_string();
        match problem {
            Problem::System { source, .. } => Self::Failed(Failure {
                code: code(&source),
                message,
                detail: None,
                hint: hint(&source).map(str::to_owned),
            }),
            Problem::Unavailable { .. } => Self::Unavailable(message),
            Problem::Pseudo { .. } => failed("pseudo-filesystem", message),
            Problem::NotRegular { .. } => failed("not-regular", message),
            Problem::Changed { .. } | Problem::Aside { .. } => failed("changed", message),
            Problem::Mount { .. } => failed("EXDEV", message),
            Problem::Deep { .. } => failed("ELOOP", message),
            Problem::Damaged { .. } => failed("damaged", message),
            Problem::Invalid(message) => Self::Invalid(message),
            Problem::Stopped => Self::Stopped,
            Problem::Limit(error) => error,
        }
    }
}

/// What the system said, in words without its number.
pub(crate) fn words(error: &io::Error) -> String {
    match errno(error) {
        Some(nix::errno::Errno::ELOOP) => {
            "a symbolic link stands on the way, and links are not followed; name the place itself".into()
        }
        Some(errno) => {
            let mut words = errno.desc().to_owned();
            words.get_mut(..1).map(str::make_ascii_lowercase);
            words
        }
        None => error.to_string(),
    }
}

fn code(error: &io::Error) -> String {
    errno(error).map_or_else(|| format!("{:?}", error.kind()), |errno| format!("{errno:?}"))
}

fn errno(error: &io::Error) -> Option<nix::errno::Errno> {
    error.raw_os_error().map(nix::errno::Errno::from_raw)
}

fn hint(error: &io::Error) -> Option<&'static str> {
    use nix::errno::Errno::{EACCES, EDQUOT, ENOSPC, ENOTEMPTY, EPERM, EROFS, EXDEV};
    match errno(error)? {
        EACCES | EPERM => {
            Some("let the host's user at it, by the owner, the mode or an ACL of the file and its directories")
        }
        ENOSPC => Some("make room on the file system"),
        EDQUOT => Some("make room within the quota of the host's user"),
        EROFS => Some("the file system is mounted read-only; under systemd see ReadWritePaths="),
        EXDEV => Some("the two places lie on different file systems: copy it, and then remove the source"),
        ENOTEMPTY => Some("a directory with something in it is removed by remove-tree"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_plugins_path_the_code_and_the_remedy() {
        let error = Error::from(Problem::at("/data/x")(rustix::io::Errno::ACCESS));
        let Error::Failed(failure) = error else { panic!("{error:?}") };
        assert_eq!((failure.code.as_str(), failure.message.as_str()), ("EACCES", "/data/x: permission denied"));
        assert!(failure.hint.is_some_and(|hint| hint.contains("host's user")));
    }

    #[test]
    fn a_reason_stands_without_its_path() {
        let problem = Problem::NotRegular { path: "/data/pipe".into(), kind: "a FIFO" };
        assert_eq!(problem.reason(), "it is a FIFO, and only regular files are read and written");
    }
}
