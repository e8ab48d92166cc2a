//! Connection service files, as libpq has them: sections of keywords and values.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::FileError;

/// Why a service could not be read. No value of the file's is in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ServiceError {
    /// The string names a service, and there is no file to find it in.
    #[error("its service is in no connection service file: name one with service_file")]
    NoFile,
    /// The file has no such section.
    #[error(
        "its service is not in the connection service file {file}: add a section for it, or correct service_file",
        file = .0.display()
    )]
    Absent(PathBuf),
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line that is none.
    #[error("line {line} of the connection service file {file} {problem}", file = .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, as the end of a sentence.
        problem: &'static str,
    },
}

impl ServiceError {
    /// The same for a plugin, which learns of no path of this machine.
    #[must_use]
    pub fn without_path(&self) -> String {
        match self {
            Self::NoFile => self.to_string(),
            Self::Absent(_) => "its service is not in its connection service file: add a section for it".into(),
            Self::File(error) => error.without_path(),
            Self::Line { line, problem, .. } => format!("line {line} of its connection service file {problem}"),
        }
    }
}

/// Where services are looked for: the first of these that is named, as libpq has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceFile {
    /// The resource's own `service_file`.
    pub own: Option<PathBuf>,
    /// What `PGSERVICEFILE` names.
    pub of_environment: Option<PathBuf>,
    /// `~/.pg_service.conf`, which need not be there.
    pub at_home: Option<PathBuf>,
}

impl ServiceFile {
    /// The keywords of a service.
    ///
    /// # Errors
    /// Where there is no file, it cannot be read, or does not hold the service.
    pub fn find(&self, service: &str) -> Result<Vec<(String, String)>, ServiceError> {
        let named = |key, path: &Option<PathBuf>| path.clone().map(|path| (key, path));
        let at_home = named("~/.pg_service.conf", &self.at_home).filter(|(_, path)| path.exists());
        let first = named("service_file", &self.own).or_else(|| named("PGSERVICEFILE", &self.of_environment));
        let (key, file) = first.or(at_home).ok_or(ServiceError::NoFile)?;
        let text = std::fs::read_to_string(&file).map_err(|error| FileError::of(key, &file, &error))?;
        read(&text, service, &file)?.ok_or(ServiceError::Absent(file))
    }
}

fn read(text: &str, service: &str, file: &Path) -> Result<Option<Vec<(String, String)>>, ServiceError> {
    let mut found: Option<Vec<(String, String)>> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            let section = section.split(']').next().unwrap_or_default();
            found = (section == service).then(Vec::new);
            continue;
        }
        let Some(pairs) = &mut found else { continue };
        let wrong = |problem| Err(ServiceError::Line { file: file.into(), line: number, problem });
        if line.starts_with("ldap") {
            return wrong("asks LDAP, which is not supported");
        }
        match line.split_once('=') {
            Some((keyword, _)) if keyword.trim() == "service" => return wrong("names another service"),
            Some((keyword, value)) => pairs.push((keyword.trim().into(), value.trim().into())),
            None => return wrong("is not keyword=value"),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# ours\n[one]\nhost=a\n\n[two]\nhost = b\nport=5433\n# end\n[three]\nbroken\n[one]\nhost=c\n";

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let read = |service| read(FILE, service, Path::new("/secret/services"));
        let pair = |keyword: &str, value: &str| (keyword.to_owned(), value.to_owned());
        assert_eq!(read("two"), Ok(Some(vec![pair("host", "b"), pair("port", "5433")])));
        assert_eq!(read("one"), Ok(Some(vec![pair("host", "a")])), "the first of two sections of one name");
        assert_eq!(read("four"), Ok(None));
        let broken = read("three").expect_err("a line is wrong");
        assert_eq!(broken.to_string(), "line 10 of the connection service file /secret/services is not keyword=value");
        assert!(!broken.without_path().contains("/secret"), "{}", broken.without_path());
    }

    #[test]
    fn a_file_that_is_named_has_to_be_there_and_the_one_at_home_has_not() {
        let nowhere = || Some(PathBuf::from("/nowhere/services"));
        let at_home = ServiceFile { at_home: nowhere(), ..ServiceFile::default() };
        assert_eq!(at_home.find("a"), Err(ServiceError::NoFile));
        assert_eq!(ServiceFile::default().find("a"), Err(ServiceError::NoFile));
        for named in [
            ServiceFile { own: nowhere(), ..ServiceFile::default() },
            ServiceFile { of_environment: nowhere(), ..ServiceFile::default() },
        ] {
            let absent = named.find("a").expect_err("it is not there");
            assert!(absent.to_string().contains("/nowhere/services does not exist"), "{absent}");
            assert!(!absent.without_path().contains("/nowhere"), "{}", absent.without_path());
        }
        let file = tempfile::NamedTempFile::new().expect("a file");
        let empty = ServiceFile { own: Some(file.path().into()), ..ServiceFile::default() }.find("hunter2");
        assert_eq!(empty, Err(ServiceError::Absent(file.path().into())));
        let told = empty.expect_err("it has none");
        assert!(!told.to_string().contains("hunter2") && !told.without_path().contains("/tmp"), "{told}");
    }
}
