//! What is on this machine: which servers answer, which programs and directories are there.

use std::path::{Path, PathBuf};

use crate::probe::{Place, is_http, is_postgres, is_redis, listens};

/// Where programs are looked for, beside the caller's PATH: a user's has no `sbin`.
const SEARCHED: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// Where servers listen unless told otherwise, and where a second one does.
const POSTGRES_PORTS: [u16; 4] = [5432, 5433, 5434, 5435];
const REDIS_PORTS: [u16; 3] = [6379, 6380, 6381];
const REDIS_SOCKETS: [&str; 4] =
    ["/run/redis/redis-server.sock", "/run/redis/redis.sock", "/run/valkey/valkey.sock", "/tmp/redis.sock"];

/// A server that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The resource's name: `main`.
    pub name: String,
    /// As the configuration writes it: a connection string, or a URL.
    pub address: String,
}

/// What is on this machine.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// PostgreSQL servers.
    pub postgres: Vec<Server>,
    /// Redis servers.
    pub redis: Vec<Server>,
    /// URLs of web servers.
    pub http: Vec<String>,
    /// `tls://` addresses where something listens for TLS.
    pub tls: Vec<String>,
    /// Where paths are looked for instead of `/`.
    pub root: PathBuf,
}

/// Looks around. Servers that the operator named are taken as they are, and then none of their kind is looked for.
#[must_use]
pub fn look(postgres: &[String], redis: &[String], root: &Path) -> Found {
    let postgres = if postgres.is_empty() { postgres_servers() } else { postgres.to_vec() };
    let redis = if redis.is_empty() { redis_servers() } else { redis.to_vec() };
    Found {
        postgres: named(postgres),
        redis: named(redis),
        http: [80, 8080]
            .into_iter()
            .filter(|port| is_http(*port))
            .map(|port| format!("http://127.0.0.1:{port}/"))
            .collect(),
        tls: [443, 8443]
            .into_iter()
            .filter(|port| listens(*port))
            .map(|port| format!("tls://127.0.0.1:{port}"))
            .collect(),
        root: root.to_owned(),
    }
}

/// `main`, then `second`, `third`, and numbers.
fn named(addresses: Vec<String>) -> Vec<Server> {
    let name = |place: usize| match place {
        0 => "main".to_owned(),
        1 => "second".to_owned(),
        2 => "third".to_owned(),
        place => format!("server{}", place + 1),
    };
    addresses.into_iter().enumerate().map(|(place, address)| Server { name: name(place), address }).collect()
}

fn postgres_servers() -> Vec<String> {
    let mut found = vec![];
    for port in POSTGRES_PORTS {
        let sockets = ["/var/run/postgresql", "/tmp"].map(|directory| format!("{directory}/.s.PGSQL.{port}"));
        let socket = sockets.iter().find(|socket| is_postgres(&Place::Socket(Path::new(socket))));
        let directory = socket.and_then(|socket| Path::new(socket).parent()).map(|directory| directory.display());
        match directory {
            Some(directory) => found.push(format!("host={directory} port={port} dbname=postgres user=hostler")),
            None if is_postgres(&Place::Port(port)) => {
                found.push(format!("host=127.0.0.1 port={port} dbname=postgres user=hostler"));
            }
            None => {}
        }
    }
    found
}

fn redis_servers() -> Vec<String> {
    let sockets = REDIS_SOCKETS.into_iter().filter(|socket| is_redis(&Place::Socket(Path::new(socket))));
    let ports = REDIS_PORTS.into_iter().filter(|port| is_redis(&Place::Port(*port)));
    let ports: Vec<String> = ports.map(|port| format!("redis://127.0.0.1:{port}")).collect();
    // A server that listens on both is one server.
    if ports.is_empty() { sockets.map(|socket| format!("redis+unix://{socket}")).collect() } else { ports }
}

impl Found {
    /// A path below the root that was looked at, where it is there.
    #[must_use]
    pub fn path(&self, path: &str) -> Option<PathBuf> {
        let below = self.root.join(path.trim_start_matches('/'));
        below.exists().then_some(below)
    }

    /// Whether a PostgreSQL server, the first where none is named, runs on this machine, as far as its address says.
    #[must_use]
    pub fn is_local(&self, server: Option<&str>) -> bool {
        let named = |one: &&Server| server.is_none_or(|name| one.name == name);
        let local = ["host=/", "host=127.0.0.1", "host=localhost", "host=::1", "@127.0.0.1", "@localhost"];
        self.postgres.iter().find(named).is_some_and(|one| local.iter().any(|place| one.address.contains(place)))
    }

    /// A program, by the names that it goes by.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
        let all = SEARCHED.iter().map(PathBuf::from).chain(own);
        // Debian keeps servers' programs out of the PATH, a directory for each version.
        let versions = (9..=30).rev().map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")));
        let mut places = all
            .chain(versions)
            .map(|directory| self.root.join(directory.strip_prefix("/").unwrap_or(&directory)).join(name));
        places.find(|program| program.is_file())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn servers_have_names_and_paths_are_looked_for_below_the_root() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(root.path().join("usr/sbin")).expect("a directory");
        fs::write(root.path().join("usr/sbin/nginx"), "").expect("a file");
        let found = look(&["host=a".into(), "host=b".into()], &["redis://c".into()], root.path());
        assert_eq!(found.postgres.iter().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["main", "second"]);
        assert_eq!(found.redis[0].address, "redis://c");
        let local = |dsn: &str| look(&["host=a".into(), dsn.into()], &[], root.path()).is_local(Some("second"));
        assert!(local("host=/run/postgresql dbname=shop") && local("postgresql://hostler@127.0.0.1/shop"));
        assert!(!local("host=db1 dbname=shop") && !found.is_local(None));
        assert_eq!(found.program("nginx"), Some(root.path().join("usr/sbin/nginx")));
        assert_eq!((found.program("nowhere"), found.path("/etc")), (None, None));
        assert!(found.path("/usr/sbin").is_some());
    }
}
