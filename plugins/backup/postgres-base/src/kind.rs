//! Full or incremental: what the server can, what there is to build on, and how old that is.

use hostler_sdk::postgres::Database;
use hostler_sdk::prelude::*;

use crate::Settings;

/// The first version that has incremental base backups.
const INCREMENTAL_SINCE: u32 = 170_000;

/// What a server is, as far as its backup is concerned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub version: u32,
    pub system_identifier: String,
    /// Whether the server keeps the summaries that an incremental backup is made from.
    pub summarizes: bool,
    pub tablespaces: u64,
    pub bytes: u64,
}

pub(crate) async fn facts(server: &Database) -> Result<Facts, TaskError> {
    let info = server.info();
    // Of a database that it may not enter, a role is not told the size.
    let sql = "SELECT (SELECT count(*) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')) AS spaces, \
               (SELECT coalesce(sum(pg_database_size(oid)), 0)::int8 FROM pg_database \
                WHERE has_database_privilege(oid, 'CONNECT')) AS bytes";
    let row = server.query(sql, &[]).await?.one().await?;
    let mut facts = Facts {
        version: info.version,
        system_identifier: info.system_identifier,
        tablespaces: row.get::<i64>("spaces")?.unsigned_abs(),
        bytes: row.get::<i64>("bytes")?.unsigned_abs(),
        summarizes: false,
    };
    if facts.version >= INCREMENTAL_SINCE {
        let row = server.query("SELECT current_setting('summarize_wal') AS word", &[]).await?.one().await?;
        facts.summarizes = row.get::<String>("word")? == "on";
    }
    Ok(facts)
}

/// What the next backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Full,
    /// Against the newest full one.
    Incremental,
    /// An incremental one was wanted, and the server keeps no summaries.
    FullForWant,
}

/// `newest`: when the newest full one was made; `spoiled`: the last incremental one failed.
pub(crate) fn kind(
    settings: &Settings,
    facts: &Facts,
    newest: Option<Timestamp>,
    spoiled: bool,
    now: Timestamp,
) -> Kind {
    let young = newest.is_some_and(|at| at.until(now) < settings.full_every);
    match () {
        () if !settings.incremental || facts.version < INCREMENTAL_SINCE => Kind::Full,
        () if !facts.summarizes => Kind::FullForWant,
        () if young && !spoiled => Kind::Incremental,
        () => Kind::Full,
    }
}

/// What speaks against a backup now.
pub(crate) fn preconditions(
    facts: &Facts,
    kind: Kind,
    compress: bool,
    full: u64,
    available: u64,
) -> Result<(), TaskError> {
    if facts.tablespaces > 0 {
        let spaces = counted(facts.tablespaces, "tablespace");
        return Err(TaskError::new(format!(
            "the server has {spaces} beside its data directory, which a plain backup would write to where they lie there"
        ))
        .remedy("back this server up with pgBackRest or pg_basebackup --format=tar, and let backup-freshness look at it"));
    }
    let needed = match kind {
        // The full one unpacked, and what is put together from it.
        Kind::Incremental => facts.bytes / 10 + facts.bytes + if compress { full.max(facts.bytes) } else { 0 },
        Kind::Full | Kind::FullForWant => facts.bytes + if compress { facts.bytes / 4 } else { 0 },
    };
    if available < needed {
        let (available, needed) = (ByteSize(available), ByteSize(needed));
        return Err(TaskError::new(format!(
            "the destination has {available} left, and the backup needs about {needed}"
        ))
        .remedy("free space at the destination, lower `keep`, or bind a larger filesystem"));
    }
    Ok(())
}
