//! What has to hold for work on a table to be of use, and to be let go on: nothing old keeps dead rows or makes a rebuild
//! wait, and the standbys keep up.

use hostler_sdk::postgres::Database;
use hostler_sdk::prelude::*;

/// What the operator lets a run put up with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// How old a transaction may be.
    pub longest_transaction: Duration,
    /// How far a standby may be behind.
    pub most_lag: ByteSize,
}

/// Who keeps dead rows of this database from being removed, the oldest first, and how far the standbys are behind. A
/// session that is idle in a transaction which wrote has no snapshot, and holds rows back by its own number.
pub const CONDITIONS: &str = "
    SELECT 'session' AS kind, 'pid ' || pid::text AS holder,
        coalesce(usename, '')::text || ' ' || coalesce(application_name, '') AS who,
        greatest(age(backend_xmin), age(backend_xid))::int8 AS xmin_age, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds,
        NULL::float8 AS lag
    FROM pg_stat_activity
    WHERE (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND pid <> pg_backend_pid() AND backend_type = 'client backend'
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
    /// Looks at the server.
    ///
    /// # Errors
    /// Where it cannot be looked at.
    pub async fn look(database: &Database) -> Result<Self, TaskError> {
        Self::read(&database.query(CONDITIONS, &[]).await?.rows().await?)
    }

    /// What the rows say: kind, holder, who, xmin_age, seconds, lag.
    ///
    /// # Errors
    /// Where a row is not as the statement makes it.
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

    fn oldest(&self, limits: &Limits) -> Option<&Holder> {
        let longest = limits.longest_transaction.as_seconds();
        self.holders.iter().find(|holder| match holder.seconds {
            Some(seconds) => seconds > longest,
            None => holder.xmin_age > OLD,
        })
    }

    /// Who keeps dead rows where they are, in words.
    #[must_use]
    pub fn holder(&self, limits: &Limits) -> Option<String> {
        self.oldest(limits).map(|holder| format!("the {} {:?}", holder.kind, holder.holder))
    }

    /// The oldest transaction that a session has open beyond the limit: a rebuild beside others waits for it.
    #[must_use]
    pub fn waits_for(&self, limits: &Limits) -> Option<String> {
        let longest = limits.longest_transaction.as_seconds();
        let session = self.holders.iter().find(|holder| holder.seconds.is_some_and(|seconds| seconds > longest))?;
        Some(format!(
            "the {} {:?} is in a transaction of {}",
            session.kind,
            session.holder,
            Duration::from_seconds(session.seconds?)
        ))
    }

    /// Why a run has to stop before its next table.
    #[must_use]
    pub fn forbid(&self, limits: &Limits) -> Option<String> {
        (self.lag > limits.most_lag.as_f64()).then(|| format!("a standby is {} behind", ByteSize::from_f64(self.lag)))
    }

    /// Tells who keeps dead rows where they are.
    pub fn report(&self, limits: &Limits) {
        let age = self.holders.first().map_or(0, |holder| holder.xmin_age);
        Metric::gauge("postgres_oldest_xmin_age_transactions", age as f64).report();
        Metric::gauge("postgres_replication_lag_bytes", self.lag).report();
        let Some(holder) = self.oldest(limits) else { return };
        let (time, limit) = match holder.seconds {
            Some(seconds) => {
                (format!(" for {}", Duration::from_seconds(seconds)), format!("above {}", limits.longest_transaction))
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
