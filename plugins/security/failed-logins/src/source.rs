//! Where attempts are told of: the journal, log files, Redis itself.

use std::collections::BTreeMap;

use hostler_sdk::prelude::*;
use hostler_sdk::redis::{self, Server};
use serde_json::Value;
use shared_logs::follow;

use crate::{Settings, attempt, attempt::Attempt, burst::Attempts};

const CURSOR: &str = "cursor";
const LOGGED: &str = "acl-log";
/// As many of the server's entries are read; it keeps 128 unless it is told otherwise.
const ENTRIES: &str = "1000";

/// Reads all that is bound, and returns how many sources that were. What cannot be read is told.
pub(crate) async fn read(context: &Context, settings: &Settings, attempts: &mut Attempts) -> Result<usize, TaskError> {
    let mut sources = 0;
    match journal(context, attempts).await {
        Ok(bound) => sources += usize::from(bound),
        Err(error) => unreadable(error, "journal-unreadable", "journal", &mut sources)?,
    }
    let directories = context.directories("logs");
    if !directories.is_empty() {
        let now = context.planned_at();
        sources += directories.len();
        follow(context, &directories, &settings.files, &mut |line| {
            if let Some(attempt) = attempt::of_line(line, now) {
                attempts.add(attempt);
            }
        })
        .await?;
    }
    let mut logged: BTreeMap<String, BTreeMap<String, i64>> = context.state().get(LOGGED).await?.unwrap_or_default();
    for target in redis::targets("redis") {
        let seen = logged.entry(target.clone()).or_default();
        match refused(&target, seen, attempts).await {
            Ok(()) => sources += 1,
            Err(error) => unreadable(error, "redis-unreadable", &target, &mut sources)?,
        }
    }
    context.state().set(LOGGED, &logged).await?;
    Ok(sources)
}

fn unreadable(error: TaskError, code: &str, subject: &str, sources: &mut usize) -> Result<(), TaskError> {
    if error.ends_the_run() {
        return Err(error);
    }
    *sources += 1;
    error.finding(code, subject).report();
    Ok(())
}

/// Whether the journal is bound.
async fn journal(context: &Context, attempts: &mut Attempts) -> Result<bool, TaskError> {
    let cursor: Option<String> = context.state().get(CURSOR).await?;
    let since = cursor.as_ref().map_or("--since=-1d".to_owned(), |cursor| format!("--after-cursor={cursor}"));
    let identifiers = ["sshd", "sshd-session", "su", "sudo", "login"].map(|name| format!("--identifier={name}"));
    let program = context.program("journalctl").arguments(["--output=json", "--no-pager", "--quiet"]);
    let text = match program.arguments(identifiers).argument(since).output().await {
        Ok(text) => text,
        Err(error) if error.is_unbound() => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut last = cursor;
    for line in text.lines() {
        let Ok(fields) = serde_json::from_str::<BTreeMap<String, Value>>(line) else { continue };
        let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        if !field("__CURSOR").is_empty() {
            last = Some(field("__CURSOR").to_owned());
        }
        if let Some(attempt) = attempt::of_message(field("SYSLOG_IDENTIFIER"), field("MESSAGE")) {
            let at = field("__REALTIME_TIMESTAMP").parse::<i64>().unwrap_or_default() / 1_000_000;
            attempts.add(Attempt { at, ..attempt });
        }
    }
    if let Some(cursor) = last {
        context.state().set(CURSOR, &cursor).await?;
    }
    Ok(true)
}

/// The logins that a Redis server refused. It holds alike ones together and counts them: what was counted at the last
/// run counts no more.
async fn refused(target: &str, seen: &mut BTreeMap<String, i64>, attempts: &mut Attempts) -> Result<(), TaskError> {
    let server = Server::open("redis", Some(target)).await?;
    let entries = server.query(["ACL", "LOG", ENTRIES]).await?;
    let now = i64::try_from(Timestamp::now().0 / 1000).unwrap_or_default();
    let mut found = BTreeMap::new();
    for entry in entries.array()? {
        let fields: BTreeMap<String, &hostler_sdk::Reply> = entry.pairs()?.into_iter().collect();
        let text = |name: &str| fields.get(name).and_then(|reply| reply.text().ok()).unwrap_or_default();
        if text("reason") != "auth" {
            continue;
        }
        let number = |name: &str| fields.get(name).and_then(|reply| reply.number().ok()).unwrap_or_default();
        let address =
            text("client-info").split_whitespace().find_map(|word| word.strip_prefix("addr=").map(str::to_owned));
        let address =
            address.as_deref().and_then(|address| address.rsplit_once(':')).map(|(address, _)| address.to_owned());
        let at = now - number("age-seconds") as i64;
        let count = number("count") as i64;
        // The same entry is found again by its number, or where a server gives none, by who it was.
        let key = format!("{}/{}/{}", text("entry-id"), address.as_deref().unwrap_or_default(), text("username").len());
        let new = match seen.get(&key) {
            Some(before) if *before <= count => count - before,
            _ => count,
        };
        *found.entry(key).or_insert(0) += count;
        for _ in 0..new.clamp(0, 10_000) {
            let address = address.clone().unwrap_or_default();
            attempts.add(Attempt { at, service: "redis".into(), address, user: String::new(), success: false });
        }
    }
    *seen = found;
    Ok(())
}
