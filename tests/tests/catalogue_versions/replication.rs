//! postgres-replication: slots, which from 17 on say since when nobody reads them, and from 18 on are given up when
//! nobody does; and a standby, as its primary and as it sees itself.

use std::time::Duration;

use hostler_tests::{Postgres, eventually};

use crate::{Shop, configuration};

const PLUGIN: &str = "postgres-replication";

pub(crate) fn slots(shop: &Shop) {
    let server = &shop.server;
    assert_eq!(shop.summary(PLUGIN), "no standby is connected, and none was expected");
    server.execute("SELECT pg_create_physical_replication_slot('forgotten', true)");
    std::thread::sleep(Duration::from_millis(1500));
    if server.version < 17 {
        assert!(shop.run(PLUGIN, 0).is_empty(), "since when it is so only a second look tells");
        std::thread::sleep(Duration::from_millis(1500));
    }
    assert_eq!(shop.run(PLUGIN, 1), ["warning slot-inactive forgotten"]);

    set(server, "max_slot_wal_keep_size", "1MB");
    for _ in 0..3 {
        server.execute("SELECT pg_logical_emit_message(false, 'filler', 'x')");
        server.execute("SELECT pg_switch_wal()");
    }
    server.execute("CHECKPOINT");
    lost(shop, "the WAL that its consumer needs is gone");
    set(server, "max_slot_wal_keep_size", "-1");
    if server.version >= 18 {
        set(server, "idle_replication_slot_timeout", "1s");
        server.execute("SELECT pg_create_physical_replication_slot('forgotten', true)");
        std::thread::sleep(Duration::from_millis(2100));
        server.execute("CHECKPOINT");
        lost(shop, "longer than idle_replication_slot_timeout");
        set(server, "idle_replication_slot_timeout", "0");
    }
    standby(shop);
}

fn set(server: &Postgres, name: &str, value: &str) {
    server.execute(&format!("ALTER SYSTEM SET {name} = '{value}'"));
    server.execute("SELECT pg_reload_conf()");
    eventually("the setting holds", || server.value(&format!("SHOW {name}")) == value);
}

/// The slot cannot be read any more, for this reason; then it goes.
fn lost(shop: &Shop, why: &str) {
    let run = shop.host.run(&["run", PLUGIN, "--format", "json"]);
    let told = (run.code, run.findings(PLUGIN));
    assert_eq!(told, (2, vec!["critical slot-lost forgotten".to_owned()]), "PostgreSQL {}", shop.server.version);
    assert!(run.stdout.contains(why), "{why}: {run:?}");
    shop.server.execute("SELECT pg_drop_replication_slot('forgotten')");
    assert!(shop.run(PLUGIN, 0).is_empty());
}

/// A real standby, which replays, is paused, and is gone.
fn standby(shop: &Shop) {
    let primary = &shop.server;
    let standby = primary.standby("one");
    eventually("the standby streams, and has said where it is", || {
        let told = "state = 'streaming' AND replay_lsn IS NOT NULL";
        primary.value(&format!("SELECT count(*) FROM pg_stat_replication WHERE {told}")) == "1"
    });
    let bound = format!("[postgres.one]\ndsn = {:?}\n", standby.dsn("hostler", "postgres"));
    let text = configuration(primary, &bound).replace("expected = []", "expected = [\"one\"]").replace(
        "plugin = \"postgres-replication\"\n",
        "plugin = \"postgres-replication\"\nbind.standbys = [\"postgres.one\"]\n",
    );
    shop.host.configure(&text);
    let summary = shop.summary(PLUGIN);
    assert!(summary.starts_with("1 standby, at most "), "{summary}");
    standby.execute("SELECT pg_wal_replay_pause()");
    assert_eq!(shop.run(PLUGIN, 1), ["warning replay-paused one"]);
    standby.execute("SELECT pg_wal_replay_resume()");
    let usage = "postgres-index-usage";
    let with_standby = text.replace(
        "plugin = \"postgres-index-usage\"\n",
        "plugin = \"postgres-index-usage\"\nbind.standbys = [\"postgres.one\"]\n",
    );
    shop.host.configure(&with_standby);
    let used = shop.host.run(&["run", usage, "--format", "json"]);
    assert!([0, 1, 3].contains(&used.code) && !used.stdout.contains("standby-unknown"), "{used:?}");
    drop(standby);
    eventually("the primary has noticed", || primary.value("SELECT count(*) FROM pg_stat_replication") == "0");
    let gone = shop.run(PLUGIN, 2);
    assert!(gone.contains(&"critical standby-missing one".to_owned()), "{gone:?}");
    assert!(gone.contains(&"unknown standby-unseen one".to_owned()), "{gone:?}");
    primary.execute("SELECT pg_drop_replication_slot('one')");
}
