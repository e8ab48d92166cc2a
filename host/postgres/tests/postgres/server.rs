//! A real PostgreSQL server of the test's own: its directory, its socket and its port end with it.
//!
//! Making a cluster takes a second, so one is made for all tests and copied for each.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use hostler_configuration::PostgresResource;
use tokio_postgres::{Client, NoTls};

pub const PASSWORD: &str = "correct horse";

/// Roles, databases and tables of every test.
const SETUP: &str = include_str!("setup.sql");

const CONFIGURATION: &str = "fsync = off\nautovacuum = off\nmax_connections = 60\nlog_min_messages = fatal\n";

const ACCESS: &str = "local all all trust\nhost all postgres 127.0.0.1/32 trust\n\
                      host all all 127.0.0.1/32 scram-sha-256\n";

pub struct Server {
    directory: tempfile::TempDir,
    pub port: u16,
}

/// The newest server on this machine.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("the tests need a PostgreSQL server");
    let newest = versions.flatten().filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())));
    newest.max_by_key(|(version, _): &(u32, _)| *version).expect("the tests need a PostgreSQL server").1.join("bin")
}

/// PostgreSQL does not run as root: its own user does it then.
fn command(program: &str) -> Command {
    let mut command = Command::new(binaries().join(program));
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn other_user() -> Option<(u32, u32)> {
    let number = |arguments: &[&str]| -> u32 {
        let output = Command::new("id").args(arguments).output().expect("id runs");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("the user postgres exists")
    };
    (number(&["-u"]) == 0).then(|| (number(&["-u", "postgres"]), number(&["-g", "postgres"])))
}

pub fn give(path: &Path) {
    if let Some((user, group)) = other_user() {
        std::os::unix::fs::chown(path, Some(user), Some(group)).expect("it is given to the server's user");
    }
}

fn run(command: &mut Command) {
    let status = command.status().expect("the program starts");
    assert!(status.success(), "{command:?}: {status}");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

/// The cluster that is copied. Whoever comes first makes it.
fn template() -> PathBuf {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let sum = SETUP.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let name = format!("cluster-{}-{sum:x}", binaries().display().to_string().replace('/', "_"));
    let template = base.join(&name);
    let lock = fs::File::create(base.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock");
    if template.join("done").exists() {
        return template;
    }
    let _ = fs::remove_dir_all(&template);
    let server =
        Server { directory: tempfile::Builder::new().prefix("pg").tempdir().expect("a directory"), port: free_port() };
    give(server.directory.path());
    run(command("initdb")
        .args(["-N", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-D"])
        .arg(server.data()));
    fs::write(server.data().join("pg_hba.conf"), ACCESS).expect("it is written");
    server.configure(CONFIGURATION);
    server.start_process();
    let mut psql = command("psql")
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres", "-p", &server.port.to_string()])
        .arg("-h")
        .arg(server.directory.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("psql starts");
    psql.stdin.take().expect("a pipe").write_all(SETUP.as_bytes()).expect("it reads");
    assert!(psql.wait().expect("it ends").success(), "setup.sql fails");
    server.stop("fast");
    fs::create_dir(&template).expect("a directory");
    run(Command::new("cp").arg("-a").arg(server.data()).arg(template.join("data")));
    fs::write(template.join("done"), "").expect("it is written");
    template
}

impl Server {
    pub fn start() -> Self {
        Self::with("", |_| {})
    }

    /// A server with more configuration, and whatever `prepare` puts into its data directory.
    pub fn with(configuration: &str, prepare: impl FnOnce(&Path)) -> Self {
        let template = template();
        let directory = tempfile::Builder::new().prefix("pg").tempdir().expect("a directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        give(directory.path());
        run(Command::new("cp").arg("-a").arg(template.join("data")).arg(directory.path().join("data")));
        let server = Self { directory, port: free_port() };
        prepare(&server.data());
        server.configure(configuration);
        server.start_process();
        server
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    fn configure(&self, more: &str) {
        let mut file =
            fs::OpenOptions::new().append(true).open(self.data().join("postgresql.conf")).expect("it is there");
        let socket = self.directory.path().display();
        let fixed =
            format!("port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{socket}'\n", self.port);
        file.write_all(format!("\n{fixed}{more}\n").as_bytes()).expect("it is written");
    }

    fn start_process(&self) {
        run(command("pg_ctl")
            .args(["-w", "-s", "-l"])
            .arg(self.path().join("log"))
            .arg("-D")
            .arg(self.data())
            .arg("start"));
    }

    pub fn stop(&self, mode: &str) {
        let _ = command("pg_ctl").args(["-w", "-s", "-m", mode, "-D"]).arg(self.data()).arg("stop").status();
    }

    /// A connection string to the database `shop`, as the role `hostler`, over the socket.
    pub fn dsn(&self) -> String {
        format!("host={} port={} dbname=shop user=hostler", self.path().display(), self.port)
    }

    pub fn resource(&self) -> PostgresResource {
        resource(&self.dsn())
    }

    /// A superuser's own connection, for looking at the server from outside.
    pub async fn administrator(&self) -> Client {
        self.administrator_of("shop").await
    }

    pub async fn administrator_of(&self, database: &str) -> Client {
        let text = format!("host={} port={} dbname={database} user=postgres", self.path().display(), self.port);
        let (client, connection) = tokio_postgres::connect(&text, NoTls).await.expect("the server runs");
        tokio::spawn(connection);
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.data().join("postmaster.pid").exists() {
            self.stop("immediate");
        }
    }
}

pub fn resource(dsn: &str) -> PostgresResource {
    PostgresResource { dsn: dsn.into(), ..PostgresResource::default() }
}

/// How many sessions of the host's are at work.
pub async fn at_work(administrator: &Client) -> i64 {
    let row = administrator
        .query_one(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'hostler %' AND state <> 'idle'",
            &[],
        )
        .await;
    row.expect("the server answers").get(0)
}
