//! `show`: a plugin's manifest as a page, and the section of the configuration that a task of it begins with.

use std::fmt::Write;

use hostler_configuration::changes;
use hostler_manifest::{Manifest, Mode, Request, Setting, SettingKind};
use hostler_registry::describe;

use crate::format::{Style, shown};

/// The page of a plugin.
pub(super) fn page(manifest: &Manifest, digest: &str, style: Style) -> String {
    let plugin = &manifest.plugin;
    let mut text = format!("{} {}\n", style.bold(&shown(&plugin.name)), plugin.version);
    let _ = writeln!(text, "  {}\n", style.wrapped(&plugin.summary, 2, 2));
    let mode = match plugin.mode {
        Mode::Check => "only looks",
        Mode::Apply => "changes something in `hostler run`, and says before what it would in `hostler plan`",
    };
    fact(&mut text, "mode", mode, style);
    fact(&mut text, "licence", &plugin.license, style);
    if let Some(homepage) = &plugin.homepage {
        fact(&mut text, "homepage", homepage, style);
    }
    for item in &plugin.guide {
        fact(&mut text, "guide", item, style);
    }
    fact(&mut text, "digest", digest, style);
    requests(&mut text, manifest, style);
    settings(&mut text, manifest, style);
    reports(&mut text, manifest, style);
    begin(&mut text, manifest, style);
    text
}

fn fact(text: &mut String, name: &str, value: &str, style: Style) {
    let _ = writeln!(text, "  {name:<10}{}", style.wrapped(value, 12, 12));
}

fn requests(text: &mut String, manifest: &Manifest, style: Style) {
    let _ = writeln!(text, "\n{}", style.bold("It asks for"));
    if manifest.requests.is_empty() {
        text.push_str("  nothing beyond its own settings, state and report\n");
    }
    for (name, request) in &manifest.requests {
        let does = if changes(request) { "changes" } else { "only reads" };
        let optional = if request.optional() { ", optional" } else { "" };
        let _ = writeln!(text, "  {} ({}, {does}{optional})", style.bold(name), request.kind());
        let reason = format!("to {}", request.reason().trim());
        let _ = writeln!(text, "      {}", style.wrapped(&reason, 6, 6));
        for (field, value) in describe(request).into_iter().filter(|(field, _)| *field != "optional") {
            let _ = writeln!(text, "      {field:<12} {}", style.wrapped(&value, 19, 19));
        }
    }
}

fn settings(text: &mut String, manifest: &Manifest, style: Style) {
    if manifest.settings.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", style.bold("Settings"));
    for (name, setting) in &manifest.settings {
        let _ = writeln!(text, "  {} = {}", style.bold(name), shown(&value(setting)));
        let _ =
            writeln!(text, "      {}", style.wrapped(&format!("{} ({})", setting.summary.trim(), kind(setting)), 6, 6));
    }
}

/// What it can find, with the remedy of each, and what it measures.
fn reports(text: &mut String, manifest: &Manifest, style: Style) {
    if !manifest.findings.is_empty() {
        let _ = writeln!(text, "\n{}", style.bold("What it finds"));
    }
    for (code, finding) in &manifest.findings {
        let _ = writeln!(text, "  {}", style.bold(code));
        let _ = writeln!(text, "      {}", style.wrapped(finding.summary.trim(), 6, 6));
        let _ = writeln!(text, "      → {}", style.wrapped(finding.remedy.trim(), 8, 8));
    }
    if !manifest.metrics.is_empty() {
        let _ = writeln!(text, "\n{}", style.bold("What it measures"));
    }
    for (name, summary) in &manifest.metrics {
        let _ = writeln!(text, "  {}", style.bold(name));
        let _ = writeln!(text, "      {}", style.wrapped(summary.trim(), 6, 6));
    }
}

fn value(setting: &Setting) -> String {
    match (&setting.default, setting.required) {
        (Some(default), _) => default.to_string(),
        (None, true) => "…  has to be given".into(),
        (None, false) => "…  may be left out".into(),
    }
}

