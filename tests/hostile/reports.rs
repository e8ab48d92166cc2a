//! Words that steer whoever reads them, and names that collide: what is printed stays what its format says it is.

use std::collections::BTreeSet;

use hostler_tests::Hostler;
use serde_json::{Value, json};

use crate::{
    files::tree,
    puppet::{attached, write},
};

const NASTY: &[&str] = &[
    "\x1b[2J\x1b[1;31mred\x1b]0;title\x07",
    "\u{9b}31mred \u{9d}0;title\u{9c}",
    "two\nlines\r\nOK - all is well | x=1",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "]]> <!-- & &lt; \" ' <?xml?>",
    "| a | b |\n|---|---|\n# heading\n[link](javascript:alert(1)) ![x](http://127.0.0.1/x)",
    "`rm -rf /` $(id) ${HOME} %s %n {0}",
    "\u{202e}gnirts \u{2066}x\u{2069} \u{200f}y\u{2028}z\u{feff}",
    "\0nul \u{7f}del \u{8}\u{8}\u{8}back \ttab \u{b}\u{c}",
    "\u{fffe}\u{ffff}\u{1f4a9}\u{e0001}",
    "task_verdict{task=\"x\"} 0\n# TYPE x counter",
    "'/>\"/><testcase name=\"x\"/>",
    "",
    "   ",
];

fn report(what: &str, more: Value) -> Value {
    let mut step = more;
    step["call"] = "report".into();
    step["do"] = what.into();
    step
}

fn host() -> Hostler {
    let host = Hostler::new("[tasks.puppet]\nplugin = \"test-puppet\"\n");
    let mut steps = Vec::new();
    for (number, text) in NASTY.iter().enumerate() {
        steps.push(report("finding", json!({ "text": text })));
        steps.push(report("finding", json!({ "text": text, "ok": true })));
        steps.push(report("table", json!({ "text": text })));
        steps.push(report("progress", json!({ "text": text, "done": u64::MAX, "total": 0 })));
        steps.push(report("log", json!({ "text": text })));
        steps.push(report("print", json!({ "text": text })));
        steps.push(report("attachment", json!({ "name": text, "media_type": text, "text": text })));
        steps.push(report(
            "metric",
            json!({ "name": text, "label": text, "text": text, "unit": text, "value": number }),
        ));
    }
    // Different names, which a format may write alike.
    for (number, name) in
        ["disk free", "disk_free", "disk-free", "disk.free", "Disk_free", "disk__free"].iter().enumerate()
    {
        let metric = json!({ "name": name, "label": "place", "text": "1:", "unit": "B", "value": number });
        steps.push(report("metric", metric));
    }
    for name in ["../../../../tmp/planted", "/tmp/planted", "C:\\planted", "..", "outcomes.json", "a/b", "-rf"] {
        steps.push(report("attachment", json!({ "name": name, "media_type": "text/html", "text": "<b>x</b>" })));
    }
    steps.push(report("metric", json!({ "name": "none", "label": "l", "text": "", "unit": "", "value": null })));
    host.install(&["test-puppet"]);
    write(&host, &steps);
    host
}

/// Whether a letter does something to a terminal or to the order of a text.
fn steers(letter: char) -> bool {
    (letter.is_control() && letter != '\n')
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn no_word_of_a_plugin_steers_a_terminal_in_any_format() {
    let host = host();
    let before = tree(&host.path().join("state/registry"));
    for format in ["text", "json", "nagios", "prometheus", "junit"] {
        for command in [&["run", "puppet", "--all"][..], &["plan", "puppet"]] {
            let output = host.run(&[command, &["--format", format]].concat());
            assert!(
                !output.stdout.contains(steers),
                "{format}: {:?}",
                output.stdout.chars().find(|letter| steers(*letter))
            );
            assert!(!output.stderr.contains(steers), "{format}: {:?}", output.stderr);
        }
    }
    let run =
        host.run(&["run", "puppet", "--format", "json"]).task("puppet")["run_id"].as_str().expect("a run").to_owned();
    for command in [
        &["history"][..],
        &["history", &run],
        &["audit", "show", "--run", &run],
        &["show", "test-puppet"],
        &["report", "puppet"],
        &["report", "puppet", "--format", "json"],
        &["report", "puppet", "--format", "html"],
    ] {
        let output = host.run(command);
        assert!(!output.stdout.contains(steers) && !output.stderr.contains(steers), "{command:?}: {output:?}");
    }
    assert!(!std::path::Path::new("/tmp/planted").exists(), "an attachment's name is no path");
    assert_eq!(tree(&host.path().join("state/registry")), before);
}

#[test]
fn each_format_stays_what_it_is() {
    let host = host();
    let junit = host.run(&["run", "puppet", "--format", "junit"]).stdout;
    let document = roxmltree::Document::parse(&junit).unwrap_or_else(|error| panic!("{error}\n{junit}"));
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase")).count();
    assert_eq!(cases, 1, "a case for each task and none by a plugin: {junit}");
    assert!(!document.descendants().any(|node| node.has_tag_name("script")), "{junit}");

    let nagios = host.run(&["run", "puppet", "--format", "nagios"]).stdout;
    let first = nagios.lines().next().expect("a line");
    assert!(first.starts_with("UNKNOWN") || first.starts_with("WARNING"), "{first}");
    assert!(first.matches('|').count() <= 1, "one bar before the figures: {first}");

    let prometheus = host.run(&["run", "puppet", "--format", "prometheus"]).stdout;
    let page = host.run(&["report", "puppet", "--format", "html"]).stdout;
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "what was said is shown as it was said: {page}");
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<testcase"), "{page}");
    assert!(page.contains("default-src 'none'") && page.contains("<polyline"), "{page}");

    let mut series = BTreeSet::new();
    for line in prometheus.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(series.insert(name.to_owned()), "told twice: {line}");
    }
    let types = prometheus.lines().filter(|line| line.starts_with("# TYPE "));
    let names: Vec<&str> = types.filter_map(|line| line.split(' ').nth(2)).collect();
    assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len(), "a type once: {names:?}");
}

#[test]
fn nonsense_is_no_ok_and_sense_is() {
    let host = host();
    let output = host.run(&["run", "puppet", "--format", "json"]);
    assert!([1, 3].contains(&output.code), "{output:?}");
    let task = output.task("puppet");
    let numbers = task["reported"]["metrics"].as_array().expect("metrics");
    assert!(numbers.iter().all(|metric| metric["value"].is_number()), "{numbers:?}");
    write(&host, &[report("finding", json!({ "text": "fine", "ok": true }))]);
    let fine = host.run(&["run", "puppet", "--format", "json"]);
    assert_eq!(fine.code, 0, "{fine:?}");
    assert_eq!(attached(&fine.task("puppet")).len(), 1);
}
