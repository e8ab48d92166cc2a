//! Which login roles nobody uses. PostgreSQL keeps no last login, so the task keeps what it saw: which roles had a session
//! whenever it looked. A job that connects for a second a day is seen late or never, which is why a role is called stale
//! only after many looks, and why the finding says how many there were.

use std::collections::BTreeMap;

use hostler_sdk::postgres::Database;
use hostler_sdk::prelude::*;
use hostler_sdk::{listed, matches_pattern, quote_identifier};
use serde::Serialize;

use crate::Settings;
use crate::roles::Role;

const SESSIONS: &str = "SELECT DISTINCT usename::text AS name FROM pg_stat_activity WHERE usename IS NOT NULL";
const KEY: &str = "sightings";

/// What the task knows of one role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sighting {
    /// Since when it is watched.
    pub(crate) since: Timestamp,
    pub(crate) looks: u64,
    pub(crate) seen: Option<Timestamp>,
}

pub(crate) type Sightings = BTreeMap<String, Sighting>;

pub(crate) async fn look(
    context: &Context,
    database: &Database,
    roles: &[Role],
    settings: &Settings,
) -> Result<(), TaskError> {
    if settings.unused.as_seconds() <= 0.0 {
        return Ok(());
    }
    let rows = database.query(SESSIONS, &[]).await?.rows().await?;
    let active = rows.iter().map(|row| row.get("name")).collect::<Result<Vec<String>, _>>()?;
    let mut sightings: Sightings = context.state().get(KEY).await?.unwrap_or_default();
    let now = Timestamp::now();
    watch(&mut sightings, roles, &active, now);
    context.state().set(KEY, &sightings).await?;
    judge(database.name(), roles, &sightings, settings, now);
    Ok(())
}

/// Takes a look into account. Roles that are gone are forgotten: one of the same name begins anew.
pub(crate) fn watch(sightings: &mut Sightings, roles: &[Role], active: &[String], now: Timestamp) {
    sightings.retain(|name, _| roles.iter().any(|role| role.login && role.name == *name));
    for role in roles.iter().filter(|role| role.login) {
        let sighting = sightings.entry(role.name.clone()).or_insert(Sighting { since: now, looks: 0, seen: None });
        sighting.looks += 1;
        if active.contains(&role.name) {
            sighting.seen = Some(now);
        }
    }
}

pub(crate) fn judge(subject: &str, roles: &[Role], sightings: &Sightings, settings: &Settings, now: Timestamp) {
    let mut unknown = vec![];
    for role in roles.iter().filter(|role| role.login) {
        if settings.rarely_used.iter().any(|pattern| matches_pattern(pattern, &role.name)) {
            continue;
        }
        let remedy = format!("ALTER ROLE {} NOLOGIN;    -- or name it in `rarely_used`", quote_identifier(&role.name));
        if let Some(expired) = role.expired_for.map(Duration::from_seconds).filter(|time| *time > settings.unused) {
            finding!(
                Severity::Warning,
                "role-unused",
                role.name.as_str(),
                "its password expired {expired} ago, warning above {}",
                settings.unused
            )
            .remedy(remedy)
            .report();
            continue;
        }
        let Some(sighting) = sightings.get(&role.name) else { continue };
        let idle = sighting.seen.unwrap_or(sighting.since).until(now);
        if idle <= settings.unused || sighting.looks < settings.least_looks {
            if sighting.seen.is_none() {
                unknown.push(role.name.as_str());
            }
            continue;
        }
        let how = match sighting.seen {
            Some(_) => "no session of it was seen for",
            None => "no session of it was ever seen, in",
        };
        finding!(
            Severity::Warning,
            "role-unused",
            role.name.as_str(),
            "{how} {idle}, warning above {}; this task looked {} since it watches it",
            settings.unused,
            counted(sighting.looks, "time")
        )
        .detail("PostgreSQL keeps no last login: a session that came and went between two looks was not seen.")
        .remedy(remedy)
        .report();
    }
    if !unknown.is_empty() {
        finding!(
            Severity::Unknown,
            "role-use-unknown",
            subject,
            "{} {} not seen yet, and not watched for {} and {}: {}",
            counted(unknown.len(), "login role"),
            agreed(unknown.len(), "was", "were"),
            settings.unused,
            counted(settings.least_looks, "look"),
            listed(&unknown, 8)
        )
        .detail("PostgreSQL keeps no last login: what is known is which roles had a session when this task looked.")
        .remedy("run the task often (hourly sees most jobs), name roles that may be idle in `rarely_used`, or leave this out by unused = \"0s\"")
        .report();
    }
}
