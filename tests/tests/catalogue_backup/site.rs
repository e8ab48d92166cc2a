//! A server with something in it, and a host whose programs are of that server's version.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use hostler_manifest::{Effect, Manifest, Request};
use hostler_tests::{Hostler, Postgres, programs, root};

/// The versions that the backup plugins are held to.
pub const VERSIONS: [u32; 3] = [15, 17, 18];

/// What there is to lose: tables of every kind, and rows in them.
pub const SHOP: &[&str] = &[
    "CREATE SCHEMA \"Odd Name\"",
    "CREATE TABLE \"Odd Name\".\"the \"\"table\"\"\" (id int PRIMARY KEY)",
    "INSERT INTO \"Odd Name\".\"the \"\"table\"\"\" SELECT generate_series(1, 3)",
    "CREATE TABLE orders (id bigserial PRIMARY KEY, note text NOT NULL)",
    "INSERT INTO orders (note) SELECT md5(n::text) FROM generate_series(1, 20000) n",
    "CREATE TABLE items (id int PRIMARY KEY, \"order\" bigint REFERENCES orders)",
    "INSERT INTO items SELECT n, n FROM generate_series(1, 5000) n",
    "CREATE TABLE parent (id int)",
    "CREATE TABLE child () INHERITS (parent)",
    "INSERT INTO parent VALUES (1)",
    "INSERT INTO child VALUES (2), (3)",
    "CREATE TABLE days (day date NOT NULL) PARTITION BY RANGE (day)",
    "CREATE TABLE days_2025 PARTITION OF days FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
    "INSERT INTO days VALUES ('2025-05-05'), ('2025-06-06')",
    "CREATE TABLE nothing (id int)",
    "CREATE VIEW seen AS SELECT id FROM orders",
    "CREATE MATERIALIZED VIEW kept AS SELECT id FROM orders",
];

/// Rows of the tables above.
pub const ROWS: &[(&str, u64)] = &[
    ("child", 2),
    ("days_2025", 2),
    ("items", 5000),
    ("nothing", 0),
    ("orders", 20000),
    ("parent", 1),
    ("the \"table\"", 3),
];

/// A server of a version with the shop in its database postgres, and the role `hostler` that may read everything.
pub fn server(version: u32, settings: &[&str]) -> Postgres {
    let server = Postgres::of_with(version, settings);
    SHOP.iter().for_each(|statement| server.execute(statement));
    server.execute("CREATE ROLE hostler LOGIN IN ROLE pg_read_all_data, pg_monitor");
    server
}

/// The tables of a task with its programs, of a version; what else it binds and sets stands in `rest`.
pub fn task(name: &str, plugin: &str, version: u32, rest: &str) -> String {
    let (area, task) = plugin.split_once('-').expect("area-task");
    let text =
        fs::read_to_string(root().join("plugins").join(area).join(task).join("plugin.toml")).expect("a manifest");
    let manifest = Manifest::parse(&text).expect("a manifest");
    let (mut resources, mut binds) = (String::new(), String::new());
    for (request, asked) in &manifest.requests {
        let Request::Program(program) = asked else { continue };
        let path = path_of(version, &program.program);
        if !path.is_file() {
            continue;
        }
        let effect = if program.effect == Effect::Reads { "reads" } else { "changes" };
        let forms: Vec<String> = program
            .arguments
            .iter()
            .map(|words| format!("{{ arguments = {words:?}, effect = \"{effect}\" }}"))
            .collect();
        let forms = forms.join(", ");
        // What lies outside the system's directories is shown to itself alone, and these look for one another.
        let confine = if path.starts_with("/usr") { "strict" } else { "off" };
        write!(
            resources,
            "[program.{name}-{request}]\npath = {path:?}\nnetwork = true\nconfine = {confine:?}\nallow = [{forms}]\n"
        )
        .expect("text");
        writeln!(binds, "bind.{request} = \"program.{name}-{request}\"").expect("text");
    }
    format!("{resources}[tasks.{name}]\nplugin = \"{plugin}\"\n{binds}{rest}\n")
}

/// A program of PostgreSQL's in a version, or of the machine's.
pub fn path_of(version: u32, program: &str) -> PathBuf {
    let own = programs(version).join(program);
    if own.is_file() { own } else { Path::new("/usr/bin").join(program) }
}

/// A directory for backups, and the host that has it.
pub fn host(configuration: &str, plugins: &[&str]) -> Hostler {
    let host = Hostler::new(&format!("[directory.backups]\npath = \"{{directory}}/backups\"\n{configuration}"));
    fs::create_dir(host.path().join("backups")).expect("a directory");
    host.install(plugins);
    host
}

/// Names below the backups, sorted.
pub fn names(host: &Hostler) -> Vec<String> {
    let entries = fs::read_dir(host.path().join("backups")).expect("the backups").flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Runs a task; its code, and what it found.
pub fn run(host: &Hostler, task: &str) -> (i32, Vec<String>) {
    let output = host.run(&["run", task, "--format", "json"]);
    (output.code, output.findings(task))
}

/// The summaries and remedies of a run's findings in one text.
pub fn told(host: &Hostler, task: &str) -> String {
    let output = host.run(&["run", task, "--format", "json"]);
    output.task(task)["reported"]["findings"].to_string()
}

/// A program of PostgreSQL's, run to its end.
pub fn program(version: u32, name: &str, arguments: &[&str]) -> Output {
    Command::new(path_of(version, name)).args(arguments).output().expect("it starts")
}

/// What psql answers.
pub fn psql(server: &Postgres, database: &str, sql: &str) -> String {
    let output =
        program(server.version, "psql", &["-X", "-A", "-t", "-d", &server.dsn("postgres", database), "-c", sql]);
    assert!(output.status.success(), "{sql}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs a command of a host in which a directory of its own is a file system of so many megabytes.
pub fn on_a_small_disk(host: &Hostler, below: &str, megabytes: u32, arguments: &[&str]) -> Output {
    let script = format!("mount -t tmpfs -o size={megabytes}m,mode=700 none \"$1\" || exit 99; shift; exec \"$@\"");
    let command = host.command(arguments);
    let within = |way: &[&str]| {
        let mut unshare = Command::new("unshare");
        unshare.args(way).args(["sh", "-c", &script, "sh"]).arg(host.path().join(below)).current_dir(host.path());
        unshare.arg(command.get_program()).args(command.get_args());
        unshare.output().expect("unshare of util-linux")
    };
    let output = within(&["--user", "--map-root-user", "--mount"]);
    if output.stdout.is_empty() { within(&["--mount"]) } else { output }
}
