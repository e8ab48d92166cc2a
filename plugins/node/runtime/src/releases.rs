//! Installing a release, and switching to it.
//!
//! Each release lies in a directory of its own, which npm makes whole or not at all. What services start is reached
//! through the link `current`, and one rename leads it to another release: there is no moment without one. The link that
//! leads back is made before the switch, so that going back needs no program, least of all the release that failed.
//! Both links wait in `.switch`, which goes when the switch is known to be good: where it is found, an earlier run ended
//! before its check, and the check is made now.

use hostler_sdk::files::{self, Directory, Kind};
use hostler_sdk::prelude::*;
use hostler_sdk::shell::Outcome;

use crate::Settings;
use crate::schedule;
use crate::versions::Version;

pub(crate) const LINK_READ: &str = "require(\"fs\").readlinkSync(process.argv[1]+\"/current\")";
pub(crate) const TRY: &str = "require(\"child_process\").execFileSync(process.argv[1]+\"/bin/node\",[\"-p\",\"process.version\"]).toString().trim()";
pub(crate) const LINK_MAKE: &str = "const f=require(\"fs\"),a=process.argv;f.mkdirSync(a[1]);f.symlinkSync(a[2],a[1]+\"/current\");a[3]&&f.symlinkSync(a[3],a[1]+\"/back\")";

/// Removing what an earlier run left, installing, making the links, switching, checking, switching back, clearing away.
const EFFECTS: u64 = 7;
/// Where a release is remembered with which the check failed: trying it anew each night would stop services each night.
const REFUSED: &str = "refused";
/// npm fetches some 50 MB.
const PATIENCE: f64 = 900.0;

/// What is in the directory of releases.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shelf {
    /// Names of the directories.
    releases: Vec<String>,
    /// Where `current` leads to, as the link has it.
    pub current: Option<String>,
    /// Whether a switch was begun and not ended.
    unfinished: bool,
}

impl Shelf {
    /// The version that `current` leads to, where its name says one.
    pub(crate) fn version(&self) -> Option<Version> {
        Version::parse(self.current.as_deref()?.trim_end_matches('/').rsplit('/').next()?)
    }
}

/// Looks at the releases; nothing where `current` is no link, which is told.
pub(crate) async fn look(context: &Context, releases: &Directory) -> Result<Option<Shelf>, TaskError> {
    let tree = releases.list(Some(1)).await?;
    let mut shelf = Shelf::default();
    for entry in &tree.entries {
        let name = entry.path.rsplit('/').next().unwrap_or_default();
        match (name, entry.metadata.kind) {
            ("current", Kind::Link) => {
                let read = context.program("node").arguments(["-p", LINK_READ]).path(releases.root());
                shelf.current = Some(read.output().await?.trim().to_owned());
            }
            ("current", _) => {
                finding!(
                    Severity::Unknown,
                    "current-no-link",
                    releases.name(),
                    "`current` is no link, and is left alone"
                )
                .remedy("give it another name; this task makes the link, and the services start node through it")
                .report();
                return Ok(None);
            }
            (".switch", Kind::Directory) => shelf.unfinished = true,
            (name, Kind::Directory) => shelf.releases.push(name.to_owned()),
            _ => {}
        }
    }
    Ok(Some(shelf))
}

/// The newest release of a line, as npm lists them.
pub(crate) fn newest(listed: &str, line: u32) -> Option<Version> {
    let listed: serde_json::Value = serde_json::from_str(listed).ok()?;
    let one = listed.as_str().into_iter();
    let many = listed.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
    one.chain(many).filter_map(Version::parse).filter(|version| version.0 == line).max()
}

/// The line in the settings; nothing where it is none.
pub(crate) fn line(settings: &Settings) -> Result<Option<u32>, TaskError> {
    let Some(text) = &settings.line else { return Ok(None) };
    let line = text.trim_start_matches('v').parse().ok().filter(|line| *line > 0);
    line.map(Some).ok_or_else(|| {
        TaskError::new(format!("settings.line is {text:?}, which is no release line"))
            .remedy("write the line alone, such as line = \"22\"")
    })
}

