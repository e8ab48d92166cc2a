//! Whether a standby could take over now. Each server is asked itself: what the primary believes of a standby is what it
//! last heard, and a setting that matters only after a failover is seen nowhere but on the standby.

use hostler_sdk::postgres::{Database, needs_monitor};
use hostler_sdk::{judged_above, listed, prelude::*};

use crate::Settings;

/// Settings that have to be on the standby at least what they are on the primary.
const SIZES: [&str; 5] = [
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
];

fn sizes() -> String {
    SIZES.map(|name| format!("current_setting('{name}')::int8 AS {name}")).join(", ")
}

fn primary_query(version: u32) -> String {
    let kept = if version >= 170_000 { "AND NOT failover" } else { "" };
    format!(
        "SELECT quote_ident(current_user) AS role, pg_has_role('pg_monitor', 'USAGE') AS sees_all,
            pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 AS lsn,
            (SELECT timeline_id::int8 FROM pg_control_checkpoint()) AS timeline,
            current_setting('synchronous_standby_names') AS synchronous,
            current_setting('wal_log_hints') = 'on' OR current_setting('data_checksums') = 'on' AS hints,
            current_setting('full_page_writes') = 'on' AS full_pages, current_setting('archive_mode') <> 'off' AS archives,
            (SELECT coalesce(string_agg(slot_name, ', ' ORDER BY slot_name), '') FROM pg_replication_slots
                WHERE slot_type = 'logical' AND NOT temporary {kept}) AS logical,
            (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS holding,
            (SELECT count(*) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')) AS tablespaces,
            (SELECT sum(CASE WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
                THEN pg_database_size(oid) END)::float8 FROM pg_database) AS bytes, {}",
        sizes()
    )
}

fn standby_query() -> String {
    format!(
        "SELECT quote_ident(current_user) AS role, pg_has_role('pg_monitor', 'USAGE') AS sees_all,
            pg_is_in_recovery() AS in_recovery,
            EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'walreceiver') AS receiving,
            CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END AS paused,
            coalesce(pg_wal_lsn_diff(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0'), 0)::float8 AS received,
            coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0)::float8 AS waiting,
            (SELECT greatest(c.timeline_id, r.min_recovery_end_timeline)::int8
                FROM pg_control_checkpoint() c, pg_control_recovery() r) AS timeline,
            current_setting('recovery_min_apply_delay') AS delay, current_setting('recovery_target_timeline') AS target,
            current_setting('synchronous_standby_names') AS synchronous, current_setting('archive_mode') <> 'off' AS archives,
            {}",
        sizes()
    )
}

/// The primary, as it says itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Primary {
    pub major: u32,
    pub identity: String,
    pub lsn: f64,
    pub timeline: i64,
    pub synchronous: String,
    pub holding: i64,
    pub rewinds: bool,
    pub archives: bool,
    pub logical: String,
    pub tablespaces: i64,
    pub bytes: f64,
    sizes: [i64; SIZES.len()],
    role: String,
    pub sees_all: bool,
}

impl Primary {
    pub async fn read(database: &Database) -> Result<Self, TaskError> {
        let info = database.info();
        let row = database.query(&primary_query(info.version), &[]).await?.one().await?;
        Self::of(&row, info.version, &info.system_identifier)
    }

    pub fn of(row: &Row, version: u32, identity: &str) -> Result<Self, TaskError> {
        Ok(Self {
            major: version / 10_000,
            identity: identity.to_owned(),
            lsn: row.get("lsn")?,
            timeline: row.get("timeline")?,
            synchronous: row.get("synchronous")?,
            holding: row.get("holding")?,
            rewinds: row.get::<bool>("hints")? && row.get::<bool>("full_pages")?,
            archives: row.get("archives")?,
            logical: row.get("logical")?,
            tablespaces: row.get("tablespaces")?,
            bytes: row.get::<Option<f64>>("bytes")?.unwrap_or_default(),
            sizes: read_sizes(row)?,
            role: row.get("role")?,
            sees_all: row.get("sees_all")?,
        })
    }

    /// The settings that a copy of it needs to be a standby, as lines of its configuration.
    pub fn configuration(&self) -> String {
        SIZES.iter().zip(self.sizes).map(|(name, value)| format!("{name} = {value}\n")).collect()
    }
}

fn read_sizes(row: &Row) -> Result<[i64; SIZES.len()], TaskError> {
    let mut sizes = [0; SIZES.len()];
    for (size, name) in sizes.iter_mut().zip(SIZES) {
        *size = row.get(name)?;
    }
    Ok(sizes)
}

/// A standby, as it says itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Standby {
    pub name: String,
    major: u32,
    identity: String,
    in_recovery: bool,
    receiving: bool,
    paused: bool,
    received: f64,
    waiting: f64,
    timeline: i64,
    delay: String,
    target: String,
    synchronous: String,
    archives: bool,
    sizes: [i64; SIZES.len()],
    role: String,
    sees_all: bool,
}

