//! redis-consistency: a replica and its primary, a snapshot that fails, and a cache beside its PostgreSQL.

use hostler_tests::{Hostler, Postgres, RedisServer, eventually};

fn host(server: &RedisServer) -> Hostler {
    let host = Hostler::new(&format!(
        "[redis.main]\nurl = {:?}\n[tasks.task]\nplugin = \"redis-consistency\"\nbind.server = \"redis.main\"\nsettings.link = \"1s\"\n",
        server.url()
    ));
    host.install(&["redis-consistency"]);
    host
}

fn found(host: &Hostler, code: i32) -> Vec<String> {
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, code, "{run:?}");
    run.findings("task")
}

#[test]
fn a_replica_that_lost_its_primary_is_told() {
    let primary = RedisServer::start();
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let info = |server: &RedisServer| {
        redis::cmd("INFO").arg("replication").query::<String>(&mut server.connection()).expect("an answer")
    };
    eventually("the replica follows", || {
        info(&replica).contains("master_link_status:up") && info(&primary).contains("state=online")
    });
    let (of_primary, of_replica) = (host(&primary), host(&replica));
    assert!(found(&of_primary, 0).is_empty());
    assert!(found(&of_replica, 0).is_empty());
    drop(primary);
    eventually("the link has been down for a while", || {
        info(&replica).lines().any(|line| {
            line.strip_prefix("master_link_down_since_seconds:")
                .is_some_and(|seconds| seconds.trim().parse::<i64>().is_ok_and(|seconds| seconds > 1))
        })
    });
    assert_eq!(found(&of_replica, 2), ["critical link-down server"]);
    let gone = of_primary.run(&["run", "task"]);
    assert_eq!(gone.code, 3, "a server that is gone is unknown: {gone:?}");
}

#[test]
fn a_snapshot_that_failed_is_critical() {
    let server = RedisServer::start();
    let host = host(&server);
    assert!(found(&host, 0).is_empty());
    let mut connection = server.connection();
    redis::cmd("SET").arg(&["a", "b"]).query::<()>(&mut connection).expect("a key");
    // A name that is a directory cannot be written over.
    let directory: Vec<String> = redis::cmd("CONFIG").arg(&["GET", "dir"]).query(&mut connection).expect("a directory");
    std::fs::create_dir(std::path::Path::new(&directory[1]).join("dump.rdb")).expect("a directory in its way");
    let _ = redis::cmd("BGSAVE").query::<()>(&mut connection);
    eventually("the snapshot failed", || {
        redis::cmd("INFO")
            .arg("persistence")
            .query::<String>(&mut server.connection())
            .is_ok_and(|info| info.contains("rdb_last_bgsave_status:err"))
    });
    assert_eq!(found(&host, 2), ["critical snapshot-failed server"]);
}

#[test]
fn cached_values_are_held_against_their_rows() {
    let (postgres, cache) = (Postgres::start(), RedisServer::start());
    postgres.execute("CREATE ROLE hostler LOGIN; CREATE TABLE product (id bigint PRIMARY KEY, name text); GRANT SELECT ON product TO hostler");
    postgres.execute("INSERT INTO product SELECT n, 'name ' || n FROM generate_series(1, 600) n");
    let mut pipeline = redis::pipe();
    for number in 1..=600 {
        pipeline.cmd("SET").arg(format!("product:{number}")).arg(format!("name {number}")).ignore();
    }
    pipeline.query::<()>(&mut cache.connection()).expect("keys");
    let host = Hostler::new(&format!(
        "[redis.main]\nurl = {:?}\n[postgres.shop]\ndsn = {:?}\n[tasks.task]\nplugin = \"redis-consistency\"\nbind.server = \"redis.main\"\n\
         bind.source = {{ resource = \"postgres.shop\", read = [\"public.product\"] }}\n\
         settings.pattern = \"product:*\"\nsettings.query = \"SELECT 'product:' || id AS key, name AS value FROM public.product WHERE 'product:' || id = ANY ($1)\"\n",
        cache.url(),
        postgres.dsn("hostler", "postgres")
    ));
    host.install(&["redis-consistency"]);
    assert!(found(&host, 0).is_empty());
    postgres.execute("UPDATE product SET name = 'renamed' WHERE id = 7; DELETE FROM product WHERE id = 9");
    let sick = host.run(&["run", "task", "--format", "json"]);
    assert_eq!((sick.code, sick.findings("task")), (1, vec!["warning values-differ product:*".to_owned()]), "{sick:?}");
    assert!(
        sick.stdout.contains("2 of 600 compared values are not their source's")
            && sick.stdout.contains("1 have no row any more"),
        "{sick:?}"
    );
    postgres.execute("UPDATE product SET name = 'renamed'");
    assert_eq!(found(&host, 2), ["critical values-differ product:*"]);
    postgres.execute("REVOKE SELECT ON product FROM hostler");
    assert_eq!(found(&host, 3), ["unknown not-compared product:*"]);
    redis::cmd("FLUSHALL").query::<()>(&mut cache.connection()).expect("it is flushed");
    postgres.execute("GRANT SELECT ON product TO hostler");
    assert_eq!(found(&host, 3), ["unknown nothing-to-compare product:*"]);
}
