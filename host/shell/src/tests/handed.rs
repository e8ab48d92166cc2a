//! Programs that are handed a server: real ones, started here.

use std::{
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command as Process, Stdio},
};

use hostler_capability::{Error, Grant, Mode, Resource};
use hostler_configuration::{Confinement, PostgresResource, ProgramResource, RedisResource};
use hostler_manifest::{Access, Effect};
use hostler_world::shell::{Argument, Command, Outcome};

use super::support::{Bench, command, eventually, program};

/// A server that ends with its test.
struct Server(Child, Option<tempfile::TempDir>);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), rustix::process::Signal::INT);
        let _ = self.0.wait();
        drop(self.1.take());
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

fn secret(directory: &Path, word: &str) -> PathBuf {
    let path = directory.join("password");
    std::fs::write(&path, format!("{word}\n")).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its owner's");
    path
}

fn as_postgres(program: &str) -> Process {
    if !rustix::process::geteuid().is_root() {
        return Process::new(program);
    }
    let mut command = Process::new("runuser");
    command.args(["-u", "postgres", "--", program]);
    command
}

/// PostgreSQL with a password, on a port of its own.
async fn postgres() -> (Server, u16) {
    let bin = "/usr/lib/postgresql/15/bin";
    let directory = tempfile::Builder::new().prefix("hostler-postgres-").tempdir().expect("a directory");
    let password = secret(directory.path(), "s3:cr\\et");
    if rustix::process::geteuid().is_root() {
        let id = String::from_utf8(Process::new("id").args(["-u", "postgres"]).output().expect("id").stdout)
            .expect("a number");
        let id: u32 = id.trim().parse().expect("a number");
        chown(directory.path(), Some(id), None).expect("root may");
        chown(&password, Some(id), None).expect("root may");
    }
    let data = directory.path().join("data");
    let made = as_postgres(&format!("{bin}/initdb"))
        .args(["-A", "scram-sha-256", "-U", "owner", "--no-sync", "--pwfile"])
        .arg(&password)
        .arg("-D")
        .arg(&data)
        .stdout(Stdio::null())
        .status()
        .expect("initdb");
    assert!(made.success());
    let port = free_port();
    // The server itself, not runuser, is to get the signal at the end.
    let mut command = if rustix::process::geteuid().is_root() { Process::new("setpriv") } else { Process::new("env") };
    if rustix::process::geteuid().is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    let child = command
        .arg(format!("{bin}/postgres"))
        .arg("-D")
        .arg(&data)
        .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F", "-k"])
        .arg(directory.path())
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("postgres");
    let server = Server(child, Some(directory));
    let socket = server.1.as_ref().expect("its directory").path().join(format!(".s.PGSQL.{port}"));
    eventually("the server listens", || socket.exists() && std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
        .await;
    (server, port)
}

/// Debian's wrapper, which is a script that starts the real one.
fn psql(network: bool, confine: Confinement) -> ProgramResource {
    ProgramResource { network, confine, ..program("/usr/bin/psql", &[&["-X", "-At", "-c", "{text}"]], Effect::Reads) }
}

fn ask(sql: &str) -> Command {
    let mut call = command("psql", &["-X", "-At", "-c", sql]);
    call.connect_to = Some("database".into());
    call
}

#[tokio::test]
async fn psql_and_pg_dump_are_handed_a_database() {
    let (server, port) = postgres().await;
    let private = tempfile::tempdir().expect("a directory");
    let password = secret(private.path(), "s3:cr\\et");
    let sockets = server.1.as_ref().expect("its directory").path().display().to_string();
    let database = |dsn: String| {
        Resource::Postgres(PostgresResource { dsn, password_file: Some(password.clone()), ..Default::default() })
    };
    let over_tcp = format!("host=127.0.0.1 port={port} user=owner dbname=postgres");
    let over_socket = format!("postgresql://owner@/postgres?host={sockets}&port={port}");
    for (dsn, network) in [(&over_tcp, true), (&over_socket, false)] {
        for confine in [Confinement::Strict, Confinement::Off] {
            let run = Bench::new(Mode::Check)
                .hidden(private.path())
                .bound("database", database(dsn.clone()), Grant::Postgres(Default::default()))
                .program("psql", psql(network, confine))
                .run();
            let completed = run.completed(ask("SELECT current_user, current_setting('transaction_read_only')")).await;
            assert_eq!(
                String::from_utf8_lossy(&completed.stdout),
                "owner|on\n",
                "{}",
                String::from_utf8_lossy(&completed.stderr)
            );
            let completed = run.completed(ask("CREATE TABLE t ()")).await;
            assert!(String::from_utf8_lossy(&completed.stderr).contains("read-only transaction"));
        }
    }

    // Without the network the address is not reached, and that is said before anything starts.
    let run = Bench::new(Mode::Check)
        .bound("database", database(over_tcp.clone()), Grant::Postgres(Default::default()))
        .program("psql", psql(false, Confinement::Strict))
        .run();
    let error = run.call(ask("SELECT 1")).await.expect_err("there is no network");
    assert!(
        matches!(&error, Error::Unavailable(words) if words.contains("network = true") && !words.contains("127.0.0.1")),
        "{error:?}"
    );

    // What the program says of the server's address becomes the resource's name.
    let run = Bench::new(Mode::Check)
        .bound(
            "database",
            database(format!("host=localhost port={} user=owner", free_port())),
            Grant::Postgres(Default::default()),
        )
        .program("psql", psql(true, Confinement::Strict))
        .run();
    let completed = run.completed(ask("SELECT 1")).await;
    let said = String::from_utf8_lossy(&completed.stderr).into_owned();
    assert!(
        said.contains("postgres.database")
            && !said.contains("localhost")
            && !said.contains("127.0.0.1")
            && !said.contains("::1"),
        "{said}"
    );

    let backups = tempfile::tempdir().expect("a directory");
    let dump =
        program("/usr/lib/postgresql/15/bin/pg_dump", &[&["-Fd", "-j", "{1-8}", "--file={output}"]], Effect::Changes);
    let run = Bench::new(Mode::Apply)
        .directory("backups", backups.path(), Access::Write, false)
        .bound("database", database(over_socket), Grant::Postgres(Default::default()))
        .program("dump", dump)
        .run();
    let mut call = command("dump", &["-Fd", "-j", "2"]);
    call.arguments.push(Argument::TextPath(("--file=".into(), "/backups/shop".into())));
    call.connect_to = Some("database".into());
    let completed = run.completed(call).await;
    assert_eq!(completed.exit_code, Some(0), "{}", String::from_utf8_lossy(&completed.stderr));
    assert!(backups.path().join("shop/toc.dat").is_file());
}

#[tokio::test]
async fn redis_cli_is_handed_its_password_and_nobody_sees_it() {
    let port = free_port();
    let directory = tempfile::tempdir().expect("a directory");
    let child = Process::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--requirepass", "hush", "--dir"])
        .arg(directory.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server");
    let _server = Server(child, Some(directory));
    eventually("the server listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    let port_text = port.to_string();
    let private = tempfile::tempdir().expect("a directory");
    let redis = Resource::Redis(RedisResource {
        url: format!("redis://127.0.0.1:{port}"),
        password_file: Some(secret(private.path(), "hush")),
        ..RedisResource::default()
    });
    let cli = ProgramResource {
        network: true,
        ..program("/usr/bin/redis-cli", &[&["-p", &port_text, "{ping|info}"]], Effect::Reads)
    };
    let shell = ProgramResource { network: true, ..program("/bin/sh", &[&["-c", "{text}"]], Effect::Reads) };
    let run = Bench::new(Mode::Check)
        .bound("cache", redis, Grant::Redis(vec!["+ping".into()]))
        .program("cli", cli)
        .program("sh", shell)
        .run();
    let mut call = command("cli", &["-p", &port_text, "ping"]);
    call.connect_to = Some("cache".into());
    assert_eq!(run.completed(call.clone()).await.stdout, b"PONG\n");
    call.connect_to = None;
    assert!(String::from_utf8_lossy(&run.completed(call).await.stdout).contains("NOAUTH"));
    let mut call = command("sh", &["-c", "echo $REDISCLI_AUTH $REDIS_HOST"]);
    call.connect_to = Some("cache".into());
    let Ok(Outcome::Completed(completed)) = run.call(call).await else { panic!("it runs") };
    assert_eq!(completed.stdout, b"redis.cache redis.cache\n");
    assert!(!run.lines().concat().contains("hush"));
}
