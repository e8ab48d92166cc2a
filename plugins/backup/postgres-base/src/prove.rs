//! That a backup is good before it counts: every file against the server's manifest, and an incremental one put together
//! with its full one as a restoration would do it.

use hostler_sdk::files::{self, Directory};
use hostler_sdk::prelude::*;
use shared_backups::{Set, ended_well};

use crate::Settings;

pub(crate) async fn verify(context: &Context, settings: &Settings, data: &str) -> Result<(), TaskError> {
    let program = context.program("pg_verifybackup").argument("--quiet").path(data).timeout(settings.timeout);
    match ended_well("pg_verifybackup", program.run().await?) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(TaskError::new("the backup was not verified: its grant calls pg_verifybackup a change")
            .remedy("write effect = \"reads\" at this form of the program")),
        Err(error) => Err(not_good(data, error)),
    }
}

/// Puts an incremental backup and its full one together, looks at the result, and removes it.
pub(crate) async fn combine(
    context: &Context,
    settings: &Settings,
    destination: &Directory,
    base: &Set,
    writing: &str,
) -> Result<(), TaskError> {
    let (unpacked, combined) = (format!("{writing}/full"), format!("{writing}/combined"));
    let plain = destination.path(&format!("{}/data", base.name));
    let is_plain = files::metadata(&plain).await.is_ok();
    if !is_plain {
        let archive = destination.path(&format!("{}/data.tar.zst", base.name));
        // Its paths begin with the destination and the name that the set had while it was written.
        let tar =
            context.program("tar").arguments(["--extract", "--zstd", "--strip-components=2", "--file"]).path(archive);
        match tar.text_path("--one-top-level=", &unpacked).timeout(settings.timeout).run().await {
            Err(error) if error.is_unbound() => return not_combined(base, "tar"),
            outcome => ended_well("tar", outcome?).map_err(|error| not_good(&base.name, error))?,
        };
    }
    let full = if is_plain { plain } else { format!("{unpacked}/data") };
    let program = context
        .program("pg_combinebackup")
        .argument("--manifest-checksums=SHA256")
        .text_path("--output=", &combined)
        .path(full)
        .path(format!("{writing}/data"))
        .timeout(settings.timeout);
    let made = match program.run().await {
        Err(error) if error.is_unbound() => not_combined(base, "pg_combinebackup"),
        outcome => {
            ended_well("pg_combinebackup", outcome?).map_err(|error| not_good(writing, error))?;
            if !context.is_check() {
                verify(context, settings, &combined).await?;
            }
            files::remove_tree(&combined).await.map(drop)
        }
    };
    if !is_plain {
        files::remove_tree(&unpacked).await?;
    }
    made
}

fn not_combined(base: &Set, program: &str) -> Result<(), TaskError> {
    finding!(
        Severity::Unknown,
        "not-combined",
        &base.name,
        "the incremental backup was not put together with it: {program} is not bound"
    )
    .remedy(format!("bind.{program} = \"program.{program}\""))
    .report();
    Ok(())
}

fn not_good(path: &str, error: TaskError) -> TaskError {
    let subject = path.trim_start_matches('/').to_owned();
    finding!(Severity::Critical, "backup-not-good", subject, "it is not kept: {}", error.message())
        .remedy("look at the disk (dmesg, smartctl), and run the task again; the next one is full")
        .report();
    error
}
