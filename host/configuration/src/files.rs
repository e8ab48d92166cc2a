//! Files that a resource names: secrets, which their owner alone may read, and certificates.
//!
//! Whoever reads one says what is wrong in the same words: the key that names it, its path, and what to do; never what
//! it holds. A plugin learns of no path of this machine, so each error has words without it.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// A password or a header is no longer than this; a longer file is something else.
const LONGEST: u64 = 64 << 10;

/// Why a file cannot be used, and what to do; never what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {}", self.finding(), self.remedy())]
pub struct FileError {
    /// The key or keyword that names it: `password_file`.
    pub key: String,
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: FileProblem,
}

/// What is wrong with a file, as the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FileProblem {
    /// It is not there.
    #[error("does not exist")]
    Missing,
    /// The host's user may not read it, or a directory above it.
    #[error("may not be read by the host's user (permission denied)")]
    Forbidden,
    /// It is a directory, or something else.
    #[error("is no regular file")]
    NoFile,
    /// Others than its owner may read or change a secret: its mode.
    #[error("may be read or changed by others than its owner (its mode is {0:04o})")]
    Loose(u32),
    /// Nothing stands in its first line.
    #[error("has nothing in its first line")]
    Empty,
    /// It is too long, or no text.
    #[error("does not hold a line of text")]
    NoText,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl FileError {
    /// What the system said of a file.
    #[must_use]
    pub fn of(key: &str, path: &Path, error: &io::Error) -> Self {
        let problem = match error.kind() {
            io::ErrorKind::NotFound => FileProblem::Missing,
            io::ErrorKind::PermissionDenied => FileProblem::Forbidden,
            io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => FileProblem::NoFile,
            kind => FileProblem::Other(format!("cannot be read: {kind}")),
        };
        problem.of(key, path)
    }

    /// What was found, without what to do.
    #[must_use]
    pub fn finding(&self) -> String {
        format!("its {} {} {}", self.key, self.path.display(), self.problem)
    }

    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> String {
        self.remedy_of(&self.path.display().to_string())
    }

    /// All of it for a plugin, which learns of no path of this machine.
    #[must_use]
    pub fn without_path(&self) -> String {
        format!("its {} {}: {}", self.key, self.problem, self.remedy_of("it"))
    }

    fn remedy_of(&self, file: &str) -> String {
        let key = &self.key;
        match self.problem {
            FileProblem::Missing => format!("create {file}, or correct {key}"),
            FileProblem::Forbidden => {
                format!("let the host's user read {file}, and pass the directories above (namei -l shows them)")
            }
            FileProblem::NoFile => format!("correct {key}"),
            FileProblem::Loose(_) => format!("chmod 600 {file}"),
            FileProblem::Empty | FileProblem::NoText => format!("write the secret alone into {file}"),
            FileProblem::Other(_) => format!("look at {file}, or correct {key}"),
        }
    }
}

impl FileProblem {
    /// The error of a file that a key names.
    #[must_use]
    pub fn of(self, key: &str, path: &Path) -> FileError {
        FileError { key: key.into(), path: path.into(), problem: self }
    }
}

/// The first line of a file that holds a secret and that its owner alone may read.
///
/// # Errors
/// What is wrong with it, and what to do; never what it holds.
pub fn read_secret(key: &str, path: &Path) -> Result<String, FileError> {
    let mut file = open(key, path)?;
    let failed = |error: io::Error| FileError::of(key, path, &error);
    loose(&file.metadata().map_err(failed)?).map_or(Ok(()), |problem| Err(problem.of(key, path)))?;
    let mut contents = Vec::new();
    let read = (&mut file).take(LONGEST + 1).read_to_end(&mut contents).map_err(failed)?;
    let text = String::from_utf8(contents).ok().filter(|_| read as u64 <= LONGEST);
    let text = text.ok_or_else(|| FileProblem::NoText.of(key, path))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(FileProblem::Empty.of(key, path)),
    }
}

