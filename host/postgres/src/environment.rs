//! What libpq takes from the user's surroundings, read in one place so that nothing else looks there.

use std::path::PathBuf;

/// The surroundings: two variables, the home directory and the user's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// `PGPASSFILE`.
    pub password_file: Option<PathBuf>,
    /// `PGSERVICEFILE`.
    pub service_file: Option<PathBuf>,
    /// Where `.pgpass`, `.pg_service.conf` and `.postgresql/` are looked for.
    pub home: Option<PathBuf>,
    /// The operating system's name of the user: the role where the connection string names none.
    pub user: Option<String>,
}

impl Environment {
    /// Those of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            password_file: path("PGPASSFILE"),
            service_file: path("PGSERVICEFILE"),
            home: std::env::home_dir(),
            user: whoami::username().ok(),
        }
    }

    pub(crate) fn at_home(&self, name: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(name))
    }
}
