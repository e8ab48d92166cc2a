//! The PostgreSQL plugins on every major version that there is: what a version renamed or brought is used where it is,
//! and not missed where it is not.
//!
//! Each version has one server and one host, whose role has what `hostler roles` prints, and nothing else; before 17, where
//! a table's owner alone may tidy it up, it is a member of that owner. Each plugin is then healthy, meets a fault, and
//! is healthy again.

mod catalogue;
mod changes;
mod faults;
mod replication;
mod servers;
mod sessions;
mod statements;

use hostler_tests::{Hostler, Postgres, eventually};

const PLUGINS: [&str; 9] = [
    "postgres-connections",
    "postgres-replication",
    "postgres-slow-queries",
    "postgres-index-health",
    "postgres-index-usage",
    "postgres-vacuum",
    "postgres-statistics",
    "postgres-reindex",
    "postgres-extensions",
];

/// A server of a version with a small shop, and a host that looks after it with the least role.
struct Shop {
    server: Postgres,
    host: Hostler,
}

impl Shop {
    fn of(version: u32) -> Self {
        let mut settings =
            vec!["shared_preload_libraries=pg_stat_statements", "max_connections=20", "max_prepared_transactions=2"];
        if version >= 16 {
            settings.push("reserved_connections=5");
        }
        let server = Postgres::of_with(version, &settings);
        for extension in ["amcheck", "pgstattuple", "pg_stat_statements"] {
            server.execute(&format!("CREATE EXTENSION {extension}"));
        }
        server.execute("CREATE ROLE shop LOGIN; GRANT CREATE ON SCHEMA public TO shop");
        server.execute(
            "SET ROLE shop; CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY, day date, status text);
             INSERT INTO orders (day, status) SELECT '2026-01-01'::date + n % 300, 'new' FROM generate_series(1, 20000) n;
             CREATE UNIQUE INDEX orders_id ON orders (id); CREATE INDEX orders_day ON orders (day)",
        );
        eventually("the rows are counted", || {
            server.value("SELECT pg_stat_get_tuples_inserted('orders'::regclass)") == "20000"
        });
        server.execute("VACUUM ANALYZE orders");
        let host = Hostler::new(&configuration(&server, ""));
        host.install(&PLUGINS);
        let shop = Self { server, host };
        shop.let_in();
        shop
    }

    /// Gives the role what `roles` prints, and looks that `doctor` misses nothing but what no right gives: from 17 on, where
    /// a right suffices to rebuild an index, it is its owner's to drop.
    fn let_in(&self) {
        let printed = self.host.run(&["roles"]);
        assert_eq!(printed.code, 0, "{printed:?}");
        self.server.execute(&printed.stdout);
        let version = self.server.version;
        if version < 17 {
            self.server.execute("GRANT shop TO hostler");
        }
        let doctor = self.host.run(&["doctor"]).stdout;
        let lacking: Vec<&str> =
            doctor.lines().filter(|line| ["warning", "problem"].iter().any(|word| line.starts_with(word))).collect();
        let expected = if version >= 17 { vec!["may not DROP INDEX CONCURRENTLY"] } else { vec![] };
        assert_eq!(lacking.len(), expected.len(), "PostgreSQL {version}: {doctor}");
        for (line, part) in lacking.iter().zip(expected) {
            assert!(line.contains(part), "PostgreSQL {version}: {part}: {doctor}");
        }
        let plain = "SELECT NOT (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication)
            FROM pg_roles WHERE rolname = 'hostler'";
        assert_eq!(self.server.value(plain), "t");
    }

    /// Runs a plugin's task, which has to end with this code, and returns its findings.
    fn run(&self, plugin: &str, code: i32) -> Vec<String> {
        let run = self.host.run(&["run", plugin, "--format", "json"]);
        assert_eq!(run.code, code, "PostgreSQL {}, {plugin}: {run:?}", self.server.version);
        run.findings(plugin)
    }

    /// The sentence of a run that found nothing.
    fn summary(&self, plugin: &str) -> String {
        let run = self.host.run(&["run", plugin, "--format", "json"]);
        assert_eq!(run.code, 0, "PostgreSQL {}, {plugin}: {run:?}", self.server.version);
        run.task(plugin)["summary"].as_str().unwrap_or_default().to_owned()
    }
}

/// A task for each plugin, under the plugin's own name; `more` stands after them.
fn configuration(server: &Postgres, more: &str) -> String {
    let mut text = format!("[postgres.main]\ndsn = {:?}\n", server.dsn("hostler", "postgres"));
    for plugin in PLUGINS {
        let settings = match plugin {
            "postgres-connections" => "idle_warning = \"1s\", wait_warning = \"1s\"",
            "postgres-replication" => "slot_inactive = \"1s\", expected = []",
            "postgres-slow-queries" => "mean_warning = \"200ms\", mean_critical = \"1h\"",
            "postgres-index-health" => "verify_every = \"1s\"",
            "postgres-index-usage" => "unused = \"1h\", least = \"8kB\"",
            "postgres-vacuum" => "parallel = 2",
            "postgres-reindex" => "data_path = \"/\", bloat_least = \"256kB\"",
            _ => "",
        };
        let machine = if plugin == "postgres-reindex" { "bind.machine = \"machine\"\n" } else { "" };
        text.push_str(&format!(
            "[tasks.{plugin}]\nplugin = {plugin:?}\nbind.database = \"postgres.main\"\n{machine}settings = {{ {settings} }}\n"
        ));
    }
    text + more
}

fn each_plugin_on(version: u32) {
    let shop = Shop::of(version);
    sessions::connections(&shop);
    statements::slow_queries(&shop);
    catalogue::index_health(&shop);
    catalogue::index_usage(&shop);
    changes::vacuum(&shop);
    changes::statistics(&shop);
    changes::reindex(&shop);
    changes::extensions(&shop);
    replication::slots(&shop);
}

#[test]
fn each_plugin_on_15() {
    each_plugin_on(15);
}

#[test]
fn each_plugin_on_16() {
    each_plugin_on(16);
}

#[test]
fn each_plugin_on_17() {
    each_plugin_on(17);
}

#[test]
fn each_plugin_on_18() {
    each_plugin_on(18);
}
