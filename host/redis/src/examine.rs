//! Whether a server can be reached, and whether its user may do what is granted: for `doctor`.
//!
//! The server is asked by ACL DRYRUN, which does nothing. A user of least rights may not even ask that; then what only
//! reads is tried in earnest, and what changes is named as not tried.

use std::collections::BTreeMap;

use hostler_capability::Error;
use hostler_configuration::RedisResource;
use hostler_policy::redis::{Access, BeginSearch, CommandEntry, CommandTable, FindKeys, KeyPattern, RedisGrant};
use hostler_world::redis::Node;

use crate::{Timeouts, pool::Pool, resp};

/// What was found of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examination {
    /// By whom the host asks.
    pub user: String,
    /// The server's version.
    pub version: String,
    /// What the user may not do and is granted.
    pub needs: Vec<Need>,
    /// Commands that change something and could not be tried without changing it.
    pub untried: Vec<String>,
}

/// A right that the server's user lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The word of the grant.
    pub word: String,
    /// What the user may not do.
    pub problem: String,
    /// What to do on the server.
    pub remedy: String,
}

/// A command to try.
struct Trial<'p> {
    name: String,
    word: String,
    pattern: Option<&'p KeyPattern>,
    reads: bool,
    command: Vec<Vec<u8>>,
}

/// Connects as a run would, and holds the user's rights against the words that are granted.
///
/// # Errors
/// Where a word is none, the resource is wrong, or the server does not let the host in.
pub async fn examine(name: &str, resource: &RedisResource, allow: &[String]) -> Result<Examination, Error> {
    let grant = RedisGrant::parse(allow).map_err(|error| Error::Invalid(error.to_string()))?;
    let pool = Pool::new(name, resource, Timeouts::default())
        .map_err(|problem| Error::Invalid(format!("redis.{name}: {problem}")))?;
    let (table, version) = pool.ready().await?;
    let user = pool.server().user.clone();
    let trials = trials(&grant, &table);
    let mut examination = Examination { user: user.clone(), version, ..Examination::default() };
    if trials.is_empty() {
        return Ok(examination);
    }
    let dry = |trial: &Trial<'_>| {
        let mut command: Vec<Vec<u8>> = vec![b"ACL".into(), b"DRYRUN".into(), user.clone().into_bytes()];
        command.extend(trial.command.iter().cloned());
        command
    };
    let replies = send(&pool, trials.iter().map(dry)).await?;
    let unable =
        |reply: &Vec<Node>| matches!(reply.as_slice(), [Node::Failure(text)] if !text.contains("number of arg"));
    let mut said: Vec<(&Trial<'_>, String)> = vec![];
    if replies.first().is_some_and(unable) {
        // Those that run over all keys are not tried in earnest.
        let (tried, untried): (Vec<_>, Vec<_>) =
            trials.iter().partition(|trial| trial.reads && !matches!(trial.name.as_str(), "keys" | "acl|dryrun"));
        examination.untried = untried.into_iter().map(|trial| trial.name.clone()).collect();
        examination.untried.dedup();
        let replies = send(&pool, tried.iter().map(|trial| trial.command.clone())).await?;
        said.extend(tried.into_iter().zip(replies).filter_map(|(trial, reply)| match reply.as_slice() {
            [Node::Failure(text)] if text.starts_with("NOPERM") => Some((trial, text.clone())),
            _ => None,
        }));
    } else {
        said.extend(trials.iter().zip(replies).filter_map(|(trial, reply)| match reply.as_slice() {
            [Node::Text(text)] if text.starts_with(b"OK") => None,
            [Node::Text(text)] => Some((trial, String::from_utf8_lossy(text).into_owned())),
            _ => None,
        }));
    }
    examination.needs = needs(&user, said);
    Ok(examination)
}

async fn send(pool: &Pool, commands: impl Iterator<Item = Vec<Vec<u8>>>) -> Result<Vec<Vec<Node>>, Error> {
    let mut out = vec![];
    let mut count = 0;
    for command in commands {
        resp::encode(&mut out, &command);
        count += 1;
    }
    Ok(if count == 0 { vec![] } else { pool.exchange(&out, count, true).await?.replies })
}