/// What a value has to be.
fn kind(setting: &Setting) -> String {
    let kind = match setting.kind {
        SettingKind::Boolean => "true or false",
        SettingKind::Integer => "a whole number",
        SettingKind::Number => "a number",
        SettingKind::Percent => "a share, in percent",
        SettingKind::Duration => "a time such as \"90s\" or \"30d\"",
        SettingKind::Bytes => "a size such as \"10MB\"",
        SettingKind::Range => "an alert range such as \"80\" or \"10:\"",
        SettingKind::Text => "text",
        SettingKind::Texts => "a list of texts",
        SettingKind::Table => "a table of texts",
    };
    let mut words = vec![kind.to_owned()];
    match (setting.minimum, setting.maximum) {
        (Some(minimum), Some(maximum)) => words.push(format!("{minimum} to {maximum}")),
        (Some(minimum), None) => words.push(format!("at least {minimum}")),
        (None, Some(maximum)) => words.push(format!("at most {maximum}")),
        (None, None) => {}
    }
    if !setting.choices.is_empty() {
        words.push(format!("one of {}", setting.choices.join(", ")));
    }
    if setting.secret {
        words.push("secret".into());
    }
    words.join(", ")
}

/// What a task of it begins with, to be copied.
fn begin(text: &mut String, manifest: &Manifest, style: Style) {
    let name = &manifest.plugin.name;
    let task = name.split_once('-').map_or(name.as_str(), |(_, task)| task);
    let _ = writeln!(text, "\n{}", style.bold("To use it, write"));
    let _ = writeln!(text, "  [tasks.{task}]\n  plugin = \"{name}\"");
    for (request, asked) in &manifest.requests {
        let resource = match asked {
            Request::Machine(_) | Request::History(_) => asked.kind().to_owned(),
            _ => format!("{}.NAME", asked.kind()),
        };
        let resource = if asked.many() { format!("[\"{resource}\"]") } else { format!("\"{resource}\"") };
        let mark = if asked.optional() { "#" } else { "" };
        let _ = writeln!(text, "  {mark}bind.{request} = {resource}");
    }
    for (setting, _) in manifest.settings.iter().filter(|(_, setting)| setting.required) {
        let _ = writeln!(text, "  settings.{setting} = …");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_all_of_the_manifest_and_a_task_to_begin_with() {
        let manifest = Manifest::parse(
            "[plugin]\nname = \"shop-orders\"\nversion = \"1.0.0\"\nsummary = \"Sorts orders\"\nlicense = \"MIT\"\nmode = \"apply\"\n\
             guide = [\"Orders\"]\nhomepage = \"https://shop.example\"\n\
             [requests.database]\nkind = \"postgres\"\nreason = \"sort\"\nstatements = [\"UPDATE\"]\nwrite = [\"shop.orders\"]\n\
             [requests.logs]\nkind = \"directory\"\nmany = true\noptional = true\nreason = \"read\"\n\
             [requests.machine]\nkind = \"machine\"\nreason = \"see\"\n\
             [settings.keep]\ntype = \"integer\"\ndefault = 3\nminimum = 1\nsummary = \"how many\"\n\
             [settings.token]\ntype = \"text\"\nrequired = true\nsecret = true\nsummary = \"who\"\n\
             [findings]\nunsorted = { summary = \"warning: an order is out of place\", remedy = \"run it again\" }\n\
             [metrics]\nshop_orders = \"orders that were looked at\"\n",
        );
        let page = page(&manifest.expect("it is whole"), "sha256:00", Style::default());
        for said in [
            "shop-orders 1.0.0\n  Sorts orders\n",
            "  licence   MIT\n  homepage  https://shop.example\n  guide     Orders\n  digest    sha256:00\n",
            "  database (postgres, changes)\n      to sort\n      write        shop.orders\n      statements   UPDATE\n",
            "  logs (directory, only reads, optional)\n      to read\n",
            "  keep = 3\n      how many (a whole number, at least 1)\n",
            "  token = …  has to be given\n      who (text, secret)\n",
            "What it finds\n  unsorted\n      warning: an order is out of place\n      → run it again\n",
            "What it measures\n  shop_orders\n      orders that were looked at\n",
            "  [tasks.orders]\n  plugin = \"shop-orders\"\n  bind.database = \"postgres.NAME\"\n  #bind.logs = [\"directory.NAME\"]\n  \
             bind.machine = \"machine\"\n  settings.token = …\n",
        ] {
            assert!(page.contains(said), "{said:?} is missing in\n{page}");
        }
    }
}