impl Standby {
    pub async fn read(name: &str) -> Result<Self, TaskError> {
        let database = Database::open("standbys", Some(name), None).await?;
        let info = database.info();
        let row = database.query(&standby_query(), &[]).await?.one().await?;
        Self::of(name, &row, info.version, &info.system_identifier)
    }

    pub fn of(name: &str, row: &Row, version: u32, identity: &str) -> Result<Self, TaskError> {
        Ok(Self {
            name: name.to_owned(),
            major: version / 10_000,
            identity: identity.to_owned(),
            in_recovery: row.get("in_recovery")?,
            receiving: row.get("receiving")?,
            paused: row.get("paused")?,
            received: row.get("received")?,
            waiting: row.get("waiting")?,
            timeline: row.get("timeline")?,
            delay: row.get("delay")?,
            target: row.get("target")?,
            synchronous: row.get("synchronous")?,
            archives: row.get("archives")?,
            sizes: read_sizes(row)?,
            role: row.get("role")?,
            sees_all: row.get("sees_all")?,
        })
    }

    /// WAL that a failover to it would lose.
    pub fn loss(&self, primary: &Primary) -> f64 {
        (primary.lsn - self.received).max(0.0)
    }

    /// Why it could not take over, and what mends that.
    fn problems(&self, primary: &Primary, settings: &Settings) -> Vec<(String, String)> {
        let mut problems = vec![];
        let mut add = |so: bool, what: String, remedy: &str| {
            if so {
                problems.push((what, remedy.to_owned()));
            }
        };
        add(
            !self.receiving && self.sees_all,
            "it receives nothing from the primary".into(),
            "look into its log: it says why its walreceiver stopped",
        );
        add(self.paused, "its replay is paused".into(), "SELECT pg_wal_replay_resume();    -- on it");
        add(
            self.delay != "0",
            format!("it replays {} later on purpose", self.delay),
            "ALTER SYSTEM SET recovery_min_apply_delay = 0; SELECT pg_reload_conf();    -- on it, or keep another standby for failover",
        );
        add(
            self.waiting > settings.replay.as_f64(),
            format!("it has {} to replay before it takes over", ByteSize::from_f64(self.waiting)),
            "see pg_stat_database_conflicts there, and max_standby_streaming_delay",
        );
        add(
            self.timeline < primary.timeline && !self.receiving,
            format!("it is on timeline {} and the primary on {}", self.timeline, primary.timeline),
            "rebuild it with pg_rewind or pg_basebackup",
        );
        add(
            self.target != "latest",
            format!("recovery_target_timeline is {:?}: it does not follow a server that took over", self.target),
            "ALTER SYSTEM SET recovery_target_timeline = 'latest'; SELECT pg_reload_conf();    -- on it",
        );
        for (name, (own, of_primary)) in SIZES.iter().zip(self.sizes.iter().zip(primary.sizes)) {
            add(
                *own < of_primary,
                format!("{name} is {own} and on the primary {of_primary}: its replay stops"),
                &format!("ALTER SYSTEM SET {name} = {of_primary};    -- on it, and restart it"),
            );
        }
        problems
    }

    /// Tells of it; whether it could take over.
    pub fn report(&self, primary: &Primary, settings: &Settings) -> bool {
        let name = self.name.as_str();
        if self.identity != primary.identity || self.major != primary.major {
            finding!(
                Severity::Critical,
                "other-cluster",
                name,
                "it is a copy of another server (system {} of version {}, and the primary is {} of version {})",
                self.identity,
                self.major,
                primary.identity,
                primary.major
            )
            .remedy("bind a standby of this primary (bind.standbys), made by pg_basebackup from it")
            .report();
            return false;
        }
        if !self.in_recovery {
            finding!(Severity::Critical, "standby-promoted", name, "it takes writes of its own, on timeline {}; the primary is on {}", self.timeline, primary.timeline)
                .remedy("make sure that only one of the two takes writes; then rebuild the other: pg_rewind --source-server=… --target-pgdata=…")
                .report();
            return false;
        }
        if !self.sees_all {
            needs_monitor(&self.role, name, "whether it receives from the primary").report();
        }
        let loss = self.loss(primary);
        Metric::gauge("postgres_failover_loss_bytes", loss).label("standby", name).report();
        let problems = self.problems(primary, settings);
        if !problems.is_empty() {
            let words: Vec<&str> = problems.iter().map(|(what, _)| what.as_str()).collect();
            let remedies: Vec<&str> = problems.iter().map(|(_, remedy)| remedy.as_str()).collect();
            finding!(Severity::Warning, "standby-not-ready", name, "it could not take over now: {}", listed(&words, 5))
                .remedy(remedies.join("\n"))
                .report();
        }
        self.after(primary);
        problems.is_empty() && self.sees_all
    }

