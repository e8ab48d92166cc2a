//! The draft as a `hostler.toml`: resources, tasks, procedures, each with the items of the guide that it answers, and
//! what could not be bound as comments with the reason.

use std::fmt::Write;

use crate::{
    Draft, Item, Rhythm,
    stanza::{Stanza, quoted},
};

/// The configuration's text. `own` is where the directories that tasks write to are.
#[must_use]
pub fn write(draft: &Draft, own: &str, time_zone: &str) -> String {
    let (live, left) = draft.counts();
    let mut text = format!(
        "# The maintenance guide on this machine, as `hostler init --guide` found it: {live} tasks are bound, {left} wait for a\n\
         # decision or for something that is not here, each with its reason. Nothing has run yet. Next: read it, then\n\
         # `hostler doctor`, which tries everything that is written here; `hostler roles` prints the least roles it needs;\n\
         # `hostler plan weekly` says what would be changed.\n\n"
    );
    for (name, section) in &draft.resources {
        let section = match section.strip_prefix("path = \"").filter(|_| own_of(draft, name)) {
            Some(path) => format!("path = \"{own}/{path}"),
            None => section.clone(),
        };
        let _ = writeln!(text, "[{name}]\n{section}");
    }
    for stanza in &draft.stanzas {
        write_stanza(&mut text, stanza);
    }
    for item in draft.unanswered.iter().filter(|item| item.procedure.is_none()) {
        let _ = writeln!(text, "# {}: no plugin answers it among those that were looked at", item.name);
    }
    for rhythm in Rhythm::ALL {
        write_procedure(&mut text, draft, rhythm, time_zone);
    }
    text
}

fn own_of(draft: &Draft, resource: &str) -> bool {
    draft.own.iter().any(|own| resource == format!("directory.{}", own.replace('/', "-")))
}

fn write_stanza(text: &mut String, stanza: &Stanza) {
    let _ = writeln!(text, "# {}", stanza.summary);
    for item in &stanza.answers {
        let _ = writeln!(text, "#   {item}");
    }
    for reason in stanza.reasons() {
        let _ = writeln!(text, "# Not set up: {}", one_line(&reason));
    }
    let mut body = format!("[tasks.{}]\nplugin = {}\n", stanza.task, quoted(&stanza.plugin));
    for (request, many, names) in &stanza.bindings {
        let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        let value = if *many { format!("[{}]", names.join(", ")) } else { names.join("") };
        let _ = writeln!(body, "bind.{request} = {value}");
    }
    for (name, value) in &stanza.settings {
        let _ = writeln!(body, "settings.{name} = {value}");
    }
    for (name, meaning) in &stanza.asks {
        let _ = writeln!(body, "settings.{name} = …   # {}", one_line(meaning));
    }
    if let Some(timeout) = &stanza.timeout {
        let _ = writeln!(body, "timeout = {}", quoted(timeout));
    }
    let mark = if stanza.is_live() { "" } else { "#" };
    for line in body.lines() {
        let _ = writeln!(text, "{mark}{line}");
    }
    for (request, reason) in &stanza.unbound {
        let _ = writeln!(text, "#bind.{request} = …   # optional, and not bound: {}", one_line(reason));
    }
    text.push('\n');
}

fn write_procedure(text: &mut String, draft: &Draft, rhythm: Rhythm, time_zone: &str) {
    let (schedule, summary) = match rhythm {
        Rhythm::Daily => ("daily 06:30", "The guide's daily tasks"),
        Rhythm::Weekly => ("Sun 03:00", "The guide's weekly tasks"),
        Rhythm::Monthly => ("monthly 1 04:00", "The guide's monthly tasks"),
    };
    let name = rhythm.word();
    let live: Vec<&Stanza> = draft.live(rhythm).collect();
    let mark = if live.is_empty() { "#" } else { "" };
    let _ = writeln!(text, "{mark}[procedures.{name}]\n{mark}summary = \"{summary}\"\n{mark}schedule = \"{schedule}\"");
    let _ = writeln!(text, "{mark}time_zone = {}", quoted(time_zone));
    if rhythm != Rhythm::Daily {
        text.push_str("#window = \"02:00-06:00\"   # outside it, nothing would be changed\n");
    }
    let _ = writeln!(text, "{mark}tasks = [");
    for stanza in &live {
        let _ = writeln!(text, "  {},   # {}", quoted(&stanza.task), stanza.answers.join("; "));
    }
    for stanza in draft.stanzas.iter().filter(|stanza| stanza.rhythm == rhythm && !stanza.is_live()) {
        let why = stanza.reasons().first().map(|reason| one_line(reason)).unwrap_or_default();
        let _ = writeln!(text, "  #{},   # {}. Not set up: {why}", quoted(&stanza.task), stanza.answers.join("; "));
    }
    let open: Vec<&Item> = draft.unanswered.iter().filter(|item| item.procedure == Some(rhythm)).collect();
    for item in open {
        let _ = writeln!(text, "  # {}: no plugin answers it among those that were looked at", item.name);
    }
    let _ = writeln!(text, "{mark}]\n");
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
