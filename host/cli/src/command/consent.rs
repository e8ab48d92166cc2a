//! Asking for consent: what a plugin asks for and why, then yes or no at a terminal.

use std::io::{BufRead, IsTerminal, Write};

use hostler_configuration::changes;
use hostler_manifest::Manifest;
use hostler_registry::{Candidate, Change, Difference, describe};

use crate::exit::{UNAVAILABLE, failure};

/// Shows what is asked, and ends with an error where it was not consented to.
pub(super) fn ask(candidate: &Candidate, difference: Option<&Difference>, accept: bool) -> anyhow::Result<()> {
    let plugin = &candidate.manifest.plugin;
    eprintln!("{} {}: {}", plugin.name, plugin.version, plugin.summary);
    let nothing_new = difference.is_some_and(|difference| !difference.needs_consent());
    match difference {
        Some(_) if nothing_new => eprintln!("It asks for nothing more than was consented to."),
        Some(difference) if difference.change != Change::New => {
            eprintln!("This version asks for more than was consented to:");
            show("+ ", &difference.more);
            show("- ", &difference.less);
        }
        _ => {
            eprintln!("It asks for:");
            show("  ", &asked(&candidate.manifest));
        }
    }
    for warning in candidate.warnings() {
        eprintln!("! {warning}");
    }
    if accept || nothing_new {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(failure(
            UNAVAILABLE,
            format!("{} was not consented to; consent with --accept, or at a terminal", plugin.name),
        ));
    }
    eprint!("Consent? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(failure(UNAVAILABLE, format!("{} was not consented to; nothing changed", plugin.name))),
    }
}

fn show(mark: &str, lines: &[String]) {
    for line in lines {
        eprintln!("{mark}{line}");
    }
}

/// What a plugin asks for: a line for the request and its reason, a line for each field of it.
pub(super) fn asked(manifest: &Manifest) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, request) in &manifest.requests {
        let does = if changes(request) { "changes" } else { "only reads" };
        let optional = if request.optional() { ", optional" } else { "" };
        lines.push(format!("{name} ({}, {does}{optional}), to {}", request.kind(), request.reason().trim()));
        lines.extend(describe(request).into_iter().map(|(field, text)| format!("    {field}: {text}")));
    }
    if lines.is_empty() {
        lines.push("nothing beyond its own settings, state and report".into());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_says_of_each_request_whether_it_changes_something() {
        let manifest = Manifest::parse(
            "[plugin]\nname = \"p\"\nversion = \"1.0.0\"\nsummary = \"S\"\nlicense = \"L\"\nmode = \"apply\"\n\
             [requests.cache]\nkind = \"redis\"\nreason = \"expire\"\nallow = [\"+expire\", \"~*\"]\n\
             [requests.info]\nkind = \"redis\"\noptional = true\nreason = \"look\"\nallow = [\"+info\"]\n",
        );
        let asked = asked(&manifest.expect("it is whole"));
        assert!(asked.contains(&"cache (redis, changes), to expire".to_owned()), "{asked:?}");
        assert!(asked.contains(&"info (redis, only reads, optional), to look".to_owned()), "{asked:?}");
    }
}
