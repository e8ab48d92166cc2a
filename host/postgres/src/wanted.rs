//! What a resource says about TLS, with the modes and the defaults that libpq has.

use std::path::{Path, PathBuf};

use hostler_configuration::{ConnectionString, FileError, FileProblem, check_readable};

use crate::{environment::Environment, problem::Problem, words::values};

/// How much of TLS is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Mode {
    /// None.
    Disable,
    /// Where the server has it.
    #[default]
    Prefer,
    /// Always, whoever the server is.
    Require,
    /// With a certificate that the roots vouch for.
    VerifyCa,
    /// And that names the host.
    VerifyFull,
}

/// The certificates that vouch for the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Roots {
    /// None named.
    #[default]
    Unnamed,
    /// Those in a file.
    File(PathBuf),
    /// The machine's own.
    System,
}

/// What a resource says about TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// How much.
    pub mode: Mode,
    /// Who vouches for the server.
    pub roots: Roots,
    /// The client's own certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether nothing older than TLS 1.3 will do.
    pub newest_only: bool,
    /// Whether the host's name is kept out of the handshake.
    pub nameless: bool,
    /// Whether TLS begins without asking, as PostgreSQL 17 allows.
    pub direct: bool,
}

impl Wanted {
    /// Takes the keywords of TLS, and looks whether the files that they name can be read.
    ///
    /// # Errors
    /// What is wrong and what to do, without any value but a path.
    pub(crate) fn take(words: &mut ConnectionString, environment: &Environment) -> Result<Self, Problem> {
        let (mode, roots) = mode_and_roots(words, environment)?;
        let identity: Option<(PathBuf, PathBuf)> = match (words.take("sslcert"), words.take("sslkey")) {
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (None, None) => None,
            _ => return Err("its sslcert and sslkey belong together: one of them is missing".into()),
        };
        if let Roots::File(file) = &roots {
            check_readable("sslrootcert", file)?;
        }
        if let Some((certificate, key)) = &identity {
            check_readable("sslcert", certificate)?;
            secret_key(key)?;
        }
        Ok(Self {
            mode,
            roots,
            identity,
            newest_only: match words.take("ssl_min_protocol_version").as_deref() {
                None | Some("TLSv1" | "TLSv1.1" | "TLSv1.2") => false,
                Some("TLSv1.3") => true,
                Some(_) => return Err(values("ssl_min_protocol_version", "TLSv1.2 or TLSv1.3").into()),
            },
            nameless: words.take("sslsni").as_deref() == Some("0"),
            direct: match words.take("sslnegotiation").as_deref() {
                None | Some("postgres") => false,
                Some("direct") if mode >= Mode::Require => true,
                Some(_) => {
                    return Err(values("sslnegotiation", "postgres, or direct with sslmode=require and above").into());
                }
            },
        })
    }
}

fn mode_and_roots(words: &mut ConnectionString, environment: &Environment) -> Result<(Mode, Roots), Problem> {
    let mode = match words.take("sslmode").as_deref() {
        Some("disable") => Mode::Disable,
        None | Some("prefer") => Mode::Prefer,
        Some("require") => Mode::Require,
        Some("verify-ca") => Mode::VerifyCa,
        Some("verify-full") => Mode::VerifyFull,
        Some(_) => return Err(values("sslmode", "disable, prefer, require, verify-ca or verify-full").into()),
    };
    let standard = || environment.at_home(".postgresql/root.crt").filter(|file| file.exists());
    let roots = match words.take("sslrootcert") {
        Some(word) if word == "system" => Roots::System,
        Some(file) => Roots::File(file.into()),
        None => standard().filter(|_| mode >= Mode::Require).map_or(Roots::Unnamed, Roots::File),
    };
    if roots == Roots::System && mode < Mode::VerifyFull {
        return Err("its sslrootcert=system vouches for any server: it needs sslmode=verify-full".into());
    }
    Ok(match (mode, roots) {
        // As libpq: certificates that are named are used.
        (Mode::Require, Roots::File(file)) => (Mode::VerifyCa, Roots::File(file)),
        (Mode::Prefer | Mode::Disable, _) => (mode, Roots::Unnamed),
        (_, roots) => (mode, roots),
    })
}

/// A key is its owner's; one of root's may be read by its group too, as libpq has it.
fn secret_key(file: &Path) -> Result<(), Problem> {
    use std::os::unix::fs::MetadataExt;
    check_readable("sslkey", file)?;
    let metadata = file.metadata().map_err(|error| FileError::of("sslkey", file, &error))?;
    let loose = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    let mode = metadata.mode() & 0o7777;
    if mode & loose != 0 {
        return Err(FileProblem::Loose(mode).of("sslkey", file).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(dsn: &str) -> Result<Wanted, Problem> {
        let mut words = ConnectionString::parse(dsn).expect("it is a connection string");
        Wanted::take(&mut words, &Environment::default())
    }

    #[test]
    fn require_with_roots_checks_them() {
        let roots = tempfile::NamedTempFile::new().expect("a file");
        let with = |mode| wanted(&format!("sslmode={mode} sslrootcert={}", roots.path().display())).expect("right");
        assert_eq!(with("require").mode, Mode::VerifyCa);
        assert_eq!((with("prefer").mode, with("prefer").roots), (Mode::Prefer, Roots::Unnamed));
        assert_eq!(wanted("sslmode=require").expect("right").mode, Mode::Require);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_its_keyword_and_path() {
        let certificate = tempfile::NamedTempFile::new().expect("a file");
        let certificate = certificate.path().display();
        for (dsn, keyword) in [
            ("sslmode=verify-full sslrootcert=/nowhere/x".to_owned(), "sslrootcert"),
            (format!("sslcert=/nowhere/x sslkey={certificate}"), "sslcert"),
            (format!("sslcert={certificate} sslkey=/nowhere/x"), "sslkey"),
        ] {
            let problem = wanted(&dsn).expect_err("it is not there");
            assert!(
                problem.to_string().starts_with(&format!("its {keyword} /nowhere/x does not exist: ")),
                "{problem}"
            );
            assert!(!problem.without_path().contains("/nowhere"), "{}", problem.without_path());
        }
    }
}