/// Whether a file that holds no secret, such as a certificate, is there and may be read.
///
/// # Errors
/// What is wrong with it, and what to do.
pub fn check_readable(key: &str, path: &Path) -> Result<(), FileError> {
    open(key, path).map(drop)
}

/// Whether others than its owner may read or change a secret; nothing where there is no such file.
///
/// libpq leaves such a file out without a word, so whoever looks after it has to be told.
///
/// # Errors
/// Its mode, and what to do.
pub fn check_alone(key: &str, path: &Path) -> Result<(), FileError> {
    let found = path.metadata().ok().as_ref().and_then(loose);
    found.map_or(Ok(()), |problem| Err(problem.of(key, path)))
}

fn open(key: &str, path: &Path) -> Result<File, FileError> {
    let failed = |error: io::Error| FileError::of(key, path, &error);
    // Looked at before it is opened: a pipe would be waited for.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(FileProblem::NoFile.of(key, path));
    }
    File::open(path).map_err(failed)
}

/// As libpq has it for keys: a file of root's may be read by a group, which is how systemd hands out credentials.
fn loose(metadata: &Metadata) -> Option<FileProblem> {
    let mode = metadata.mode() & 0o7777;
    let others = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    (mode & others != 0).then_some(FileProblem::Loose(mode))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn file(contents: &[u8], mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), contents).expect("it is written");
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).expect("its mode is set");
        file
    }

    fn problem(path: &Path) -> FileProblem {
        let error = read_secret("password_file", path).expect_err("it is refused");
        let (told, plain) = (error.to_string(), error.without_path());
        let path = path.display().to_string();
        assert!(told.starts_with(&format!("its password_file {path} ")) && !told.contains("hunter2"), "{told}");
        assert!(plain.starts_with("its password_file ") && !plain.contains(&path), "{plain}");
        error.problem
    }

    #[test]
    fn a_secret_is_the_first_line_of_a_file_of_its_own() {
        for contents in ["hunter2", "hunter2\n", "hunter2\r\n# of db1\n"] {
            assert_eq!(read_secret("password_file", file(contents.as_bytes(), 0o400).path()), Ok("hunter2".into()));
        }
        for mode in [0o604, 0o620] {
            assert_eq!(problem(file(b"hunter2", mode).path()), FileProblem::Loose(mode));
        }
        let group = file(b"hunter2", 0o640);
        let of_root = group.path().metadata().expect("its metadata").uid() == 0;
        assert_eq!(read_secret("password_file", group.path()).is_ok(), of_root, "a group reads what is root's alone");
        assert_eq!(problem(file(b"\nhunter2", 0o600).path()), FileProblem::Empty);
        assert_eq!(problem(file(b"hunter2\xff", 0o600).path()), FileProblem::NoText);
        assert_eq!(problem(file(&[b'x'; 70_000], 0o600).path()), FileProblem::NoText);
    }

    #[test]
    fn what_is_not_there_or_is_no_file_is_told_as_such() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(problem(&directory.path().join("absent")), FileProblem::Missing);
        assert_eq!(problem(directory.path()), FileProblem::NoFile);
        let beneath = file(b"", 0o600).path().join("x");
        assert!(check_readable("sslrootcert", &beneath).is_err());
        assert_eq!(check_readable("sslrootcert", file(b"any", 0o644).path()), Ok(()));
    }

    #[test]
    fn a_loose_file_is_told_and_an_absent_one_is_not() {
        assert_eq!(check_alone("PGPASSFILE", Path::new("/nowhere/x")), Ok(()));
        assert_eq!(check_alone("PGPASSFILE", file(b"", 0o600).path()), Ok(()));
        let (loose, key) = (file(b"", 0o644), "PGPASSFILE");
        let path = loose.path();
        let told = check_alone(key, path).expect_err("it is loose").to_string();
        assert!(told.ends_with(&format!("(its mode is 0644): chmod 600 {}", path.display())), "{told}");
    }
}
