//! The rule's way to its place: written beside it under a name that logrotate leaves out, checked there by logrotate
//! itself, then renamed. What was there comes back where the rules together are wrong with the new one.

use hostler_sdk::files::{self, Compression, Directory, Effect};
use hostler_sdk::prelude::*;
use hostler_sdk::shell::{Completed, Outcome};
use hostler_sdk::{Attachment, listed};

use crate::Settings;
use crate::looked::Looked;
use crate::rule::{MARK, Rule, paths_of};

/// logrotate leaves out files that end so.
const ASIDE: &str = ".disabled";
/// Written, renamed, and where it has to be, brought back.
const EFFECTS: u64 = 3;
/// As logrotate wants it: nobody but root may write it.
const MODE: u32 = 0o644;

/// What was done, for the summary, and whether the rules have changed.
pub(crate) async fn apply(
    context: &Context,
    settings: &Settings,
    rule: &Rule,
    looked: &Looked,
) -> Result<(Vec<String>, bool), TaskError> {
    let rules = context.directory("rules");
    let there = existing(&rules, &rule.name).await?;
    let same = there.as_deref() == Some(rule.text.as_str());
    if same {
        let rotated = rotate(context, settings, rule, &rules, looked).await?;
        let what = format!("the rule {} is as it is to be", rule.name);
        return Ok((std::iter::once(what).chain(rotated).collect(), false));
    }
    attach(rule, there.as_deref());
    if there.as_ref().is_some_and(|there| !there.starts_with(MARK)) && !settings.replace {
        finding!(
            Severity::Warning,
            "rule-foreign",
            &rule.name,
            "a rule of this name is there, and was not written here: it is left"
        )
        .remedy("compare the attachment with it; then settings.replace = true, or another name in settings.rule")
        .report();
        return Ok((vec![format!("the rule {} was left", rule.name)], false));
    }
    if overlaps(rule, there.as_deref(), looked, settings) {
        return Ok((vec![format!("the rule {} was not installed", rule.name)], false));
    }
    let step = context.step(&format!("install the rule {}", rule.name), EFFECTS, 0)?;
    let (aside, place) = (rules.path(&format!("{}{ASIDE}", rule.name)), rules.path(&rule.name));
    let written = files::write(&aside, MODE, rule.text.clone().into_bytes()).await?;
    if written == Effect::Applied
        && let Some(why) = wrong_with(context, &aside).await?
    {
        files::remove(&aside, None).await?;
        refused(rule, &why);
        return Ok((vec![format!("the rule {} was not installed", rule.name)], false));
    }
    files::rename(&aside, &place).await?;
    if written == Effect::Planned {
        return Ok((vec![format!("the rule {} would be checked and installed", rule.name)], false));
    }
    let after = Looked::read(context, settings).await?;
    if let Some(error) = after.errors.iter().find(|error| !looked.errors.contains(error)) {
        match &there {
            Some(there) => drop(files::write(&place, MODE, there.clone().into_bytes()).await?),
            None => drop(files::remove(&place, None).await?),
        }
        refused(rule, error);
        return Ok((vec![format!("the rule {} was taken back", rule.name)], false));
    }
    drop(step);
    let mut told = vec![format!("the rule {} was installed", rule.name)];
    told.extend(rotate(context, settings, rule, &rules, &after).await?);
    Ok((told, true))
}

