//! Each output format, read by the rules of whoever reads it, with texts that try to break out of it.

use hostler_tests::{Hostler, Output};

/// Something healthy, something sick, something with texts that break out, something that fails, something not started.
fn outcomes() -> Hostler {
    let misbehaving = |name: &str, behaviour: &str| {
        format!("[tasks.{name}]\nplugin = \"test-misbehaving\"\nsettings = {{ behaviour = {behaviour:?} }}\n")
    };
    let host = Hostler::new(&format!(
        "[tasks.well]\nplugin = \"example-empty\"\n{}{}{}{}\
         [tasks.missing]\nplugin = \"example-connections\"\n\
         [procedures.all]\ntasks = [\"well\", \"odd\", \"metrics\", \"sick\", \"failed\", \"missing\"]\n",
        misbehaving("odd", "texts"),
        misbehaving("metrics", "metrics"),
        misbehaving("sick", "critical-then-trap"),
        misbehaving("failed", "verdict-in-metrics"),
    ));
    host.install(&["example-empty", "test-misbehaving"]);
    host
}

fn printed(format: &str) -> Output {
    let output = outcomes().run(&["run", "all", "--format", format]);
    assert_eq!(output.code, 2, "the exit code is that of the verdict in every format: {output:?}");
    assert!(output.stderr.is_empty(), "and only the format is printed: {output:?}");
    output
}

#[test]
fn json_is_whole_and_has_a_version() {
    let json = printed("json").json();
    assert_eq!(
        (&json["schema_version"], &json["name"], &json["verdict"]),
        (&1.into(), &"all".into(), &"critical".into())
    );
    let tasks = json["tasks"].as_array().expect("tasks");
    let verdicts: Vec<&str> = tasks.iter().filter_map(|task| task["verdict"].as_str()).collect();
    assert_eq!(verdicts, ["ok", "unknown", "unknown", "critical", "unknown", "unknown"]);
    let courses: Vec<&str> = tasks.iter().filter_map(|task| task["course"].as_str()).collect();
    assert_eq!(courses, ["done", "done", "done", "failed", "failed", "not-started"]);
}

#[test]
fn nagios_reads_a_state_a_text_and_performance_data() {
    let text = printed("nagios").stdout;
    let mut lines = text.lines();
    let first = lines.next().expect("a line");
    let (said, figures) = first.split_once(" | ").expect("performance data");
    assert!(said.starts_with("CRITICAL: sick: no room is left"), "what is worst comes first: {first}");
    assert!(!said.contains('|') && !figures.contains('|'), "one bar alone begins the performance data: {first}");
    for figure in performance_data(figures) {
        let value = figure.split(';').next().expect("a value").trim_end_matches(['s', 'B', '%', 'c']);
        assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{figure}");
    }
    assert_eq!(performance_data(figures).len(), 3, "{figures}");
    for line in lines {
        assert!(!line.contains('|'), "no more performance data: {line}");
        let state = line.split_once(": ").map(|(state, _)| state);
        assert!(state.is_some_and(|state| ["WARNING", "CRITICAL", "UNKNOWN"].contains(&state)), "{line}");
    }
    assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{text:?}");
}

/// `'label'=value;warning;critical`, apart by spaces.
fn performance_data(figures: &str) -> Vec<String> {
    let mut rest = figures.trim();
    let mut values = Vec::new();
    while !rest.is_empty() {
        let (label, after) = rest.strip_prefix('\'').and_then(|rest| rest.split_once("'=")).expect("a quoted label");
        assert!(!label.contains(['\'', '=']), "{label}");
        let (value, next) = after.split_once(' ').unwrap_or((after, ""));
        values.push(value.to_owned());
        rest = next;
    }
    values
}