    /// What would be wrong as soon as it has taken over.
    fn after(&self, primary: &Primary) {
        let name = self.name.as_str();
        if !self.synchronous.is_empty() {
            finding!(Severity::Warning, "synchronous-after-failover", name, "synchronous_standby_names is {:?} on it: once it has taken over, commits wait until such a standby follows it", self.synchronous)
                .remedy("ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf();    -- on it, and set it again when a standby follows it")
                .report();
        }
        if primary.archives && !self.archives {
            finding!(Severity::Warning, "archiving-differs", name, "the primary archives its WAL, and this standby would not once it has taken over")
                .detail("archive_mode needs a restart, so it has to be on before; with `on` a standby archives nothing until it takes over.")
                .remedy("ALTER SYSTEM SET archive_mode = on;    -- on it, with the primary's archive_command, and restart it")
                .report();
        }
    }
}

/// Tells of the primary, and of all standbys together.
pub fn report(primary: &Primary, standbys: &[Standby], unseen: usize, settings: &Settings) -> Vec<Standby> {
    if !primary.sees_all {
        needs_monitor(&primary.role, "server", "who receives from this server").report();
    }
    let mut ready: Vec<Standby> =
        standbys.iter().filter(|standby| standby.report(primary, settings)).cloned().collect();
    ready.sort_by(|one, other| one.loss(primary).total_cmp(&other.loss(primary)));
    Metric::gauge("postgres_failover_standbys_ready", ready.len() as f64).report();
    match ready.first() {
        Some(best) => {
            let loss = best.loss(primary);
            let (warning, critical) = (settings.loss_warning.as_f64(), settings.loss_critical.as_f64());
            let (severity, limit) = judged_above(loss, warning, critical, Measure::Bytes);
            finding!(severity, "would-lose", &best.name, "it is the best, and a failover to it now would lose {} of WAL{limit}", ByteSize::from_f64(loss))
                .detail("Counted from what the primary has written to what the standby has received.")
                .remedy("see postgres-replication: not sent is the network, not flushed the standby's disk; a synchronous standby loses nothing")
                .report_unless_ok();
        }
        // One that was not seen may be ready.
        None if unseen == 0 => {
            finding!(
                Severity::Critical,
                "no-candidate",
                "server",
                "none of {} could take over now",
                counted(standbys.len(), "standby")
            )
            .remedy("mend what stands at each standby; where none is bound, bind them: bind.standbys")
            .report();
        }
        None => {}
    }
    of_primary(primary);
    ready
}

fn of_primary(primary: &Primary) {
    let needed = needed(&primary.synchronous);
    if primary.sees_all && primary.holding < needed {
        finding!(Severity::Critical, "no-synchronous-standby", "server", "commits wait for {}, and {} connected (synchronous_standby_names is {:?})", counted(needed, "synchronous standby"), match primary.holding {
            0 => "none is".to_owned(),
            count => format!("{count} {}", agreed(count, "is", "are")),
        }, primary.synchronous)
        .remedy("bring them back; or ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf();    -- until they are")
        .report();
    }
    if !primary.rewinds {
        finding!(
            Severity::Warning,
            "rewind-impossible",
            "server",
            "after a failover this server cannot be brought back by pg_rewind, only by a whole copy"
        )
        .detail("pg_rewind needs full_page_writes, and checksums or wal_log_hints, before the failover happens.")
        .remedy(
            "ALTER SYSTEM SET wal_log_hints = on; ALTER SYSTEM SET full_page_writes = on;    -- and restart the server",
        )
        .report();
    }
    if !primary.logical.is_empty() {
        finding!(Severity::Warning, "logical-slots-lost", "server", "logical slots that no standby has: {}; their consumers would lose their place", primary.logical)
            .remedy("on 17 and later: failover = true at the slot or subscription, and sync_replication_slots = on on the standby; before that, plan how each consumer is copied anew")
            .report();
    }
}

/// How many synchronous standbys a setting waits for.
fn needed(names: &str) -> i64 {
    let text = names.trim();
    if text.is_empty() {
        return 0;
    }
    let lower = text.to_ascii_lowercase();
    let rest = lower.strip_prefix("first ").or_else(|| lower.strip_prefix("any ")).unwrap_or(&lower);
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    let is_count = rest.trim_start()[digits.len()..].trim_start().starts_with('(');
    digits.parse().ok().filter(|_| is_count).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::needed;

    #[test]
    fn a_setting_says_how_many_commits_wait_for() {
        for (text, count) in [
            ("", 0),
            ("one", 1),
            ("*", 1),
            ("2 (a, b, c)", 2),
            ("FIRST 2 (a, b)", 2),
            ("ANY 3(a,b,c,d)", 3),
            ("1st", 1),
        ] {
            assert_eq!(needed(text), count, "{text}");
        }
    }
}
