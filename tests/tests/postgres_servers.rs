//! PostgreSQL servers that are down, refuse, hang, break off, or show too little: for each plugin unknown, never ok, with
//! what was wrong and what to do, and never with an address or a password.

use std::fs;

use hostler_tests::{After, Hostler, Output, Postgres, StandIn, free_port, tells};

const PLUGINS: [&str; 4] = ["postgres-connections", "postgres-index-health", "postgres-replication", "postgres-vacuum"];

/// A task for each plugin, each with a server of its own name, so that they run side by side.
fn host(dsn: impl Fn(usize) -> String) -> Hostler {
    let mut text = format!("[procedures.all]\ntasks = {PLUGINS:?}\nparallel = 4\n");
    for (place, plugin) in PLUGINS.iter().enumerate() {
        text.push_str(&format!(
            "[postgres.server{place}]\ndsn = {:?}\n[tasks.{plugin}]\nplugin = {plugin:?}\ntimeout = \"4s\"\n\
             bind.database = \"postgres.server{place}\"\n",
            dsn(place)
        ));
    }
    let host = Hostler::new(&text);
    host.install(&PLUGINS);
    host
}

/// Each task is unknown for a reason that holds one of these words, in the run and in the history, and no secret is told.
fn all_unknown(host: &Hostler, said: &[&str], secrets: &[&str]) -> Output {
    let run = host.run(&["run", "all", "--format", "json"]);
    assert_eq!(run.code, 3, "{run:?}");
    for plugin in PLUGINS {
        let task = run.task(plugin);
        assert_eq!(task["verdict"], "unknown", "{plugin}: {task:#}");
        let words = task.to_string();
        assert!(said.iter().any(|said| words.contains(said)), "{plugin}: none of {said:?}: {task:#}");
        assert_eq!(host.history(&[plugin])[0]["verdict"], "unknown");
    }
    let text = host.run(&["run", "all", "--all"]);
    let audit = fs::read_to_string(host.path().join("state/audit/audit.jsonl")).unwrap_or_default();
    for secret in secrets {
        for output in [&run.stdout, &run.stderr, &text.stdout, &text.stderr, &audit] {
            assert!(!tells(output, secret), "{secret} is told: {output}");
        }
    }
    run
}

#[test]
fn a_server_that_is_down() {
    let port = free_port().to_string();
    let host = host(|_| format!("host=127.0.0.1 port={port} user=postgres password=hunter2"));
    all_unknown(&host, &["cannot be reached: nothing listens there; is the server running?"], &["hunter2", &port]);
}

#[test]
fn a_server_that_refuses_the_password() {
    let server = Postgres::start();
    server.execute("CREATE ROLE secured LOGIN PASSWORD 'right'");
    let rules = server.directory().join("data/pg_hba.conf");
    let others = fs::read_to_string(&rules).expect("the server's rules");
    fs::write(&rules, format!("host all secured all scram-sha-256\n{others}")).expect("they are written");
    server.execute("SELECT pg_reload_conf()");
    let wrong = host(|_| format!("{} password=hunter2", server.dsn("secured", "postgres")));
    let said = ["refused the connection: the password is wrong (28P01)"];
    let run = all_unknown(&wrong, &said, &["hunter2", &server.port.to_string()]);
    let text = wrong.run(&["run", "postgres-vacuum"]).stdout;
    for line in text.lines().filter(|line| line.contains("28P01")) {
        assert_eq!(line.matches("28P01").count(), 1, "the code is told once: {text}");
    }
    assert!(run.stdout.contains("look at password_file"), "what to do: {run:?}");
    let none = host(|_| server.dsn("secured", "postgres"));
    all_unknown(&none, &["the server wants a password, and there is none: set password_file"], &[]);
}

/// The stand-in accepts, and says nothing: no real server can be made to.
#[test]
fn a_server_that_hangs_after_accepting() {
    let silent = StandIn::silent();
    let host = host(|_| format!("host=127.0.0.1 port={} user=postgres connect_timeout=2", silent.port));
    all_unknown(&host, &["did not open a session within 2 s"], &[&silent.port.to_string()]);
}

fn shop() -> Postgres {
    let server = Postgres::start();
    server.execute("CREATE TABLE orders AS SELECT g AS id, 'new' AS status FROM generate_series(1, 5000) g");
    server.execute("ALTER TABLE orders ADD PRIMARY KEY (id); CREATE EXTENSION amcheck; CREATE EXTENSION pgstattuple");
    server.execute("VACUUM ANALYZE orders");
    server
}

/// A stand-in for each plugin, before the real server, that lets a part of what the server said in a whole run pass.
fn before(server: &Postgres, after: impl Fn(usize) -> After) -> Vec<StandIn> {
    (0..PLUGINS.len()).map(|place| StandIn::before(server.port, after(place))).collect()
}

fn host_before(stand_ins: &[StandIn]) -> Hostler {
    host(|place| format!("host=127.0.0.1 port={} user=postgres dbname=postgres", stand_ins[place].port))
}

#[test]
fn a_server_that_closes_or_falls_silent_in_the_middle_of_a_result() {
    let server = shop();
    let whole = before(&server, |_| After::Close(u64::MAX));
    let healthy = host_before(&whole).run(&["run", "all"]);
    assert_eq!(healthy.code, 0, "with nothing cut all is well: {healthy:?}");
    let total: Vec<u64> = whole.iter().map(StandIn::passed).collect();
    for share in [2, 5, 8] {
        let cut = before(&server, |place| After::Close(total[place] * share / 10));
        let ports: Vec<String> = cut.iter().map(|stand_in| stand_in.port.to_string()).collect();
        let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
        all_unknown(&host_before(&cut), &["closed", "connection", "broke", "lost"], &ports);
    }
    let silent = before(&server, |place| After::Silence(total[place] / 2));
    all_unknown(&host_before(&silent), &["the run took longer than its 4 s", "did not open a session"], &[]);
}

#[test]
fn a_role_without_privileges() {
    let server = shop();
    server.execute("UPDATE orders SET status = 'paid'");
    server.execute("CREATE ROLE nobody LOGIN");
    hostler_tests::eventually("the statistics know of the dead rows", || {
        server.value("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'orders'") == "5000"
    });
    let host = host(|_| server.dsn("nobody", "postgres"));
    let run = all_unknown(&host, &["GRANT pg_monitor TO nobody;"], &[]);
    let vacuum = run.task("postgres-vacuum").to_string();
    assert!(vacuum.contains("public.orders") && vacuum.contains("GRANT"), "whose table it may not vacuum: {vacuum}");
    assert_eq!(server.value("SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'orders'"), "1");
    server.execute("GRANT pg_monitor TO nobody; ALTER TABLE orders OWNER TO nobody");
    server.execute("GRANT EXECUTE ON FUNCTION bt_index_check(regclass, boolean) TO nobody");
    server.execute("GRANT EXECUTE ON FUNCTION pgstatindex(regclass) TO nobody");
    let granted = host.run(&["run", "all"]);
    assert_eq!(granted.code, 0, "with what the remedies say all of it works: {granted:?}");
}
