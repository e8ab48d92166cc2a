//! A real PostgreSQL, and a standby of it.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    Server, eventually, free_port,
    servers::{newest, other_user, programs, servers},
};

/// A running server with a data directory of its own, stopped and removed when dropped.
pub struct Postgres {
    // Before the directory, so that the server is stopped first.
    _server: Server,
    directory: TempDir,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its major version.
    pub version: u32,
    // A standby has to allow at least as much as its primary.
    settings: Vec<String>,
}

impl Postgres {
    /// A fresh primary that a standby can follow.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A fresh primary with settings such as `"max_connections=20"`.
    ///
    /// # Panics
    /// Where PostgreSQL is not installed, or does not start.
    pub fn start_with(settings: &[&str]) -> Self {
        Self::of_with(newest(), settings)
    }

    /// A fresh primary of a major version: one of [`crate::servers`].
    pub fn of(version: u32) -> Self {
        Self::of_with(version, &[])
    }

    /// A fresh primary of a major version, with settings.
    ///
    /// # Panics
    /// Where that version is not installed, or does not start.
    pub fn of_with(version: u32, settings: &[&str]) -> Self {
        let directory = directory();
        let data = directory.path().join("data");
        run(tool(version, "initdb").args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"]).arg(&data));
        Self::serve(version, directory, settings)
    }

    /// A standby of this server, under a slot and application name.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn standby(&self, name: &str) -> Self {
        let directory = directory();
        let data = directory.path().join("data");
        let connection = format!("host=127.0.0.1 port={} user=postgres application_name={name}", self.port);
        // A client may be newer than its server, and not every package brings clients.
        let client = servers()
            .into_iter()
            .find(|version| *version >= self.version && programs(*version).join("pg_basebackup").is_file());
        run(tool(client.expect("a pg_basebackup for this server"), "pg_basebackup")
            .args(["-R", "-X", "stream", "-c", "fast", "-C", "-S", name, "-d"])
            .arg(&connection)
            .arg("-D")
            .arg(&data));
        // A newer client writes options of its own that an older server does not know: the last line holds.
        let file = data.join("postgresql.auto.conf");
        let mut written = fs::read_to_string(&file).expect("what pg_basebackup wrote");
        written.push_str(&format!("primary_conninfo = '{connection}'\n"));
        fs::write(&file, written).expect("it is written");
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        Self::serve(self.version, directory, &settings)
    }

    /// A server on a copy of a data directory, such as a base backup's.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn over(version: u32, data: &Path) -> Self {
        let directory = directory();
        let own = directory.path().join("data");
        run(Command::new("cp").arg("-a").arg(data).arg(&own));
        if let Some((user, group)) = other_user() {
            run(Command::new("chown").args(["-R", &format!("{user}:{group}")]).arg(&own));
        }
        Self::serve(version, directory, &[])
    }

    fn serve(version: u32, directory: TempDir, settings: &[&str]) -> Self {
        let port = free_port();
        let mut command = tool(version, "postgres");
        command.arg("-D").arg(directory.path().join("data")).arg("-k").arg(directory.path());
        command.args(["-h", "127.0.0.1", "-p"]).arg(port.to_string());
        command.args(["-c", "fsync=off", "-c", "max_wal_senders=5", "-c", "wal_level=replica", "-c", "autovacuum=off"]);
        for setting in settings {
            command.args(["-c", setting]);
        }
        let log = fs::File::create(directory.path().join("log")).expect("a log file");
        command.stdout(log.try_clone().expect("a log file")).stderr(log);
        let server = Server(command.spawn().expect("postgres starts"));
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let postgres = Self { _server: server, directory, port, version, settings };
        eventually("PostgreSQL accepts connections", || postgres.try_execute("SELECT 1").is_ok());
        postgres
    }

    /// A connection string for a user.
    pub fn dsn(&self, user: &str, database: &str) -> String {
        format!("host=127.0.0.1 port={} user={user} dbname={database}", self.port)
    }

    /// The superuser's connection string.
    pub fn superuser(&self) -> String {
        self.dsn("postgres", "postgres")
    }

    /// The directory of its socket and log.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs statements, each in its own transaction where they are given one by one.
    ///
    /// # Panics
    /// Where one fails.
    pub fn execute(&self, sql: &str) {
        self.try_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Runs statements, or says why not.
    ///
    /// # Errors
    /// The server's.
    pub fn try_execute(&self, sql: &str) -> Result<(), String> {
        self.rows_in("postgres", sql).map(drop)
    }

    /// The first column of the first row, as text.
    ///
    /// # Panics
    /// Where the statement fails or has no row.
    pub fn value(&self, sql: &str) -> String {
        let rows = self.rows_in("postgres", sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.into_iter().next().unwrap_or_else(|| panic!("{sql}: no row"))
    }

    /// The first column of every row, as text.
    ///
    /// # Panics
    /// Where the statement fails.
    pub fn values(&self, sql: &str) -> Vec<String> {
        self.rows_in("postgres", sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn rows_in(&self, database: &str, sql: &str) -> Result<Vec<String>, String> {
        let dsn = self.dsn("postgres", database);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&dsn, tokio_postgres::NoTls).await.map_err(|error| error.to_string())?;
            tokio::spawn(connection);
            let messages = client.simple_query(sql).await.map_err(|error| format!("{error:?}"))?;
            Ok(messages
                .iter()
                .filter_map(|message| match message {
                    tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
                    _ => None,
                })
                .collect())
        })
    }

    /// A connection that stays open, doing what the statements say, until it is dropped.
    ///
    /// # Panics
    /// Where it cannot be opened.
    pub fn session(&self, sql: &str) -> Session {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let client = runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&self.superuser(), tokio_postgres::NoTls).await.expect("a connection");
            tokio::spawn(connection);
            client.batch_execute(sql).await.expect("the statements");
            client
        });
        Session { _client: client, _runtime: runtime }
    }
}

/// An open connection.
pub struct Session {
    _client: tokio_postgres::Client,
    _runtime: tokio::runtime::Runtime,
}

/// PostgreSQL will not start as root: then everything of it belongs to the user postgres.
fn directory() -> TempDir {
    let directory = tempfile::Builder::new().prefix("hostler-postgres-").tempdir().expect("a temporary directory");
    if let Some((user, group)) = other_user() {
        chown(directory.path(), Some(user), Some(group)).expect("root may give a directory away");
    }
    directory
}

fn tool(version: u32, name: &str) -> Command {
    let mut command = Command::new(programs(version).join(name));
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    command
}

fn run(command: &mut Command) {
    let output = command.stderr(Stdio::piped()).output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
