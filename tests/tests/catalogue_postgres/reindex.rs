//! postgres-reindex: rebuilt beside the traffic, and nothing left behind.

use hostler_tests::{Postgres, eventually};

use crate::{found, host};

const SETTINGS: &str = "data_path = \"/\", bloat_least = \"1MB\", wait = \"1s\"";

fn server() -> Postgres {
    let server = Postgres::start();
    server.execute("CREATE ROLE hostler LOGIN");
    server.execute("GRANT pg_monitor TO hostler; GRANT CREATE ON SCHEMA public TO hostler");
    server.execute(
        "SET ROLE hostler; CREATE TABLE orders AS SELECT n AS id FROM generate_series(1, 200000) n;
         CREATE INDEX orders_id ON orders (id); CREATE TABLE users (id int)",
    );
    server.execute("VACUUM ANALYZE orders");
    server
}

fn bloat(server: &Postgres) {
    server.execute("DELETE FROM orders WHERE id % 10 <> 0");
    server.execute("VACUUM ANALYZE orders");
}

fn size(server: &Postgres, index: &str) -> u64 {
    server.value(&format!("SELECT pg_relation_size('{index}')")).parse().unwrap()
}

/// An index whose concurrent build failed on rows that are there twice.
fn invalid(server: &Postgres, name: &str) {
    server.execute("INSERT INTO users VALUES (1), (1)");
    server.try_execute(&format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON users (id)")).unwrap_err();
    server.execute(&format!("ALTER INDEX {name} OWNER TO hostler"));
}

#[test]
fn a_bloated_index_is_rebuilt_once() {
    let server = server();
    let host = host(&server, "postgres-reindex", "hostler", SETTINGS);
    assert!(found(&host, 0).is_empty());
    bloat(&server);
    let before = size(&server, "orders_id");
    let plan = host.run(&["plan", "task", "--format", "json"]);
    assert_eq!((plan.code, size(&server, "orders_id")), (0, before), "{plan:?}");
    assert!(plan.task("task")["summary"].as_str().unwrap().starts_with("1 due: 1 to be rebuilt"), "{plan:?}");
    assert!(found(&host, 0).is_empty());
    assert!(size(&server, "orders_id") < before / 2);
    let again = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(again.task("task")["summary"], "0 due: 0 rebuilt, 0 dropped, 0 failed, 0 B given back", "{again:?}");
}

#[test]
fn what_a_failed_rebuild_left_is_dropped_and_a_failed_build_done_again() {
    let server = server();
    let host = host(&server, "postgres-reindex", "hostler", SETTINGS);
    invalid(&server, "users_id_ccnew");
    assert!(found(&host, 0).is_empty());
    assert_eq!(server.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), "0");
    server.execute("TRUNCATE users");

    invalid(&server, "users_id");
    assert_eq!(found(&host, 2), ["critical duplicate-rows public.users_id"]);
    assert_eq!(
        server.values("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"),
        ["users_id"],
        "what the failure left is gone"
    );
    server.execute("TRUNCATE users");
    assert!(found(&host, 0).is_empty());
    assert_eq!(server.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_id'::regclass"), "t");
}

#[test]
fn an_old_transaction_stops_it_before_it_begins_and_a_young_one_is_waited_for_only_so_long() {
    let server = server();
    bloat(&server);
    let open = server.session("BEGIN; LOCK TABLE orders IN ROW EXCLUSIVE MODE; SELECT txid_current()");
    let young = host(&server, "postgres-reindex", "hostler", SETTINGS);
    // What the failure left cannot be dropped either while the lock is held: the next run does it.
    let busy = ["warning index-busy public.orders_id", "warning index-busy public.orders_id_ccnew"];
    assert_eq!(found(&young, 1), busy);
    let old = host(&server, "postgres-reindex", "hostler", &format!("{SETTINGS}, longest_transaction = \"1s\""));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(found(&old, 1), ["warning stopped run"]);
    drop(open);
    eventually("the lock is gone", || {
        server.value("SELECT count(*) FROM pg_locks WHERE mode = 'RowExclusiveLock'") == "0"
    });
    assert!(found(&old, 0).is_empty());
    assert_eq!(server.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), "0", "nothing is left behind");
}

#[test]
fn without_room_or_right_or_a_word_about_the_disk_nothing_is_rebuilt() {
    let server = server();
    bloat(&server);
    let before = size(&server, "orders_id");
    let small = host(&server, "postgres-reindex", "hostler", "free_space = \"1MB\", bloat_least = \"1MB\"");
    assert_eq!(found(&small, 1), ["warning no-room public.orders_id"]);
    let silent = host(&server, "postgres-reindex", "hostler", "bloat_least = \"1MB\"");
    assert_eq!(found(&silent, 3), ["unknown free-space-unknown disk"]);
    server.execute("ALTER TABLE orders OWNER TO postgres");
    let other = host(&server, "postgres-reindex", "hostler", SETTINGS);
    assert_eq!(found(&other, 3), ["unknown privilege-missing public.orders_id"]);
    server.execute("REVOKE pg_monitor FROM hostler");
    assert_eq!(found(&other, 3), ["unknown privilege-missing postgres"]);
    assert_eq!(size(&server, "orders_id"), before);
}
