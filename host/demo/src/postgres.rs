//! The shop's PostgreSQL: yours, one of this machine's own programs, or the embedded one.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tokio_postgres::{Client, NoTls};

use crate::{DemoError, port};

/// The database's name.
pub(crate) const NAME: &str = "hostler_demo";

/// A database to play with.
pub struct Database {
    /// Its connection string.
    pub dsn: String,
    /// What it is, for people.
    pub what: String,
    server: Server,
}

/// What keeps it running.
#[allow(dead_code, reason = "held for the drop, which stops the server")]
enum Server {
    Yours,
    Local(port::Process),
    #[cfg(feature = "embedded-postgres")]
    Embedded(pglite_oxide::PgliteServer),
}

impl Database {
    pub(crate) async fn open(directory: &Path, dsn: Option<&str>) -> Result<Self, DemoError> {
        match (dsn, programs()) {
            (Some(dsn), _) => yours(dsn).await,
            (None, Some(programs)) => local(directory, &programs).await,
            (None, None) => embedded(directory),
        }
    }

    /// Whether it is the embedded one, which has one session at a time.
    pub fn is_embedded(&self) -> bool {
        match self.server {
            Server::Yours | Server::Local(_) => false,
            #[cfg(feature = "embedded-postgres")]
            Server::Embedded(_) => true,
        }
    }

    /// A connection. The caller drops it before a task runs: the embedded server takes one at a time.
    pub(crate) async fn connect(&self) -> Result<Client, DemoError> {
        connect(&self.dsn).await
    }
}

async fn connect(dsn: &str) -> Result<Client, DemoError> {
    let (client, connection) = tokio_postgres::connect(dsn, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn yours(dsn: &str) -> Result<Database, DemoError> {
    let client = connect(dsn).await?;
    let exists = client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&NAME]).await?.is_some();
    if !exists {
        client.batch_execute(&format!("CREATE DATABASE {NAME}")).await?;
    }
    let version: String = client.query_one("SELECT current_setting('server_version')", &[]).await?.get(0);
    let dsn = match dsn.split_once("://") {
        Some(_) => with_database(dsn),
        None => format!("{dsn} dbname={NAME}"),
    };
    let what = format!("your PostgreSQL {version}, database {NAME}");
    Ok(Database { dsn, what, server: Server::Yours })
}

/// A connection URI with another database.
fn with_database(uri: &str) -> String {
    let (base, query) = uri.split_once('?').map_or((uri, String::new()), |(base, query)| (base, format!("?{query}")));
    let authority = base.find("://").map_or(0, |at| at + 3);
    let base = base[authority..].find('/').map_or(base, |slash| &base[..authority + slash]);
    format!("{base}/{NAME}{query}")
}

/// The newest server's programs on this machine.
fn programs() -> Option<PathBuf> {
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path()).max_by_key(number)?;
    let programs = newest.join("bin");
    // Root cannot run it, and has to have another user to run it as.
    let can_run = !rustix::process::geteuid().is_root() || server_user().is_some();
    (programs.join("initdb").exists() && can_run).then_some(programs)
}

/// The user and group of the package's own server, for root.
fn server_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let mut fields = users.lines().find(|line| line.starts_with("postgres:"))?.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

async fn local(directory: &Path, programs: &Path) -> Result<Database, DemoError> {
    let failed = |problem: String| DemoError::Start { what: "PostgreSQL", problem };
    let home = directory.join("postgres");
    fs::create_dir_all(&home)?;
    if let Some((user, group)) = server_user() {
        chown(&home, Some(user), Some(group))?;
    }
    let command = |name: &str| {
        let mut command = Command::new(programs.join(name));
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((user, group)) = server_user() {
            command.uid(user).gid(group);
        }
        command
    };
    let data = home.join("data");
    let made = command("initdb").args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"]).arg(&data).output()?;
    if !made.status.success() {
        let words = "initdb failed; can the user postgres reach the directory?";
        return Err(failed(format!("{words} ({})", home.display())));
    }
    let port = port::free()?;
    let mut server = command("postgres");
    server.arg("-D").arg(&data).arg("-k").arg(&home).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    server.args(["-c", "fsync=off", "-c", "autovacuum=off", "-c", "max_connections=30"]);
    let mut process = port::Process::start(&mut server)?;
    let base = format!("host=127.0.0.1 port={port} user=postgres");
    let mut client = connect(&format!("{base} dbname=postgres")).await;
    for _ in 0..200 {
        if client.is_ok() || process.ended() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        client = connect(&format!("{base} dbname=postgres")).await;
    }
    let client = client.map_err(|error| failed(error.to_string()))?;
    client.batch_execute(&format!("CREATE DATABASE {NAME}")).await?;
    let version: String = client.query_one("SELECT current_setting('server_version')", &[]).await?.get(0);
    let what = format!("a throw-away PostgreSQL {version} on port {port}");
    Ok(Database { dsn: format!("{base} dbname={NAME}"), what, server: Server::Local(process) })
}

#[cfg(feature = "embedded-postgres")]
fn embedded(directory: &Path) -> Result<Database, DemoError> {
    let failed = |problem: String| DemoError::Start { what: "the embedded PostgreSQL", problem };
    let address = format!("127.0.0.1:{}", port::free()?).parse().map_err(|_| failed("no address".into()))?;
    let server = pglite_oxide::PgliteServer::builder()
        .path(directory.join("postgres"))
        .tcp(address)
        .start()
        .map_err(|error| failed(format!("{error:#}")))?;
    let dsn = server.database_url();
    let what = "an embedded PostgreSQL 17".into();
    Ok(Database { dsn, what, server: Server::Embedded(server) })
}

#[cfg(not(feature = "embedded-postgres"))]
fn embedded(_: &Path) -> Result<Database, DemoError> {
    Err(DemoError::NoPostgres)
}
