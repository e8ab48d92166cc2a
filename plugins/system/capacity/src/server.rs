//! What a PostgreSQL server is asked for, since no other task measures it: how large its databases are, how much WAL it
//! writes, how fast it burns transaction ids, and how far its small keys are. It goes into the history as every other
//! metric, and the next runs draw their lines through it.

use std::collections::BTreeMap;

use hostler_sdk::listed;
use hostler_sdk::postgres::Database;
use hostler_sdk::prelude::*;

/// Sizes are told of databases that the role may connect to, or to a role that reads all statistics.
const DATABASES: &str = "
    SELECT datname::text AS database, age(datfrozenxid)::float8 AS age, mxid_age(datminmxid)::float8 AS multixact_age,
        CASE WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
            THEN pg_database_size(oid) END::float8 AS bytes
    FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname";

/// Both only grow, from the server's beginning on. A standby writes no WAL.
const BURNT: &str = "
    SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') END::float8 AS wal,
        pg_snapshot_xmax(pg_current_snapshot())::text::float8 AS transactions";

/// Columns of two or four bytes that an index alone makes unique, and the sequence that feeds each, where one does.
const KEYS: &str = "
    SELECT n.nspname::text AS schema, c.relname::text AS name, a.attname::text AS column_name,
        CASE a.atttypid WHEN 21 THEN 32767 ELSE 2147483647 END::float8 AS most,
        s.seqrelid IS NOT NULL AS has_sequence,
        CASE WHEN s.seqrelid IS NOT NULL THEN has_sequence_privilege(s.seqrelid, 'SELECT,USAGE')
            ELSE has_column_privilege(c.oid, a.attnum, 'SELECT') END AS seen,
        CASE WHEN has_sequence_privilege(s.seqrelid, 'SELECT,USAGE') THEN pg_sequence_last_value(s.seqrelid) END::float8
            AS last
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN (21, 23)
    LEFT JOIN (SELECT d.refobjid, d.refobjsubid, q.seqrelid FROM pg_depend d
            JOIN pg_sequence q ON q.seqrelid = d.objid
            WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')) s
        ON s.refobjid = c.oid AND s.refobjsubid = a.attnum
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
        AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
        AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
            AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum AND i.indpred IS NULL)
    ORDER BY c.reltuples DESC, 1, 2, 3 LIMIT 1000";

/// A key below this share of its range is years away, and is not told of: a database has hundreds of them.
const LEAST: f64 = 1.0;
/// Tables that a finding names.
const NAMED: usize = 5;

/// A key, and how far it is.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    schema: String,
    table: String,
    column: String,
    most: f64,
    last: Option<f64>,
    has_sequence: bool,
    seen: bool,
}

/// Measures a server.
pub(crate) async fn measure(target: &str) -> Result<(), TaskError> {
    let database = Database::open("databases", Some(target), None).await?;
    report_databases(target, &database.query(DATABASES, &[]).await?.rows().await?)?;
    let burnt = database.query(BURNT, &[]).await?.one().await?;
    if let Some(bytes) = burnt.get("wal")? {
        Metric::counter("postgres_wal_bytes_total", bytes).label("server", target).report();
    }
    Metric::counter("postgres_transactions_total", burnt.get("transactions")?).label("server", target).report();
    let rows = database.query(KEYS, &[]).await?.rows().await?;
    let mut keys = rows.iter().map(|row| Key::read(&row)).collect::<Result<Vec<_>, _>>()?;
    for key in keys.iter_mut().filter(|key| key.seen && !key.has_sequence) {
        // The end of an index: one page is read.
        let row = database.query(&key.largest(), &[]).await?.one().await?;
        key.last = row.get("last")?;
    }
    let role = database.query("SELECT quote_ident(current_user) AS role", &[]).await?.one().await?;
    report_keys(target, &database.info().database, &keys, role.get("role")?);
    Ok(())
}