fn trials<'p>(grant: &'p RedisGrant, table: &CommandTable) -> Vec<Trial<'p>> {
    let mut trials = vec![];
    for entry in grant.given(table) {
        // SCAN has no keys of its own; the host filters them.
        let head: Vec<Vec<u8>> = entry.name.split('|').map(|part| part.as_bytes().to_vec()).collect();
        let Ok(ruling) = grant.ruling(table, &head) else { continue };
        let mut trial = |pattern: Option<&'p KeyPattern>| {
            let sample = pattern.map(KeyPattern::sample).unwrap_or_default();
            if let Some(command) = filled(entry, head.clone(), &sample) {
                let reads = ruling.admit(&command).unwrap_or(false);
                let word = ruling.rule().to_owned();
                trials.push(Trial { name: entry.name.clone(), word, pattern, reads, command });
            }
        };
        if entry.key_specs.is_empty() && entry.positions.0 == 0 {
            trial(None);
            continue;
        }
        let need = if entry.has_flag("readonly") { Access::READ } else { Access::WRITE };
        grant.patterns().filter(|pattern| pattern.access().covers(need)).for_each(|pattern| trial(Some(pattern)));
    }
    if let Ok(word) = grant.scan_rule(table) {
        let command = vec![b"SCAN".to_vec(), b"0".to_vec(), b"COUNT".to_vec(), b"1".to_vec()];
        trials.retain(|trial| trial.name != "scan");
        trials.push(Trial { name: "scan".into(), word, pattern: None, reads: true, command });
    }
    trials
}

/// The shortest command that has its keys where they belong; nothing where that cannot be told.
fn filled(entry: &CommandEntry, mut command: Vec<Vec<u8>>, key: &[u8]) -> Option<Vec<Vec<u8>>> {
    let least = usize::try_from(entry.arity.unsigned_abs()).ok()?.max(command.len());
    command.resize(least, b"0".to_vec());
    if entry.key_specs.is_empty() && entry.positions.0 > 0 {
        *command.get_mut(usize::try_from(entry.positions.0).ok()?)? = key.to_vec();
    }
    for spec in &entry.key_specs {
        let BeginSearch::Index(index) = spec.begin else { continue };
        let index = usize::try_from(index).ok()?;
        match spec.find {
            FindKeys::Range { last, step, .. } => {
                let end = if last < 0 { command.len() } else { index + usize::try_from(last).ok()? + 1 };
                let step = usize::try_from(step).ok()?.max(1);
                for place in (index..end).step_by(step) {
                    *command.get_mut(place)? = key.to_vec();
                }
            }
            FindKeys::KeyNumber { index: number, first, .. } => {
                let number = index + usize::try_from(number).ok()?;
                let first = index + usize::try_from(first).ok()?;
                command.resize(command.len().max(first + 1), b"0".to_vec());
                command[number] = b"1".to_vec();
                command[first] = key.to_vec();
            }
            FindKeys::Unknown => {}
        }
    }
    Some(command)
}

/// One need for each word: what is missing is what the operator granted, in the same words.
fn needs(user: &str, said: Vec<(&Trial<'_>, String)>) -> Vec<Need> {
    let mut commands: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut keys: BTreeMap<String, &Trial<'_>> = BTreeMap::new();
    for (trial, text) in &said {
        match trial.pattern {
            Some(pattern) if text.contains("key") => {
                keys.entry(pattern.to_string()).or_insert(*trial);
            }
            _ => {
                let names = commands.entry(&trial.word).or_default();
                if !names.contains(&trial.name.as_str()) {
                    names.push(&trial.name);
                }
            }
        }
    }
    let mut needs: Vec<_> = commands
        .into_iter()
        .map(|(word, names)| {
            let more = if names.len() > 5 { format!(" and {} more", names.len() - 5) } else { String::new() };
            let names: Vec<_> = names.iter().take(5).map(|name| name.replace('|', " ")).collect();
            Need {
                word: word.into(),
                problem: format!("{user} may not call {}{more}", names.join(", ")),
                remedy: format!("ACL SETUSER {user} {word}"),
            }
        })
        .collect();
    needs.extend(keys.into_keys().map(|pattern| Need {
        problem: format!("{user} may not reach the keys {pattern}"),
        remedy: format!("ACL SETUSER {user} {pattern}"),
        word: pattern,
    }));
    needs
}
