//! postgres-connections: from 16 on some connections are reserved for roles that are no superusers.

use std::time::Duration;

use crate::Shop;

pub(crate) fn connections(shop: &Shop) {
    let usable = if shop.server.version >= 16 { "of 12 usable" } else { "of 17 usable" };
    let summary = shop.summary("postgres-connections");
    assert!(summary.contains(usable), "{summary}");

    let holder = shop.server.session("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE");
    let prepared = shop.server.session("BEGIN; CREATE TABLE half_done (id int); PREPARE TRANSACTION 'half done'");
    let waiter = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| shop.server.try_execute("SELECT count(*) FROM orders"));
        std::thread::sleep(Duration::from_millis(1500));
        let run = shop.host.run(&["run", "postgres-connections", "--format", "json"]);
        assert_eq!(run.code, 1, "{run:?}");
        let mut found = run.findings("postgres-connections");
        found.sort();
        assert_eq!(
            found,
            [
                "warning idle-in-transaction postgres/postgres",
                "warning lock-wait postgres/postgres",
                "warning prepared-transaction postgres"
            ],
            "{run:?}"
        );
        assert!(run.stdout.contains("is postgres/postgres, idle in transaction for"), "who holds it: {run:?}");
        for kind in ["Oldest snapshots", "prepared transaction", "half done"] {
            assert!(run.stdout.contains(kind), "{kind}: {run:?}");
        }
        drop(holder);
        waiter.join().expect("it ends")
    });
    assert_eq!(waiter, Ok(()));
    drop(prepared);
    shop.server.execute("ROLLBACK PREPARED 'half done'");
    assert!(shop.run("postgres-connections", 0).is_empty());
}
