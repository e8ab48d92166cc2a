//! Secrets that systemd hands over: `password_file = "credential:main"`.
//!
//! A service finds each in a directory of its own, which ends with it; a command of the operator's finds the same one
//! where systemd takes it from, so that `hostler doctor` tries what the service will use.

use std::{
    env,
    path::{Path, PathBuf},
};

/// Where systemd looks for a credential that is loaded by its name alone.
const STORE: &str = "/etc/credstore";

/// The file of a credential, where the path names one: of the running service, or else in systemd's store.
pub(crate) fn credential_file(path: &Path) -> Option<PathBuf> {
    let name = path.to_str()?.strip_prefix("credential:")?;
    let handed_over = env::var_os("CREDENTIALS_DIRECTORY").map(|directory| Path::new(&directory).join(name));
    Some(handed_over.filter(|file| file.exists()).unwrap_or_else(|| Path::new(STORE).join(name)))
}

/// The name of a credential, from the file that the configuration was read to mean.
#[must_use]
pub fn credential_of(file: &Path) -> Option<String> {
    let directory = file.parent()?;
    let handed_over = env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|own| Path::new(&own) == directory);
    (handed_over || directory == Path::new(STORE)).then(|| file.file_name()?.to_str().map(str::to_owned)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_systemds_to_keep_and_any_other_path_is_none() {
        let file = credential_file(Path::new("credential:main")).expect("a credential");
        assert_eq!(file, Path::new("/etc/credstore/main"));
        assert_eq!(credential_of(&file).as_deref(), Some("main"));
        assert_eq!(credential_file(Path::new("main.password")), None);
        assert_eq!(credential_of(Path::new("/etc/hostler/main.password")), None);
    }
}
