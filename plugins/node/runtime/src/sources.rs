//! Where options come from: what systemd says of every service, and files that environments are read from. Files are
//! looked at too because a drop-in that was not loaded yet, or a profile, stops the next start and not this one.

use hostler_sdk::files::{self, Directory, Kind};
use hostler_sdk::matches_pattern;
use hostler_sdk::prelude::*;

use crate::Settings;
use crate::options::{Source, options_of, words};

/// As the manifest proposes it.
pub(crate) const SHOW: [&str; 4] =
    ["show", "--no-pager", "--property=Id,LoadState,ExecStart,Environment,MemoryMax", "*.service"];

/// How deep drop-in directories lie.
const DEPTH: u32 = 3;
/// An environment file is small.
const LONGEST: usize = 1 << 20;

/// All sources that can be read; what cannot is told.
pub(crate) async fn read(context: &Context, settings: &Settings) -> Result<Vec<Source>, TaskError> {
    let mut sources = vec![];
    match context.program("systemctl").arguments(SHOW).output().await {
        Ok(shown) if shown.contains("Id=") => sources.extend(of_systemctl(&shown)),
        Ok(_) => TaskError::new("systemctl named no service, so that no service's options can be looked at")
            .remedy("run `systemctl show '*.service'` by hand, as the host's user, and see what it says")
            .finding("services-unseen", "systemctl")
            .report(),
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) if error.is_unbound() => {}
        Err(error) => {
            let remedy = "where systemd runs, write confine = \"best-effort\" at the bound program; where it does not, leave the request `systemctl` unbound";
            error.remedy(remedy).finding("services-unseen", "systemctl").report();
        }
    }
    for directory in context.directories("environments") {
        match of_directory(&directory).await {
            Ok(found) => sources.extend(found),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("environment-unread", directory.name()).report(),
        }
    }
    let ignored = |source: &Source| settings.ignore.iter().any(|pattern| matches_pattern(pattern, &source.name));
    sources.retain(|source| !(source.options.is_empty() && source.command.is_empty() || ignored(source)));
    Ok(sources)
}

/// What `systemctl show` says of each service, one block a unit.
pub(crate) fn of_systemctl(shown: &str) -> Vec<Source> {
    shown.split("\n\n").filter_map(of_unit).collect()
}

fn of_unit(block: &str) -> Option<Source> {
    let field = |name: &str| {
        let found = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_default()
    };
    if field("LoadState") != "loaded" || field("Id").is_empty() {
        return None;
    }
    Some(Source {
        name: field("Id").into(),
        options: options_of(&words(field("Environment"))),
        command: command_of(field("ExecStart")),
        limit: field("MemoryMax").parse().ok(),
    })
}

/// The options that node itself gets on a command line: those before the script.
fn command_of(started: &str) -> Vec<String> {
    let Some((_, arguments)) = started.split_once("argv[]=") else { return vec![] };
    let arguments = words(arguments.split(" ;").next().unwrap_or_default());
    if arguments.first().is_none_or(|program| program.rsplit('/').next() != Some("node")) {
        return vec![];
    }
    arguments.into_iter().skip(1).take_while(|word| word.starts_with('-')).collect()
}

async fn of_directory(directory: &Directory) -> Result<Vec<Source>, TaskError> {
    let tree = directory.list(Some(DEPTH)).await?;
    for (path, reason) in &tree.unreadable {
        TaskError::new(reason.clone())
            .remedy("let the host's user read it")
            .finding("environment-unread", below(directory, path))
            .report();
    }
    let mut sources = vec![];
    for entry in tree.entries.iter().filter(|entry| entry.metadata.kind == Kind::File) {
        if entry.metadata.size > LONGEST as u64 {
            continue;
        }
        match files::read(&entry.path, LONGEST).await {
            Ok(bytes) => {
                let options = of_text(&String::from_utf8_lossy(&bytes));
                sources.push(Source { name: below(directory, &entry.path), options, ..Source::default() });
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("environment-unread", below(directory, &entry.path)).report(),
        }
    }
    Ok(sources)
}

/// Its name in findings: the bound directory's, and the path below it.
fn below(directory: &Directory, path: &str) -> String {
    format!("{}{}", directory.name(), path.strip_prefix(&directory.root()).unwrap_or(path))
}

/// The words of NODE_OPTIONS in an environment file, a profile or a unit.
pub(crate) fn of_text(text: &str) -> Vec<String> {
    let lines = text.replace("\\\n", " ");
    let lines =
        lines.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']) && line.contains("NODE_OPTIONS"));
    let assigned = lines.flat_map(|line| {
        let line = line.strip_prefix("export ").unwrap_or(line);
        match line.strip_prefix("Environment=") {
            Some(assignments) => words(assignments),
            // An environment file has one a line, and its value may have spaces without quotes.
            None => line
                .strip_prefix("NODE_OPTIONS=")
                .map(|value| vec![format!("NODE_OPTIONS={}", words(value).join(" "))])
                .unwrap_or_default(),
        }
    });
    // `$NODE_OPTIONS` and the like stand for what was there before.
    options_of(&assigned.collect::<Vec<_>>()).into_iter().filter(|word| !word.starts_with('$')).collect()
}
