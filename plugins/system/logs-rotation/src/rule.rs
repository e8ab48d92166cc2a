//! The rule of the settings as logrotate reads it.
//!
//! Every text of it is held to letters that mean nothing to logrotate, aside from the command, which is a shell's and may
//! be anything that fits into a line. A command that fails makes logrotate leave out what comes after it, compression and
//! the removal of the oldest among it; here its failure is told, and the rest is done.

use hostler_sdk::prelude::*;

use crate::Settings;

/// Says whose the file is: what does not begin so is somebody else's.
pub(crate) const MARK: &str = "# Written by Hostler's task system-logs-rotation: change its settings, not this file.\n";

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub name: String,
    pub paths: Vec<String>,
    pub text: String,
}

impl Rule {
    /// The rule, where the settings name one.
    ///
    /// # Errors
    /// Where a setting cannot stand in one.
    pub(crate) fn of(settings: &Settings) -> Result<Option<Self>, TaskError> {
        let Some(name) = &settings.rule else { return Ok(None) };
        let word = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || more.contains(letter))
        };
        // logrotate leaves out files whose names end as packages and editors end theirs.
        if !word(name, "-_") {
            return Err(wrong("rule", name, "a file name of letters, digits, - and _"));
        }
        if settings.paths.is_empty() {
            return Err(TaskError::new("settings.rule is given, and settings.paths names no log")
                .remedy("name them, such as settings.paths = [\"/var/log/app/*.log\"]"));
        }
        for path in &settings.paths {
            let above = path.split('/').any(|part| part == "..");
            if !path.starts_with('/') || !word(path, "/._-*?[]@+") || above || path.ends_with(['/', '*']) {
                return Err(wrong(
                    "paths",
                    path,
                    "an absolute path of a file, in which * and ? may stand, and that does not end in *, which would rotate what was rotated",
                ));
            }
        }
        for (key, account) in [("owner", &settings.owner), ("group", &settings.group)] {
            if let Some(account) = account.as_ref().filter(|account| !word(account, "-_.")) {
                return Err(wrong(key, account, "the name of an account"));
            }
        }
        let octal = settings.mode.len() == 4 && settings.mode.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        if !octal {
            return Err(wrong("mode", &settings.mode, "four octal digits, such as 0640"));
        }
        let no_line =
            |after: &&String| after.trim().is_empty() || after.contains(['\n', '\r']) || after.trim() == "endscript";
        if let Some(after) = settings.after.as_ref().filter(no_line) {
            return Err(wrong("after", after, "one line of a command"));
        }
        Ok(Some(Self { name: name.clone(), paths: settings.paths.clone(), text: text(settings) }))
    }

    /// Whether one of its paths covers a log.
    pub(crate) fn covers(&self, path: &str) -> bool {
        self.paths.iter().any(|pattern| {
            // A * of logrotate's stands for a text without a slash.
            let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
            pattern.len() == path.len()
                && pattern.iter().zip(&path).all(|(pattern, part)| {
                    let pattern = if pattern.contains(['?', '[']) { "*" } else { pattern };
                    hostler_sdk::matches_pattern(pattern, part)
                })
        })
    }
}

/// The paths of a rule that was written here, as logrotate shows them.
pub(crate) fn paths_of(text: &str) -> Option<&str> {
    text.strip_prefix(MARK)?.lines().next()?.strip_suffix(" {")
}

fn wrong(key: &str, value: &str, expected: &str) -> TaskError {
    TaskError::new(format!("settings.{key} has {value:?}, and has to be {expected}"))
}

fn text(settings: &Settings) -> String {
    let mut lines = vec![settings.every.clone(), format!("rotate {}", settings.keep)];
    lines.extend(settings.most_bytes.map(|most| format!("maxsize {}", most.0)));
    lines.extend(["missingok", "notifempty"].map(str::to_owned));
    if settings.compress {
        lines.extend(["compress", "delaycompress"].map(str::to_owned));
    }
    let account = settings.owner.as_ref().map(|owner| (owner, settings.group.as_ref().unwrap_or(owner)));
    if settings.copy_truncate {
        lines.push("copytruncate".into());
    } else if let Some((owner, group)) = account {
        lines.push(format!("create {} {owner} {group}", settings.mode));
    }
    // logrotate refuses a directory that others may write, unless it is told as whom to work there.
    lines.extend(account.filter(|(owner, _)| *owner != "root").map(|(owner, group)| format!("su {owner} {group}")));
    if let Some(after) = &settings.after {
        lines.extend(["sharedscripts", "postrotate"].map(str::to_owned));
        lines.extend(
            [
                "    if ! {",
                &format!("        {after}"),
                "    }; then",
                "        echo 'the command after the rotation failed; the rotation itself is done' >&2",
                "    fi",
            ]
            .map(str::to_owned),
        );
        lines.push("endscript".into());
    }
    let inside: String = lines.iter().map(|line| format!("    {line}\n")).collect();
    format!("{MARK}{} {{\n{inside}}}\n", settings.paths.join(" "))
}
