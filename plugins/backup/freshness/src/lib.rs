//! Is there a backup, and is it fresh? A job's exit code proves nothing: it says that a program ended. What counts is
//! what lies there: a complete set, of last night, about as large as those before it.
//!
//! Files belong to a set by their names without dates. What is in them is backup-verify's to say, and whether they can be
//! restored is backup-restore-test's.

mod archiver;
mod pgbackrest;
mod set;

use hostler_sdk::prelude::*;
use hostler_sdk::{files::Directory, postgres};

use set::Sets;

hostler_sdk::plugin!(Settings, run);

/// A tablespace in a base backup lies so deep.
const DEEPEST: u32 = 8;

#[derive(Deserialize)]
struct Settings {
    age_warning: Duration,
    age_critical: Duration,
    size_warning: Percent,
    size_critical: Percent,
    expected: Vec<String>,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let (directories, databases) = (context.directories("backups"), postgres::targets("database"));
    let now = context.planned_at();
    let mut sets = Sets::default();
    for directory in &directories {
        match look(directory, now).await {
            Ok(found) => {
                if found.is_empty() {
                    finding!(Severity::Critical, "no-backup", directory.name(), "there is no complete backup in it")
                        .remedy("look when the backup job last ran, and where it writes to; then run it")
                        .report();
                }
                sets.extend(found);
            }
            Err(error) => tell(error, "backups-unreadable", directory.name())?,
        }
    }
    sets.report(&settings, now);
    for target in &databases {
        if let Err(error) = archiver::look(&context, target).await {
            tell(error, "archiver-unknown", target)?;
        }
    }
    let stanzas = match pgbackrest::look(&context, &settings, now).await {
        Ok(stanzas) => stanzas,
        Err(error) => {
            tell(error, "pgbackrest-unknown", "pgbackrest")?;
            Some(0)
        }
    };
    if directories.is_empty() && databases.is_empty() && stanzas.is_none() {
        return Err(TaskError::new("nothing is bound that tells of backups")
            .remedy("bind.backups = [\"directory.NAME\"], or bind.pgbackrest"));
    }
    Ok(sets.summary(stanzas.unwrap_or_default()))
}

fn tell(error: TaskError, code: &str, subject: &str) -> Result<(), TaskError> {
    if error.ends_the_run() {
        return Err(error);
    }
    error.finding(code, subject).report();
    Ok(())
}

async fn look(directory: &Directory, now: Timestamp) -> Result<Sets, TaskError> {
    let tree = directory.list(Some(DEEPEST)).await?;
    for (path, reason) in tree.unreadable.iter().take(5) {
        finding!(Severity::Unknown, "backups-unreadable", path, "it could not be looked at: {reason}")
            .remedy("let the host's user list the backups; it needs no right to read them")
            .report();
    }
    Ok(Sets::of(&format!("{}/", directory.root()), &tree.entries, now))
}

#[cfg(test)]
mod tests;
