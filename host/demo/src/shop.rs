//! The shop's data, and what is wrong with it.
//!
//! Each fault is made for real, the way it comes about in life: rows updated without a vacuum, a unique index built
//! over duplicates, a sequence near its end, keys written without a time to live.

use crate::{Cache, Database, DemoError};

/// Tables, rows and faults. Statements that cannot run in a transaction follow one by one.
const TABLES: &str = "
    DROP SCHEMA IF EXISTS shop CASCADE;
    DROP SCHEMA IF EXISTS analytics CASCADE;
    CREATE SCHEMA shop;
    CREATE SCHEMA analytics;
    CREATE TABLE shop.users (id int PRIMARY KEY, email text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE shop.orders (
        id int PRIMARY KEY, user_id int NOT NULL REFERENCES shop.users, status text NOT NULL, total numeric(10, 2));
    CREATE TABLE shop.coupons (number smallint PRIMARY KEY, code text);
    CREATE SEQUENCE shop.coupon_number AS smallint OWNED BY shop.coupons.number;
    CREATE TABLE analytics.events (at timestamptz NOT NULL, name text NOT NULL, payload text);
    INSERT INTO shop.users SELECT g, 'user' || g % 4990 || '@shop.example' FROM generate_series(1, 5000) g;
    INSERT INTO shop.orders SELECT g, 1 + g % 5000, 'new', g % 97 FROM generate_series(1, 20000) g;
    INSERT INTO analytics.events SELECT now() - g * interval '1 minute', 'view', md5(g::text)
        FROM generate_series(1, 20000) g;
    SELECT setval('shop.coupon_number', 32000);
";

const FAULTS: &[&str] = &[
    // Dead rows: every order was updated, and nothing vacuumed since.
    "UPDATE shop.orders SET status = 'paid'",
    "UPDATE shop.orders SET status = 'sent' WHERE id % 2 = 0",
    "DELETE FROM analytics.events WHERE at < now() - interval '7 days'",
];

/// Fails over the duplicates, and leaves an invalid index: what a failed migration leaves.
const FAILED_INDEX: &str = "CREATE UNIQUE INDEX CONCURRENTLY users_email_key ON shop.users (email)";

pub(crate) async fn fill_database(database: &Database) -> Result<(), DemoError> {
    let client = database.connect().await?;
    client.batch_execute(TABLES).await?;
    for statement in FAULTS {
        client.batch_execute(statement).await?;
    }
    if client.batch_execute(FAILED_INDEX).await.is_ok() {
        return Err(DemoError::Database("the index that should have failed did not".into()));
    }
    Ok(())
}

pub(crate) async fn fill_cache(cache: &Cache) -> Result<(), DemoError> {
    let mut connection = redis::Client::open(cache.url.as_str())?.get_multiplexed_async_connection().await?;
    let mut pipeline = redis::pipe();
    for number in 0..5_000 {
        let value = "x".repeat(200);
        // A third of the pages never expires; sessions all do.
        match number % 3 {
            0 => pipeline.cmd("SET").arg(format!("page:{number}")).arg(&value).ignore(),
            1 => pipeline.cmd("SET").arg(format!("page:{number}")).arg(&value).arg("EX").arg(3600).ignore(),
            _ => pipeline.cmd("SET").arg(format!("session:{number}")).arg(&value).arg("EX").arg(1800).ignore(),
        };
    }
    pipeline.query_async::<()>(&mut connection).await?;
    Ok(())
}
