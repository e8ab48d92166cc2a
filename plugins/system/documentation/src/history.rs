//! When git saw each file change last. Times of files say when somebody cloned a repository, and not more.

use std::collections::BTreeMap;

use hostler_sdk::files::Directory;
use hostler_sdk::prelude::*;

/// By path below the directory; nothing where no git is bound, or it has nothing to say.
pub async fn changes(
    context: &Context,
    directory: &Directory,
) -> Result<Option<BTreeMap<String, Timestamp>>, TaskError> {
    let program = context
        .program("git")
        .arguments(["-c", "safe.directory=*", "-c", "core.quotePath=false", "-C"])
        .path(directory.root())
        .arguments(["log", "--format=@%ct", "--name-only", "--relative"]);
    match program.output().await {
        Ok(output) => Ok(Some(read(&output))),
        Err(error) if error.is_unbound() => Ok(None),
        Err(error) if error.ends_the_run() => Err(error),
        Err(error) => {
            error
                .finding("git-failed", directory.name())
                .remedy("bind the directory that holds .git itself as `documents`, or leave `git` unbound where there is none")
                .report();
            Ok(None)
        }
    }
}

/// A line `@SECONDS` for each commit, the newest first, and the files below it.
pub fn read(output: &str) -> BTreeMap<String, Timestamp> {
    let mut changes = BTreeMap::new();
    let mut at = None;
    for line in output.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix('@').and_then(|seconds| seconds.parse().ok()) {
            Some(seconds) => at = Some(Timestamp::from_seconds(seconds)),
            None => {
                if let Some(at) = at {
                    changes.entry(line.to_owned()).or_insert(at);
                }
            }
        }
    }
    changes
}