async fn existing(rules: &Directory, name: &str) -> Result<Option<String>, TaskError> {
    let mut content = match files::open(&rules.path(name), Compression::None).await {
        Ok(content) => content,
        Err(error) if error.is("ENOENT") => return Ok(None),
        Err(error) => return Err(error.during(format!("the rule {name}"))),
    };
    let mut bytes = vec![];
    while let Some(more) = content.next().await? {
        bytes.extend(more);
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn attach(rule: &Rule, there: Option<&str>) {
    let before = there.map_or(String::new(), |there| format!("# What is there:\n{there}\n# What the settings say:\n"));
    let content = format!("{before}{}", rule.text).into_bytes();
    Attachment { name: format!("{}.logrotate", rule.name), media_type: "text/plain".into(), content }.report();
}

/// logrotate takes the first rule of a log and skips the whole file that has the second.
pub(crate) fn overlaps(rule: &Rule, there: Option<&str>, looked: &Looked, settings: &Settings) -> bool {
    let own = there.and_then(paths_of);
    // What is replaced by word of the operator is no longer another rule.
    let foreign = settings.replace && there.is_some() && own.is_none();
    let both: Vec<&str> = looked
        .logs
        .iter()
        .filter(|(path, covered)| !foreign && own != Some(covered.pattern.as_str()) && rule.covers(path))
        .map(|(path, _)| path.as_str())
        .collect();
    if both.is_empty() {
        return false;
    }
    finding!(
        Severity::Warning,
        "rule-overlaps",
        &rule.name,
        "another rule covers {}: it was not installed",
        listed(&both, 3)
    )
    .remedy(format!("grep -l {} /etc/logrotate.d/*    # remove that rule, or name other paths", both[0]))
    .report();
    true
}

fn refused(rule: &Rule, why: &str) {
    finding!(
        Severity::Critical,
        "rule-refused",
        &rule.name,
        "logrotate calls the rule wrong, and it is not in its place: {why}"
    )
    .remedy("mend the setting that it is about (owner, group, paths); what was there before is there still")
    .report();
}

/// What logrotate says against a file with rules; nothing where it calls it good.
async fn wrong_with(context: &Context, path: &str) -> Result<Option<String>, TaskError> {
    match context.program("logrotate").argument("-d").path(path).run().await? {
        Outcome::Planned => Err(TaskError::new("the rule was not checked: the grant calls logrotate -d a change")
            .remedy("write effect = \"reads\" at this form of [program.logrotate]")),
        Outcome::Completed(done) => Ok(error_of(&done)),
    }
}

/// Its exit code is 1 for what it skips; a line about a mode or an owner that it does not like it leaves at 0.
pub(crate) fn error_of(done: &Completed) -> Option<String> {
    let said = String::from_utf8_lossy(&done.stderr);
    let error = said.lines().find_map(|line| line.strip_prefix("error: "));
    match (error, done.exit_code) {
        (Some(error), _) => Some(error.to_owned()),
        (None, Some(0)) if said.contains("Handling 0 logs") => Some("it found no rule in it".into()),
        (None, Some(0)) => None,
        (None, code) => Some(format!("it ended with {}", code.map_or("a signal".into(), |code| code.to_string()))),
    }
}

/// Has the rule rotate its logs where one is due.
async fn rotate(
    context: &Context,
    settings: &Settings,
    rule: &Rule,
    rules: &Directory,
    looked: &Looked,
) -> Result<Option<String>, TaskError> {
    let due: Vec<&str> =
        looked.logs.iter().filter(|(path, log)| log.due && rule.covers(path)).map(|(path, _)| path.as_str()).collect();
    if !settings.rotate_due || due.is_empty() || context.stop_requested().is_some() {
        return Ok(None);
    }
    let _step = context.step(&format!("rotate {}", listed(&due, 5)), 1, 0)?;
    let program = context.program("rotate").arguments(["-s", &settings.state_file]).path(rules.path(&rule.name));
    let Outcome::Completed(done) = program.run().await? else {
        return Ok(Some(format!("{} would be rotated", counted(due.len(), "log"))));
    };
    let failed = error_of(&done);
    let said = String::from_utf8_lossy(&done.stderr);
    let command = said.lines().find(|line| line.starts_with("the command after the rotation failed"));
    if let Some(why) = failed.as_deref().or(command) {
        finding!(Severity::Critical, "rotation-failed", &rule.name, "{why}")
            .remedy(format!("logrotate -v -s {} /etc/logrotate.d/{}    # says why", settings.state_file, rule.name))
            .report();
    }
    let after = Looked::read(context, settings).await?;
    let left = due.iter().filter(|path| after.logs.get(**path).is_some_and(|log| log.due)).count();
    Ok(Some(format!("{} of {} rotated", due.len() - left, counted(due.len(), "log"))))
}
