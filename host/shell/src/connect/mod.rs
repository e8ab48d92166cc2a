//! The address and the credential of a bound server, handed to a program out of the plugin's sight.

mod postgres;
mod redis;

use std::path::{Path, PathBuf};

use hostler_capability::{Error, Resource, Target};
use hostler_configuration::read_secret;

/// A file that only one call has.
#[derive(Debug)]
pub(crate) struct PrivateFile {
    /// The variable that names it.
    pub(crate) variable: &'static str,
    pub(crate) name: &'static str,
    pub(crate) contents: Vec<u8>,
}

/// What a program is handed for a server.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// `postgres.NAME` or `redis.NAME`.
    pub(crate) label: String,
    pub(crate) variables: Vec<(&'static str, String)>,
    pub(crate) files: Vec<PrivateFile>,
    /// Sockets of the machine that it has to see.
    pub(crate) sockets: Vec<PathBuf>,
    /// Whether it is reached over the network.
    pub(crate) network: bool,
    /// Hosts and sockets, which must not be read in what the program says.
    pub(crate) addresses: Vec<String>,
    /// Passwords, which must not either.
    pub(crate) passwords: Vec<String>,
}

/// Reads a server's address and credential. `reads`: the form only reads, which a PostgreSQL session is then held to.
///
/// # Errors
/// `unavailable`, naming the resource and what is wrong with it.
pub(crate) fn connection(target: &Target, reads: bool) -> Result<Connection, Error> {
    let (label, made) = match &target.resource {
        Resource::Postgres(resource) => (format!("postgres.{}", target.name), postgres::connection(resource, reads)),
        Resource::Redis(resource) => (format!("redis.{}", target.name), redis::connection(resource)),
        _ => return Err(Error::Invalid("connect-to names a request of kind postgres or redis".into())),
    };
    match made {
        Ok(connection) => Ok(Connection { label, ..connection }),
        Err(problem) => Err(Error::Unavailable(format!("{label}: {problem}"))),
    }
}

/// The password alone in a file that nobody else reads. Its path is not repeated: the text reaches a plugin.
fn password(file: &Path) -> Result<String, String> {
    read_secret("password_file", file).map_err(|error| error.without_path())
}
