//! postgres-index-health and postgres-index-usage: from 16 on the server says when an index was last used, and from 17 on
//! amcheck finds keys that a unique index holds twice.

use std::time::Duration;

use hostler_tests::eventually;

use crate::Shop;

pub(crate) fn index_health(shop: &Shop) {
    let (server, plugin) = (&shop.server, "postgres-index-health");
    assert!(shop.run(plugin, 0).is_empty());
    server.execute("SET ROLE shop; CREATE TABLE twins AS SELECT 1 AS id FROM generate_series(1, 2)");
    server.try_execute("CREATE UNIQUE INDEX CONCURRENTLY twins_id ON twins (id)").unwrap_err();
    eventually("nobody builds it any more", || {
        server.value("SELECT count(*) FROM pg_stat_progress_create_index") == "0"
    });
    assert_eq!(shop.run(plugin, 2), ["critical index-invalid public.twins_id"]);
    server.execute("DROP INDEX twins_id; CREATE INDEX twins_id ON twins (id)");
    server.execute("UPDATE pg_index SET indisunique = true WHERE indexrelid = 'twins_id'::regclass");
    std::thread::sleep(Duration::from_secs(1));
    if server.version >= 17 {
        assert_eq!(shop.run(plugin, 2), ["critical index-damaged public.twins_id"]);
    } else {
        assert!(shop.run(plugin, 0).is_empty(), "amcheck of this version does not look");
    }
    server.execute("DROP TABLE twins");
    server.execute("SELECT setval('orders_id_seq', 2147483647 / 100 * 86)");
    assert_eq!(shop.run(plugin, 1), ["warning sequence-near-end public.orders_id_seq"]);
    server.execute("SELECT setval('orders_id_seq', 20000)");
    std::thread::sleep(Duration::from_secs(1));
    assert!(shop.run(plugin, 0).is_empty());
}

pub(crate) fn index_usage(shop: &Shop) {
    let (server, plugin) = (&shop.server, "postgres-index-usage");
    server.execute("SET enable_seqscan = off; SELECT count(*) FROM orders WHERE day = '2026-02-02'");
    eventually("the use is counted", || {
        server.value("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'orders_day'") != "0"
    });
    assert!(shop.run(plugin, 0).is_empty(), "it was used a moment ago");
    server.execute("SET ROLE shop; CREATE INDEX orders_status ON orders (status)");
    assert_eq!(shop.run(plugin, 3), ["unknown statistics-young statistics"]);
    // Two hours later by the host's clock, the statistics go back far enough.
    let mut later = shop.host.command(&["run", plugin, "--format", "json"]);
    later.env("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1").env("FAKETIME", "+2h");
    let output = later.output().expect("hostler starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = |index: &str| text.contains(&format!("\"public.{index}\""));
    assert!(output.status.code() == Some(1) && told("orders_status"), "PostgreSQL {}: {text}", server.version);
    // From 16 on the server itself says that the last use is two hours ago; before, a use is a use.
    assert_eq!(told("orders_day"), server.version >= 16, "PostgreSQL {}: {text}", server.version);
    assert_eq!(text.contains("was last used 2 h ago"), server.version >= 16, "{text}");
    server.execute("DROP INDEX orders_status");
}
