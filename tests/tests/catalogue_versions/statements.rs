//! postgres-slow-queries: the columns of pg_stat_statements that it reads are in every version, and from 17 on each
//! statement says since when it is counted.

use crate::Shop;

pub(crate) fn slow_queries(shop: &Shop) {
    let server = &shop.server;
    assert_eq!(shop.run("postgres-slow-queries", 3), ["unknown baseline-taken postgres"]);
    assert!(shop.run("postgres-slow-queries", 0).is_empty());
    server.execute("SELECT pg_sleep(0.3)");
    let slow = shop.run("postgres-slow-queries", 1);
    assert!(slow.len() == 1 && slow[0].starts_with("warning statement-slow postgres "), "{slow:?}");
    // The statement alone is reset, which stats_reset does not tell, and is counted once again: from 17 on all of it is new.
    server.execute(
        "SELECT pg_stat_statements_reset(0, 0, queryid) FROM pg_stat_statements WHERE query LIKE 'SELECT pg_sleep%'",
    );
    server.execute("SELECT pg_sleep(0.31)");
    let told = shop.run("postgres-slow-queries", if server.version >= 17 { 1 } else { 0 });
    assert_eq!(told.len(), usize::from(server.version >= 17), "{told:?}");
    server.execute("SELECT pg_stat_statements_reset()");
    assert_eq!(shop.run("postgres-slow-queries", 3), ["unknown baseline-taken postgres"], "a reset is noticed");
}
