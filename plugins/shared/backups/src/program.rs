//! How PostgreSQL's own programs end, and what helps: their words are the same in every version, so they are put beside
//! their remedies once.

use hostler_sdk::shell::{Completed, Outcome};
use hostler_sdk::{TaskError, listed};

/// What the programs say, and what then helps.
const REMEDIES: [(&str, &str); 15] = [
    (
        "server version mismatch",
        "the program is older than the server: install the client of the server's version (apt-get install postgresql-client-NN) and bind the program in /usr/lib/postgresql/NN/bin",
    ),
    (
        "unsupported version",
        "the archive was written by a newer program: bind the pg_restore of the version that wrote it, or a later one",
    ),
    (
        "permission denied",
        "let the task's role read everything: GRANT pg_read_all_data TO it; -- or bind a role that may",
    ),
    ("replication role", "ALTER ROLE it REPLICATION; -- the task's role"),
    ("must be superuser", "bind a role that may do it"),
    // pg_dump waits for its locks under a statement_timeout.
    (
        "Query was: LOCK TABLE",
        "another session holds a table locked, or the role may not lock it: look at pg_locks for who, and run the task again",
    ),
    ("lock timeout", "another session holds a table locked: look at pg_locks for who, and run the task again"),
    ("row-level security", "let the role pass the policies: ALTER ROLE it BYPASSRLS;"),
    ("No space left on device", "free space where the backups lie, or lower `keep`"),
    ("no password supplied", "give the server's binding a password_file"),
    ("password authentication failed", "mend the password_file of the server's binding"),
    ("max_wal_senders", "raise max_wal_senders on the server; each base backup takes two"),
    ("WAL summar", "ALTER SYSTEM SET summarize_wal = on; SELECT pg_reload_conf(); -- then a full backup once"),
    ("no pg_hba.conf entry", "let the role connect so in pg_hba.conf (a base backup needs a line for `replication`)"),
    ("connection to server", "look whether the server runs and can be reached, and run the task again"),
];

/// The lines of a program's messages that say what was wrong.
#[must_use]
pub fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let told: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| ["rror:", "fatal:", "FATAL:", "etail:"].iter().any(|word| line.contains(word)))
        .collect();
    let told = if told.is_empty() { lines.last().copied().into_iter().collect() } else { told };
    let words = listed(&told, 3);
    if words.is_empty() { "it said nothing".into() } else { words.chars().take(600).collect() }
}

/// What a program wrote, where it was not only planned.
///
/// # Errors
/// Where it did not end with 0: what it said, and what helps.
pub fn ended_well(name: &str, outcome: Outcome) -> Result<Option<Completed>, TaskError> {
    let Outcome::Completed(completed) = outcome else { return Ok(None) };
    if completed.exit_code == Some(0) {
        return Ok(Some(completed));
    }
    let how = match (completed.exit_code, completed.signal) {
        (Some(code), _) => format!("ended with {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "did not end well".into(),
    };
    let said = last_words(&completed.stderr);
    let error = TaskError::new(format!("{name} {how}: {said}"));
    let whole = String::from_utf8_lossy(&completed.stderr);
    Err(match REMEDIES.iter().find(|(words, _)| whole.contains(words)) {
        Some((_, remedy)) => error.remedy(*remedy),
        None => error.remedy(format!("mend what {name} says, and run the task again")),
    })
}
