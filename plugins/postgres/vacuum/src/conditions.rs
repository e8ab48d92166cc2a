//! What has to hold for a vacuum to be of use, and to be let go on: nothing old keeps dead rows, the standbys keep up,
//! the transaction ids last.

use hostler_sdk::prelude::*;

use crate::Settings;

/// Who keeps dead rows of this database from being removed, the oldest first, and how far the standbys are behind.
pub const CONDITIONS: &str = "
    SELECT 'session' AS kind, 'pid ' || pid::text AS holder,
        coalesce(usename, '')::text || ' ' || coalesce(application_name, '') AS who,
        age(backend_xmin)::int8 AS xmin_age, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds,
        NULL::float8 AS lag
    FROM pg_stat_activity
    WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'
        AND datname = current_database()
    UNION ALL
    SELECT 'prepared', gid, owner::text, age(transaction)::int8,
        extract(epoch FROM clock_timestamp() - prepared)::float8, NULL::float8
    FROM pg_prepared_xacts WHERE database = current_database()
    UNION ALL
    SELECT 'slot', slot_name::text, slot_type, age(xmin)::int8, NULL::float8, NULL::float8
    FROM pg_replication_slots WHERE xmin IS NOT NULL
    UNION ALL
    SELECT 'standby', application_name, coalesce(client_hostname, ''), age(backend_xmin)::int8, NULL::float8,
        pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8
    FROM pg_stat_replication
    ORDER BY xmin_age DESC NULLS LAST";

pub const DATABASES: &str = "
    SELECT datname::text AS name, age(datfrozenxid)::float8 AS age, mxid_age(datminmxid)::float8 AS multixact_age
    FROM pg_database WHERE datallowconn";

/// Transactions that have begun since, from which on a slot or standby counts as holding rows back.
const OLD: i64 = 10_000_000;

#[derive(Debug, Clone, PartialEq)]
struct Holder {
    kind: String,
    holder: String,
    who: String,
    xmin_age: i64,
    seconds: Option<f64>,
}

/// What a look at the server told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conditions {
    holders: Vec<Holder>,
    lag: f64,
}

impl Conditions {
    pub fn read(rows: &Rows) -> Result<Self, TaskError> {
        let mut conditions = Self::default();
        for row in rows.iter() {
            conditions.lag = conditions.lag.max(row.get::<Option<f64>>("lag")?.unwrap_or_default());
            if let Some(xmin_age) = row.get("xmin_age")? {
                conditions.holders.push(Holder {
                    kind: row.get("kind")?,
                    holder: row.get("holder")?,
                    who: row.get("who")?,
                    xmin_age,
                    seconds: row.get("seconds")?,
                });
            }
        }
        Ok(conditions)
    }

    fn oldest(&self, settings: &Settings) -> Option<&Holder> {
        let longest = settings.longest_transaction.as_seconds();
        self.holders.iter().find(|holder| match holder.seconds {
            Some(seconds) => seconds > longest,
            None => holder.xmin_age > OLD,
        })
    }

    /// Who keeps dead rows where they are, in words.
    pub fn holder(&self, settings: &Settings) -> Option<String> {
        self.oldest(settings).map(|holder| format!("the {} {:?}", holder.kind, holder.holder))
    }

    /// Why a run has to stop before its next table.
    pub fn forbid(&self, settings: &Settings) -> Option<String> {
        (self.lag > settings.most_lag.as_f64()).then(|| format!("a standby is {} behind", ByteSize::from_f64(self.lag)))
    }

    /// Tells who keeps dead rows where they are.
    pub fn report(&self, settings: &Settings) {
        let age = self.holders.first().map_or(0, |holder| holder.xmin_age);
        Metric::gauge("postgres_oldest_xmin_age_transactions", age as f64).report();
        Metric::gauge("postgres_replication_lag_bytes", self.lag).report();
        let Some(holder) = self.oldest(settings) else { return };
        let (time, limit) = match holder.seconds {
            Some(seconds) => {
                (format!(" for {}", Duration::from_seconds(seconds)), format!("above {}", settings.longest_transaction))
            }
            None => (String::new(), format!("above {OLD} transactions")),
        };
        let who = Some(holder.who.trim()).filter(|who| !who.is_empty()).map(|who| format!(" ({who})"));
        let (name, who) = (&holder.holder, who.unwrap_or_default());
        let remedy = match holder.kind.as_str() {
            "session" => format!("SELECT pg_terminate_backend({});", name.trim_start_matches("pid ")),
            "prepared" => format!("ROLLBACK PREPARED {};", hostler_sdk::quote_literal(name)),
            "slot" => {
                format!("SELECT pg_drop_replication_slot({}); -- if nobody needs it", hostler_sdk::quote_literal(name))
            }
            _ => "end the long query on the standby, or set hot_standby_feedback = off there".into(),
        };
        finding!(
            Severity::Warning,
            "rows-held-back",
            name.clone(),
            "the {} {name:?}{who} keeps dead rows from being removed{time}, warning {limit}: {} began after it",
            holder.kind,
            counted(holder.xmin_age, "transaction")
        )
        .remedy(remedy)
        .report();
    }
}

/// How far each database is from running out of transaction ids.
pub fn report_ages(rows: &Rows, settings: &Settings) -> Result<(), TaskError> {
    for row in rows.iter() {
        let name: &str = row.get("name")?;
        for (what, age) in [("transactions", row.get::<f64>("age")?), ("multixacts", row.get("multixact_age")?)] {
            let finding = finding!(Severity::Ok, "database-age", name, "the oldest row is {age} {what} old")
                .detail(
                    "At about 2.1 billion the server stops taking writes. Autovacuum does not get to it: look for what \
                     holds it back, and for a table that it cannot finish.",
                )
                .remedy(format!("vacuumdb --freeze --jobs=4 {}", hostler_sdk::quote_identifier(name)));
            let metric = Metric::gauge(format!("postgres_database_age_{what}"), age).label("database", name);
            metric.judge(&settings.age_warning, &settings.age_critical, finding);
        }
    }
    Ok(())
}