/// Installs the newest release of the line and switches to it. Says what was done, or would be.
pub(crate) async fn apply(
    context: &Context,
    package: &str,
    line: u32,
    releases: &Directory,
    shelf: &Shelf,
) -> Result<String, TaskError> {
    let asked = format!("{package}@{line}");
    let view = context.program("registry").arguments(["view", "--json"]).argument(asked.as_str()).argument("version");
    let listed = view.run().await.and_then(ended_well);
    let newest = match listed.map(|listed| newest(&listed, line)) {
        Ok(Some(newest)) => newest,
        Err(error) if error.ends_the_run() => return Err(error),
        failed => {
            let error = failed.err().unwrap_or_else(|| TaskError::new(format!("the registry has no {asked}")));
            error
                .remedy(format!("npm view {asked} version    # as the host's user; the bound npm needs network = true"))
                .finding("release-unseen", releases.name())
                .report();
            return Ok(format!("the releases of line {line} could not be seen"));
        }
    };
    let name = newest.to_string();
    let there = shelf.releases.contains(&name);
    let old = shelf.current.as_deref();
    let version = shelf.version();
    let ahead = version.is_some_and(|version| version.0 == line && version > newest);
    if ahead || (version == Some(newest) && there && !shelf.unfinished) {
        return Ok(format!("current is {}, the newest of line {line}", old.unwrap_or_default()));
    }
    if there && context.state().get::<String>(REFUSED).await?.as_deref() == Some(name.as_str()) {
        finding!(
            Severity::Warning,
            "check-failed",
            name.clone(),
            "the check failed with it in an earlier run, and it is not tried again; current leads to {}",
            old.unwrap_or("nothing")
        )
        .remedy("where the cause is found, remove its directory, and the next run tries it again; a newer release is tried by itself")
        .report();
        return Ok(format!("current stays at {}", old.unwrap_or("nothing")));
    }
    let _lock = context.lock("releases", "current").await?;
    let title = format!("install {name} beside {}, and switch to it", old.unwrap_or("nothing"));
    let _step = context.step(&title, EFFECTS, 0)?;
    let resumed = shelf.unfinished && version == Some(newest) && there;
    let switch = Switch { context, releases, name: &name, old: old.filter(|_| !resumed) };
    if !resumed {
        switch.prepare(&asked_exactly(package, newest), there, shelf.unfinished).await?;
        if !context.is_check() {
            if !switch.starts(newest).await? {
                files::remove_tree(&releases.path(".switch")).await?;
                return Ok(format!("{name} does not start; {} stays", old.unwrap_or("nothing")));
            }
            if let Some(reason) = context.stop_requested() {
                return Err(TaskError::new(format!("{reason}; {name} is installed, and not switched to"))
                    .remedy("run the task again: it goes on from there"));
            }
        }
        switch.go().await?;
    }
    switch.check().await
}

fn asked_exactly(package: &str, version: Version) -> String {
    format!("{package}@{version}")
}

struct Switch<'s> {
    context: &'s Context,
    releases: &'s Directory,
    name: &'s str,
    old: Option<&'s str>,
}