#[test]
fn prometheus_reads_every_line() {
    let text = printed("prometheus").stdout;
    let (mut family, mut series) = (String::new(), Vec::new());
    let mut families = Vec::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a name and a type");
            assert!(is_name(name) && ["gauge", "counter"].contains(&kind), "{line}");
            assert!(!families.contains(&name.to_owned()), "told once: {line}");
            family = name.to_owned();
            families.push(family.clone());
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("a value");
        assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
        let (name, labels) = sample.split_once('{').expect("labels");
        assert_eq!(name, family, "of the family before it: {line}");
        labels_of(labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}")));
        assert!(!series.contains(&sample.to_owned()), "told once: {line}");
        series.push(sample.to_owned());
    }
    for (task, plugin, verdict) in
        [("well", "example-empty", 0), ("odd", "test-misbehaving", 3), ("sick", "test-misbehaving", 2)]
    {
        let line = format!("hostler_task_verdict{{task=\"{task}\",plugin=\"{plugin}\"}} {verdict}\n");
        assert!(text.contains(&line), "{line}: {text}");
    }
}

/// A plugin's figure of the host's own name takes nothing from what the host says of it.
#[test]
fn a_verdict_cannot_be_told_by_a_plugin() {
    let text = printed("prometheus").stdout;
    let of_failed: Vec<&str> =
        text.lines().filter(|line| line.starts_with("hostler_task_verdict{") && line.contains("\"failed\"")).collect();
    assert_eq!(of_failed, ["hostler_task_verdict{task=\"failed\",plugin=\"test-misbehaving\"} 3"], "{text}");
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// `name="value"`, apart by commas; in a value `\`, `"` and newlines are escaped.
fn labels_of(text: &str) {
    let mut rest = text;
    let mut names = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{text}"));
        assert!(is_name(name) && !names.contains(&name), "{text}");
        names.push(name);
        let mut escaped = false;
        let end = after.find(|letter| {
            let ends = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            ends
        });
        let end = end.unwrap_or_else(|| panic!("{text}"));
        rest = after[end + 1..].strip_prefix(',').unwrap_or(&after[end + 1..]);
    }
}

#[test]
fn junit_is_xml_with_a_case_for_each_task() {
    let text = printed("junit").stdout;
    let document = roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let suite = document.root_element();
    let number = |name: &str| suite.attribute(name).and_then(|value| value.parse::<usize>().ok()).expect("a number");
    assert_eq!(
        (suite.tag_name().name(), number("tests"), number("failures"), number("skipped")),
        ("testsuite", 6, 1, 1)
    );
    assert_eq!(number("errors"), 3, "{text}");
    let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
    let became: Vec<_> = cases
        .iter()
        .map(|case| {
            let inside = case.children().find(|node| node.is_element());
            (case.attribute("name").expect("a name"), inside.map_or("", |node| node.tag_name().name()))
        })
        .collect();
    let expected = [
        ("well", ""),
        ("odd", "error"),
        ("metrics", "error"),
        ("sick", "failure"),
        ("failed", "error"),
        ("missing", "skipped"),
    ];
    assert_eq!(became, expected, "{text}");
    let odd = cases[1].descendants().find_map(|node| node.text()).expect("its text");
    assert!(odd.contains("<b>&amp; \"quoted\" 'too' ]]>"), "the text is carried as it is: {odd}");
}

#[test]
fn text_puts_what_needs_action_first_and_has_no_colour_where_nobody_sees_it() {
    let text = printed("text").stdout;
    let first = text.lines().next().expect("a line");
    assert!(first.contains("sick") && first.contains("no room is left"), "{text}");
    assert!(!text.contains('\x1b'), "{text:?}");
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}: {text}"));
    assert!(place("no room is left") < place("nothing to do"), "{text}");
    let last = text.lines().last().expect("a line");
    assert!(last.contains("6 tasks"), "{last}");
}

#[test]
fn completions_are_written_for_every_shell() {
    let host = Hostler::new("");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let written = host.run(&["completions", shell]);
        assert_eq!(written.code, 0, "{written:?}");
        for command in ["install", "doctor", "history"] {
            assert!(written.stdout.contains(command), "{shell}: {command}");
        }
    }
    let bash = host.run(&["completions", "bash"]).stdout;
    let file = host.path().join("completions");
    std::fs::write(&file, bash).expect("a file");
    let read = std::process::Command::new("bash").arg("-n").arg(&file).status().expect("bash");
    assert!(read.success(), "bash reads it");
    assert_eq!(host.run(&["completions", "tcsh"]).code, 64);
}