pub(crate) fn report_databases(target: &str, rows: &Rows) -> Result<(), TaskError> {
    let mut unseen = vec![];
    for row in rows.iter() {
        let name: String = row.get("database")?;
        let tell = |metric: &str, value: f64| {
            Metric::gauge(metric, value).label("server", target).label("database", &name).report();
        };
        tell("postgres_database_age_transactions", row.get("age")?);
        tell("postgres_database_age_multixacts", row.get("multixact_age")?);
        match row.get::<Option<f64>>("bytes")? {
            Some(bytes) => tell("postgres_database_bytes", bytes),
            None => unseen.push(name),
        }
    }
    if !unseen.is_empty() {
        finding!(
            Severity::Unknown,
            "privilege-missing",
            target,
            "how large {} is cannot be seen",
            listed(&unseen, NAMED)
        )
        .remedy("GRANT pg_monitor TO the task's role;")
        .report();
    }
    Ok(())
}

impl Key {
    fn read(row: &Row) -> Result<Self, TaskError> {
        Ok(Self {
            schema: row.get("schema")?,
            table: row.get("name")?,
            column: row.get("column_name")?,
            most: row.get("most")?,
            last: row.get("last")?,
            has_sequence: row.get("has_sequence")?,
            seen: row.get("seen")?,
        })
    }

    fn largest(&self) -> String {
        format!(
            "SELECT max({})::float8 AS last FROM {}",
            hostler_sdk::quote_identifier(&self.column),
            hostler_sdk::quote_qualified(&self.schema, &self.table)
        )
    }
}

fn report_keys(target: &str, database: &str, keys: &[Key], role: &str) {
    for key in keys.iter().filter(|key| key.seen) {
        let share = key.last.unwrap_or_default().max(0.0) / key.most * 100.0;
        if share >= LEAST {
            Metric::gauge("postgres_key_used_percent", share)
                .label("server", target)
                .label("key", format!("{database}.{}.{}.{}", key.schema, key.table, key.column))
                .report();
        }
    }
    let mut schemas: BTreeMap<&str, usize> = BTreeMap::new();
    for key in keys.iter().filter(|key| !key.seen) {
        *schemas.entry(&key.schema).or_default() += 1;
    }
    if !schemas.is_empty() {
        let unseen: usize = schemas.values().sum();
        let grants: Vec<String> = schemas
            .keys()
            .map(|schema| {
                let schema = hostler_sdk::quote_identifier(schema);
                format!("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}; GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role};")
            })
            .collect();
        finding!(
            Severity::Unknown,
            "privilege-missing",
            format!("{target} keys"),
            "how far {} of {database} {} cannot be seen",
            counted(unseen, "int4 key"),
            agreed(unseen, "is", "are")
        )
        .remedy(grants.join(" "))
        .report();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_sdk::testing::{record, rows};

    fn key(column: &str, last: Option<f64>, seen: bool) -> Key {
        Key {
            schema: "public".into(),
            table: "order".into(),
            column: column.into(),
            most: 2_147_483_647.0,
            last,
            has_sequence: true,
            seen,
        }
    }

    #[test]
    fn keys_are_told_by_the_share_of_their_range_and_those_that_cannot_be_seen_are_unknown() {
        let keys = [key("id", Some(2_147_483_647.0 / 2.0), true), key("new", None, true), key("hidden", None, false)];
        let recorded = record(|| report_keys("shop", "app", &keys, "hostler"));
        assert_eq!(recorded.told(), [("privilege-missing", "shop keys", Severity::Unknown)]);
        assert!(
            recorded.findings[0]
                .remedy
                .as_deref()
                .is_some_and(|remedy| remedy.contains("SCHEMA \"public\" TO hostler;"))
        );
        assert_eq!(recorded.metrics.len(), 1, "one that is not begun says nothing");
        assert_eq!(recorded.metric("postgres_key_used_percent"), Some(50.0));
        assert_eq!(recorded.metrics[0].labels[1].1, "app.public.order.id");
        assert_eq!(keys[0].largest(), "SELECT max(\"id\")::float8 AS last FROM \"public\".\"order\"");
    }

    #[test]
    fn a_database_whose_size_is_not_shown_is_unknown() {
        let rows = rows!(["database", "age", "multixact_age", "bytes"]; ["app", 7.0, 1.0, 4096.0], ["other", 9.0, 2.0, None::<f64>]);
        let recorded = record(|| report_databases("shop", &rows).expect("they are whole"));
        assert_eq!(recorded.told(), [("privilege-missing", "shop", Severity::Unknown)]);
        assert_eq!(recorded.metric("postgres_database_bytes"), Some(4096.0));
        assert_eq!(recorded.metrics.len(), 5);
    }
}