impl Switch<'_> {
    /// The release, and the links to it and back.
    async fn prepare(&self, package: &str, there: bool, unfinished: bool) -> Result<(), TaskError> {
        let check = self.context.is_check();
        if unfinished || check {
            files::remove_tree(&self.releases.path(".switch")).await?;
        }
        if !there || check {
            let install = ["install", "--global", "--ignore-scripts", "--no-audit", "--no-fund"];
            let install = self.context.program("npm").arguments(install);
            let install = install.text_path("--prefix=", self.releases.path(self.name)).argument(package);
            ended_well(install.timeout(Duration::from_seconds(PATIENCE)).run().await?)
                .during(format!("npm could not install {package}"))?;
        }
        let links = self.context.program("link").arguments(["-e", LINK_MAKE]).path(self.releases.path(".switch"));
        let links = links.argument(self.name).arguments(self.old);
        ended_well(links.run().await?).during("the links could not be made").map(drop)
    }

    /// Whether the installed release starts, and is the one that it should be; where not, it is told.
    async fn starts(&self, version: Version) -> Result<bool, TaskError> {
        let tried = self.context.program("node").arguments(["-p", TRY]).path(self.releases.path(self.name));
        let why = match tried.run().await.and_then(ended_well) {
            Ok(said) if Version::parse(said.trim()) == Some(version) => return Ok(true),
            Ok(said) => format!("it calls itself {:?}", said.trim().chars().take(40).collect::<String>()),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.message().to_owned(),
        };
        finding!(Severity::Critical, "release-broken", self.name, "the installed release does not start: {why}")
            .detail("The link `current` was not touched.")
            .remedy(format!(
                "run {}/bin/node --version in the directory of releases; remove the directory, then run the task again",
                self.name
            ))
            .report();
        Ok(false)
    }

    async fn go(&self) -> Result<(), TaskError> {
        files::rename(&self.releases.path(".switch/current"), &self.releases.path("current")).await.map(drop)
    }

    /// The application's own check, and the way back where it fails.
    async fn check(&self) -> Result<String, TaskError> {
        let before = self.old.unwrap_or("what was before it");
        let failed = match self.context.program("check").run().await {
            Ok(outcome) => ended_well(outcome).err(),
            Err(error) if error.is_unbound() => None,
            Err(error) => Some(error),
        };
        if self.context.is_check() {
            self.back().await?;
            files::remove_tree(&self.releases.path(".switch")).await?;
            return Ok(format!("{} would be installed beside {before}, and switched to", self.name));
        }
        let Some(error) = failed else {
            files::remove_tree(&self.releases.path(".switch")).await?;
            return Ok(format!(
                "current led to {before} and leads to {} now; services use it from their next start on",
                self.name
            ));
        };
        match self.back().await {
            Ok(()) => {
                self.context.state().set(REFUSED, &self.name).await?;
                files::remove_tree(&self.releases.path(".switch")).await?;
                finding!(
                    Severity::Critical,
                    "check-failed",
                    self.name,
                    "the check failed with it, and current leads to {before} again: {}",
                    error.message()
                )
                .remedy("find out by hand why the application does not work with it; it stays installed")
                .report();
                Ok(format!("{} was tried, and current leads to {before} again", self.name))
            }
            Err(problem) => {
                finding!(
                    Severity::Critical,
                    "not-switched-back",
                    self.name,
                    "the check failed with it ({}), and current still leads to it: {}",
                    error.message(),
                    problem.message()
                )
                .remedy(format!("ln -sfn {before} current    # in the directory of releases"))
                .report();
                Err(problem)
            }
        }
    }

    /// Leads the link back to where it led; where there was none, there is none again.
    async fn back(&self) -> Result<(), TaskError> {
        let current = self.releases.path("current");
        match self.old {
            // Of a switch that an earlier run began, the old place stands in the link back alone.
            _ if self.context.is_check() => {
                files::rename(&self.releases.path(".switch/back"), &current).await.map(drop)
            }
            _ => match files::rename(&self.releases.path(".switch/back"), &current).await {
                Err(error) if error.is("ENOENT") => files::remove(&current, None).await.map(drop),
                other => other.map(drop),
            },
        }
    }
}

/// What a program says that ended well; nothing where it was planned.
fn ended_well(outcome: Outcome) -> Result<String, TaskError> {
    let Outcome::Completed(done) = outcome else { return Ok(String::new()) };
    if done.exit_code == Some(0) {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    // npm begins with a code and explains below; node shows the source first, and then says what is wrong.
    let explains = |line: &&str| {
        (line.starts_with("npm error ") || line.starts_with("Error: "))
            && !line.starts_with("npm error code")
            && !line.contains("Command failed")
    };
    let line = lines().find(explains).or_else(|| lines().next());
    let line: String = line.unwrap_or("it said nothing").chars().take(300).collect();
    let how = done.exit_code.map_or_else(|| "was ended by a signal".to_owned(), |code| format!("ended with {code}"));
    Err(TaskError::new(format!("it {how}: {line}")))
}

/// The line is not installed where its life is over.
pub(crate) fn has_ended(line: u32, end: Option<Timestamp>, now: Timestamp) -> bool {
    let Some(end) = end.filter(|end| *end <= now) else { return false };
    let later =
        schedule::supported("*", now).map_or_else(|| "a later line".into(), |line| format!("line = \"{line}\""));
    finding!(
        Severity::Critical,
        "line-ended",
        line.to_string(),
        "the line in the settings is past its end of life ({}), and is not installed",
        &end.to_string()[..10]
    )
    .remedy(later)
    .report();
    true
}
