//! Grants that the cases share, and the macros that give each case a test of its own name.

use hostler_policy::sql::PostgresGrant;

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What a binding that is not narrowed grants: the catalogue.
#[allow(dead_code)]
pub fn catalogue() -> PostgresGrant {
    PostgresGrant::default()
}

/// A grant with some of everything.
#[allow(dead_code)]
pub fn shop() -> PostgresGrant {
    PostgresGrant {
        read: list(&["public.metrics*", "public.orders", "statements.pg_stat_statements", "pg_catalog.pg_stats"]),
        write: list(&["public.*", "archive.*", "pg_catalog.pg_attribute", "pg_toast.*", "postgis", "scratch_*"]),
        statements: list(&[
            "VACUUM",
            "analyze",
            "REINDEX CONCURRENTLY",
            "DROP INDEX CONCURRENTLY",
            "DROP TABLE",
            "INSERT",
            "DELETE",
            "ALTER TABLE DETACH PARTITION",
            "ALTER TABLE ATTACH PARTITION",
            "ALTER EXTENSION  UPDATE",
            "CREATE TABLE",
            "CREATE INDEX CONCURRENTLY",
            "CREATE DATABASE",
            "DROP DATABASE",
            "ALTER TABLE SET",
        ]),
        call: list(&["squeeze.squeeze_table", "partman.run_maintenance_proc", "pg_catalog.pg_promote"]),
        functions: list(&["public.pgstattuple_approx", "check.*", "pg_catalog.pg_tablespace_location"]),
        settings: list(&["lock_timeout", "maintenance_work_mem", "role", "search_path", "synchronous_commit", "jit"]),
        ..PostgresGrant::default()
    }
}

/// Each statement is allowed.
#[allow(unused_macros)]
macro_rules! allowed {
    ($grant:ident . $method:ident: $($name:ident => $sql:expr,)*) => {
        $(#[test]
        fn $name() {
            if let Err(refusal) = sql_common::$grant().$method($sql) {
                panic!("refused: {refusal} ({refusal:?})\n{}", $sql);
            }
        })*
    };
}

/// Each statement is refused by the rule given.
#[allow(unused_macros)]
macro_rules! refused {
    ($grant:ident . $method:ident: $($name:ident => $sql:expr, $rule:expr;)*) => {
        $(#[test]
        fn $name() {
            match sql_common::$grant().$method($sql) {
                Ok(_) => panic!("allowed\n{}", $sql),
                Err(refusal) => assert_eq!(refusal.rule(), $rule, "{refusal}\n{}", $sql),
            }
        })*
    };
}

/// A grant that adds partitions as their parents have them, and nothing else.
#[allow(dead_code)]
pub fn partitions() -> PostgresGrant {
    PostgresGrant {
        read: list(&["public.metrics"]),
        write: list(&["public.orders", "public.orders_*"]),
        statements: list(&["create table  partition of"]),
        ..PostgresGrant::default()
    }
}
