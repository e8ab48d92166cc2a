//! What goes: sets past their retention, and what a run left that was cut off.
//!
//! A set is renamed before it is removed, so that a run that is killed in between never leaves half a set under a whole
//! one's name.

use hostler_sdk::files::{self, Directory};
use hostler_sdk::prelude::*;

use crate::{PARTIAL, Set, Shelf};

/// Removes what an earlier run did not finish. The caller's lock says that none is at it.
///
/// # Errors
/// Where it may not be removed.
pub async fn remove_unfinished(
    context: &Context,
    target: &str,
    destination: &Directory,
    shelf: &Shelf,
) -> Result<(), TaskError> {
    let own = |name: &&String| {
        let stem = name.strip_suffix(PARTIAL).and_then(|stem| stem.rsplit_once('-'));
        stem.is_some_and(|(of, _)| of == target)
    };
    let left: Vec<&String> = shelf.unfinished.iter().filter(own).collect();
    if left.is_empty() {
        return Ok(());
    }
    let _step = context.step(&format!("Remove what a run of {target} left that was cut off"), left.len() as u64, 0)?;
    for name in left {
        files::remove_tree(&destination.path(name)).await.during(format!("removing {name}"))?;
    }
    Ok(())
}

/// Removes sets, the oldest first, and tells of those that it cannot remove.
///
/// # Errors
/// Where the run ends.
pub async fn remove_past_retention(
    context: &Context,
    target: &str,
    destination: &Directory,
    superfluous: &[&Set],
) -> Result<(), TaskError> {
    if superfluous.is_empty() {
        return Ok(());
    }
    let effects = superfluous.len() as u64 * 2;
    let _step = context.step(&format!("Remove sets of {target} past their retention"), effects, 0)?;
    let mut removed = 0;
    for set in superfluous {
        if let Some(reason) = context.stop_requested() {
            finding!(Severity::Warning, "not-removed", &set.name, "{reason}: it is past its retention and still there")
                .remedy("the next run removes it; it needs its room until then")
                .report();
            break;
        }
        let (path, leaving) = (destination.path(&set.name), destination.path(&format!("{}{PARTIAL}", set.name)));
        let gone = match files::rename(&path, &leaving).await {
            Ok(_) => files::remove_tree(&leaving).await,
            Err(error) => Err(error),
        };
        match gone {
            Ok(_) => removed += 1,
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => finding!(
                Severity::Warning,
                "not-removed",
                &set.name,
                "it is past its retention and was not removed: {}",
                error.message()
            )
            .remedy(error.advice().unwrap_or("let the host's user write in the destination, or remove it by hand"))
            .report(),
        }
    }
    if !context.is_check() {
        Metric::gauge("backup_removed_sets", f64::from(removed)).label("database", target).report();
    }
    Ok(())
}
