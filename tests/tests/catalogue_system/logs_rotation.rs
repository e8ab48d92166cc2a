//! system-logs-rotation with the real logrotate, on rules and logs of the tests' own, and with the real journalctl on
//! journals that systemd-journal-remote wrote.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use hostler_tests::{Hostler, Output};

use crate::forms;

const DAY: &str = "weekly\nrotate 4\ncreate\ninclude ";

fn host(settings: &str) -> Hostler {
    // The tests have a configuration and a state of logrotate's of their own.
    let own = |request: &str| {
        let forms = forms("logs-rotation", request);
        forms
            .replace("/var/lib/logrotate/status", "{directory}/status")
            .replace("/etc/logrotate.conf", "{directory}/main.conf")
    };
    let host = Hostler::new(&format!(
        "[program.logrotate]\npath = \"/usr/sbin/logrotate\"\nconfine = \"off\"\nallow = [\n{}{}]\n\
         [program.journalctl]\npath = \"/usr/bin/journalctl\"\nconfine = \"off\"\nallow = [\n{}{}]\n\
         [directory.logs]\npath = \"{{directory}}/logs\"\n[directory.rules]\npath = \"{{directory}}/rules\"\n\
         [directory.journal]\npath = \"{{directory}}/journal\"\n\
         [tasks.task]\nplugin = \"system-logs-rotation\"\nbind.logs = [\"directory.logs\"]\n\
         bind.logrotate = \"program.logrotate\"\nbind.rotate = \"program.logrotate\"\nbind.rules = \"directory.rules\"\n\
         bind.journal = \"directory.journal\"\nbind.journalctl = \"program.journalctl\"\nbind.vacuum = \"program.journalctl\"\n\
         settings = {{ configuration = \"{{directory}}/main.conf\", state_file = \"{{directory}}/status\", \
         places = {{ logs = \"{{directory}}/logs\" }}, {settings} }}\n",
        own("logrotate"),
        own("rotate"),
        forms("logs-rotation", "journalctl"),
        forms("logs-rotation", "vacuum")
    ));
    host.install(&["system-logs-rotation"]);
    for directory in ["logs", "rules", "journal"] {
        fs::create_dir(host.path().join(directory)).expect("a directory");
    }
    write(&host, "main.conf", &format!("{DAY}{}\n", host.path().join("rules").display()));
    write(&host, "status", "logrotate state -- version 2\n");
    host
}

fn write(host: &Hostler, name: &str, text: &str) -> PathBuf {
    let path = host.path().join(name);
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("permissions");
    path
}

/// A log of so many bytes that was written to last so many hours ago.
fn log(host: &Hostler, name: &str, bytes: usize, hours: u32) -> PathBuf {
    let path = write(host, &format!("logs/{name}"), &"x".repeat(bytes));
    let touched = Command::new("touch").args(["-d", &format!("{hours} hours ago")]).arg(&path).status().expect("touch");
    assert!(touched.success());
    path
}

/// A rule for logs below `logs`.
fn rule(host: &Hostler, name: &str, logs: &str, lines: &str) -> PathBuf {
    write(host, &format!("rules/{name}"), &format!("{}/logs/{logs} {{\n{lines}\n}}\n", host.path().display()))
}

/// logrotate remembers to have rotated these five days ago.
fn rotated(host: &Hostler, names: &[&str]) {
    let five_days = jiff::Zoned::now().checked_sub(jiff::Span::new().days(5)).expect("a time");
    let lines: String = names
        .iter()
        .map(|name| {
            format!("\"{}/logs/{name}\" {}\n", host.path().display(), five_days.strftime("%Y-%-m-%-d-%-H:%-M:%-S"))
        })
        .collect();
    write(host, "status", &format!("logrotate state -- version 2\n{lines}"));
}

fn run(host: &Hostler, command: &str) -> Output {
    host.run(&[command, "task", "--format", "json"])
}

/// The findings, with the logs' own names.
fn findings(host: &Hostler, output: &Output) -> Vec<String> {
    let place = format!("{}/logs/", host.path().display());
    let mut found: Vec<String> =
        output.findings("task").into_iter().map(|finding| finding.replace(&place, "")).collect();
    found.sort();
    found
}

fn logrotate(arguments: &[&str]) -> (i32, String) {
    let output = Command::new("/usr/sbin/logrotate").args(arguments).output().expect("logrotate");
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn logs_without_a_rule_and_large_ones_are_told_and_the_others_are_not() {
    let host = host("least = \"1kB\", size_warning = \"5kB\"");
    rule(&host, "covered", "covered.log", "daily");
    log(&host, "covered.log", 2000, 0);
    log(&host, "small.log", 999, 0);
    log(&host, "postgresql-2026-01-01.log", 3000, 0);
    log(&host, "other.txt", 9000, 0);
    let healthy = run(&host, "run");
    assert_eq!((healthy.code, findings(&host, &healthy)), (0, vec![]), "{healthy:?}");
    log(&host, "stray.log", 2000, 0);
    log(&host, "covered.log", 6000, 0);
    let sick = run(&host, "run");
    assert_eq!(
        findings(&host, &sick),
        ["warning log-too-large covered.log", "warning log-without-rule stray.log"],
        "{sick:?}"
    );
}

#[test]
fn a_rotation_that_is_overdue_is_told_by_how_long_it_was_due() {
    let host = host("");
    rule(&host, "daily", "*.log", "daily");
    log(&host, "fresh.log", 10, 0);
    log(&host, "a.log", 10, 30);
    log(&host, "b.log", 10, 60);
    // The one that is written to all the time is due too, and a first run does not know since when.
    rotated(&host, &["a.log", "b.log", "busy.log"]);
    log(&host, "busy.log", 10, 0);
    let first = run(&host, "run");
    assert_eq!(
        findings(&host, &first),
        ["critical rotation-overdue b.log", "unknown baseline-taken rotations", "warning rotation-overdue a.log"],
        "{first:?}"
    );
    let second = run(&host, "run");
    assert_eq!(
        findings(&host, &second),
        ["critical rotation-overdue b.log", "warning rotation-overdue a.log"],
        "{second:?}"
    );
    let (code, said) = logrotate(&[
        "-s",
        &host.path().join("status").display().to_string(),
        &host.path().join("main.conf").display().to_string(),
    ]);
    assert_eq!(code, 0, "{said}");
    let rotated = run(&host, "run");
    assert_eq!((rotated.code, findings(&host, &rotated)), (0, vec![]), "{rotated:?}");
}

#[test]
fn a_logrotate_that_never_runs_is_told_once() {
    let host = host("");
    rule(&host, "daily", "*.log", "daily");
    let names = ["a.log", "b.log", "c.log"];
    for name in names {
        log(&host, name, 10, 60);
    }
    rotated(&host, &names);
    let idle = run(&host, "run");
    assert_eq!(findings(&host, &idle), ["critical logrotate-not-running logrotate"], "{idle:?}");
    fs::remove_file(host.path().join("status")).expect("it is removed");
    let never = run(&host, "run");
    assert_eq!(findings(&host, &never), ["warning logrotate-not-running logrotate"], "{never:?}");
}

#[test]
fn a_rule_with_an_error_which_logrotate_skips_in_silence_is_told() {
    let host = host("least = \"1kB\"");
    rule(&host, "broken", "a.log", "dialy\nrotate x");
    log(&host, "a.log", 2000, 0);
    let broken = run(&host, "run");
    let found = findings(&host, &broken);
    assert!(found.contains(&"warning rule-broken broken:2".to_owned()), "{broken:?}");
    assert!(found.contains(&"warning log-without-rule a.log".to_owned()), "{broken:?}");
}

fn with_rule(more: &str) -> Hostler {
    host(&format!("rule = \"app\", paths = [\"{{directory}}/logs/*.log\"]{more}"))
}

fn installed(host: &Hostler) -> Option<String> {
    fs::read_to_string(host.path().join("rules/app")).ok()
}

/// Nothing of a check or of a rule that was refused is left behind.
fn rules(host: &Hostler) -> Vec<String> {
    let entries = fs::read_dir(host.path().join("rules")).expect("a directory").flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_rule_is_planned_installed_once_and_changed_with_its_settings() {
    let host = with_rule("");
    log(&host, "a.log", 10, 0);
    let plan = run(&host, "plan");
    assert_eq!((plan.code, rules(&host).len()), (0, 0), "{plan:?}");
    assert!(plan.stdout.contains("the rule app would be checked and installed"), "{plan:?}");
    // What a run that was killed before it was done leaves: logrotate passes over it, and the next run takes its place.
    write(&host, "rules/app.disabled", "half a ru");
    let applied = run(&host, "run");
    assert_eq!((applied.code, rules(&host)), (0, vec!["app".to_owned()]), "{applied:?}");
    let metadata = fs::metadata(host.path().join("rules/app")).expect("it is there");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o644);
    let text = installed(&host).expect("it is there");
    assert!(text.contains("daily") && text.contains("rotate 7"), "{text}");
    let main = host.path().join("main.conf").display().to_string();
    let (code, said) = logrotate(&["-d", "-s", &host.path().join("status").display().to_string(), &main]);
    assert!(code == 0 && said.contains("logs/a.log") && !said.contains("error"), "{said}");
    let inode = |host: &Hostler| {
        std::os::unix::fs::MetadataExt::ino(&fs::metadata(host.path().join("rules/app")).expect("there"))
    };
    let before = inode(&host);
    assert!(run(&host, "run").stdout.contains("the rule app is as it is to be"));
    assert_eq!(inode(&host), before, "a second run writes nothing");
    let configuration = fs::read_to_string(host.configuration()).expect("it is there");
    fs::write(host.configuration(), configuration.replace("rule = \"app\"", "rule = \"app\", keep = 3"))
        .expect("written");
    assert_eq!(run(&host, "run").code, 0);
    assert!(installed(&host).is_some_and(|text| text.contains("rotate 3")));
}

/// The guide writes its rule over whatever has its name, and asks nobody whether it is one.
#[test]
fn the_guides_rule_takes_the_place_of_another_unread_and_the_tasks_does_not() {
    let host = with_rule("");
    log(&host, "audit.log", 10, 0);
    let own = "monthly\nrotate 120\n# kept for the auditors";
    rule(&host, "app", "audit.log", own);
    let before = installed(&host);
    let foreign = run(&host, "run");
    assert_eq!(findings(&host, &foreign), ["warning rule-foreign app"], "{foreign:?}");
    let attached: String = "kept for the auditors".bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(installed(&host) == before && foreign.stdout.contains(&attached), "{foreign:?}");
    let configuration = fs::read_to_string(host.configuration()).expect("it is there");
    fs::write(host.configuration(), configuration.replace("rule = \"app\"", "rule = \"app\", replace = true"))
        .expect("written");
    let replaced = run(&host, "run");
    assert_eq!(replaced.code, 0, "{replaced:?}");
    assert!(installed(&host).is_some_and(|text| text.starts_with("# Written by Hostler")));
}

/// `create 0640 app app`, as the guide has it, where there is no account of that name: logrotate skips the whole file.
#[test]
fn the_guides_rule_is_skipped_by_logrotate_and_the_tasks_is_refused_before_it_is_installed() {
    let host = with_rule("");
    log(&host, "a.log", 10, 0);
    let guide = rule(&host, "guide", "*.log", "daily\nrotate 7\ncreate 0640 no-such-account no-such-account");
    let (_, said) = logrotate(&["-d", &guide.display().to_string()]);
    assert!(said.contains("error:") && said.contains("no-such-account"), "{said}");
    fs::remove_file(guide).expect("it is removed");
    assert_eq!(run(&host, "run").code, 0);
    let good = installed(&host);
    let configuration = fs::read_to_string(host.configuration()).expect("it is there");
    let owner = "rule = \"app\", owner = \"no-such-account\"";
    fs::write(host.configuration(), configuration.replace("rule = \"app\"", owner)).expect("written");
    let refused = run(&host, "run");
    assert_eq!(
        (refused.code, findings(&host, &refused)),
        (2, vec!["critical rule-refused app".to_owned()]),
        "{refused:?}"
    );
    assert!(installed(&host) == good && rules(&host) == ["app"], "the good one stays");
}

/// Where the guide's `systemctl reload app` fails, logrotate leaves the oldest log where it is.
#[test]
fn a_command_that_fails_after_the_rotation_stops_the_guides_rule_and_not_the_tasks() {
    let host = with_rule(", keep = 2, rotate_due = true, after = \"/no/such/program reload app\"");
    let kept = |host: &Hostler| fs::read_dir(host.path().join("logs")).expect("logs").flatten().count();
    let lines = "daily\nrotate 2\ncompress\ndelaycompress\nnotifempty\nsharedscripts\npostrotate\n/no/such/program reload app\nendscript";
    let guide = rule(&host, "guide", "*.log", lines);
    for _ in 0..4 {
        log(&host, "a.log", 10, 0);
        rotated(&host, &["a.log"]);
        let (code, said) =
            logrotate(&["-s", &host.path().join("status").display().to_string(), &guide.display().to_string()]);
        assert!(code == 1 && said.contains("error running shared postrotate script"), "{said}");
    }
    assert_eq!(kept(&host), 3, "two were to be kept");
    fs::remove_file(guide).expect("it is removed");
    fs::remove_dir_all(host.path().join("logs")).expect("they are removed");
    fs::create_dir(host.path().join("logs")).expect("a directory");
    write(&host, "status", "logrotate state -- version 2\n");
    assert_eq!(run(&host, "run").code, 0, "the rule is installed, and nothing is due");
    for _ in 0..4 {
        log(&host, "a.log", 10, 0);
        rotated(&host, &["a.log"]);
        let applied = run(&host, "run");
        assert!(findings(&host, &applied).contains(&"critical rotation-failed app".to_owned()), "{applied:?}");
        assert!(applied.stdout.contains("the command after the rotation failed"), "{applied:?}");
        assert!(applied.stdout.contains("1 of 1 log rotated"), "{applied:?}");
    }
    assert_eq!(kept(&host), 2, "the rotation itself is done");
}

#[test]
fn a_due_log_is_rotated_once_and_a_plan_rotates_nothing() {
    let host = with_rule(", rotate_due = true");
    assert_eq!(run(&host, "run").code, 0);
    let path = log(&host, "a.log", 10, 0);
    rotated(&host, &["a.log"]);
    let plan = run(&host, "plan");
    assert!(plan.stdout.contains("1 log would be rotated") && path.exists(), "{plan:?}");
    let applied = run(&host, "run");
    assert!(applied.stdout.contains("1 of 1 log rotated"), "{applied:?}");
    assert!(!path.exists() && host.path().join("logs/a.log.1").exists());
    let again = run(&host, "run");
    assert!(again.code == 0 && !again.stdout.contains(" rotated"), "{again:?}");
}

#[test]
fn logs_that_another_rule_covers_are_left_to_it() {
    let host = with_rule("");
    rule(&host, "other", "a.log", "weekly");
    log(&host, "a.log", 10, 0);
    for command in ["plan", "run"] {
        let refused = run(&host, command);
        assert_eq!(findings(&host, &refused), ["warning rule-overlaps app"], "{refused:?}");
        assert_eq!(rules(&host), ["other"]);
    }
}

/// Eight mebibytes each: one that is written, and two that journald would have archived.
fn journals(host: &Hostler) {
    let directory = host.path().join("journal");
    for number in 0..3 {
        let path = directory.join(format!("{number}.journal"));
        let mut writer = Command::new("/lib/systemd/systemd-journal-remote")
            .arg(format!("--output={}", path.display()))
            .arg("-")
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("systemd-journal-remote; `scripts/set-up test` installs it");
        let entry = |at: u64| {
            format!(
                "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={at}\n_BOOT_ID={number:032x}\nMESSAGE=line {at}\nPRIORITY=6\n\n",
                1_790_000_000_000_000 + number * 1_000_000_000 + at
            )
        };
        let entries: String = (1..100).map(entry).collect();
        writer.stdin.take().expect("its input").write_all(entries.as_bytes()).expect("it reads");
        assert!(writer.wait().expect("it ends").success());
        let name = match number {
            2 => "system.journal".to_owned(),
            _ => format!("system@{:032x}-{:016x}-{:016x}.journal", number + 7, 1, 1_790_000_000_000_000 + number),
        };
        fs::rename(path, directory.join(name)).expect("it is renamed");
    }
}

#[test]
fn a_journal_above_its_quota_loses_its_oldest_files_and_one_within_it_none() {
    let host = host("journal_quota = \"100MB\"");
    journals(&host);
    let count = || fs::read_dir(host.path().join("journal")).expect("journals").flatten().count();
    let healthy = run(&host, "run");
    assert_eq!((healthy.code, count()), (0, 3), "{healthy:?}");
    let configuration = fs::read_to_string(host.configuration()).expect("it is there");
    fs::write(host.configuration(), configuration.replace("100MB", "30MB")).expect("written");
    let warning = run(&host, "run");
    assert_eq!(
        (findings(&host, &warning), count()),
        (vec!["warning journal-large journal".to_owned()], 3),
        "{warning:?}"
    );
    fs::write(host.configuration(), configuration.replace("100MB", "21MB")).expect("written");
    let plan = run(&host, "plan");
    assert_eq!((plan.code, count()), (2, 3), "{plan:?}");
    let applied = run(&host, "run");
    assert_eq!((applied.code, count()), (0, 2), "{applied:?}");
    assert!(applied.stdout.contains("the journal had 24.0 MiB and has 16.0 MiB"), "{applied:?}");
    assert!(run(&host, "run").stdout.contains("the journal has 16.0 MiB"));
}

#[test]
fn what_cannot_be_looked_at_is_unknown_and_a_setting_that_is_none_is_refused() {
    let host = host("journal_quota = \"100MB\"");
    fs::remove_file(host.path().join("main.conf")).expect("it is removed");
    fs::remove_dir(host.path().join("logs")).expect("it is removed");
    fs::remove_dir(host.path().join("journal")).expect("it is removed");
    let unknown = run(&host, "run");
    assert_eq!(
        (unknown.code, findings(&host, &unknown)),
        (
            3,
            vec![
                "unknown journal-not-read journal".to_owned(),
                "unknown logs-not-read logs".to_owned(),
                "unknown rules-not-read logrotate".to_owned()
            ]
        ),
        "{unknown:?}"
    );
    let host = with_rule("");
    let configuration = fs::read_to_string(host.configuration()).expect("it is there");
    fs::write(host.configuration(), configuration.replace("rule = \"app\"", "rule = \"../cron.d/app\""))
        .expect("written");
    let refused = run(&host, "run");
    assert!(refused.code == 3 && refused.stdout.contains("settings.rule"), "{refused:?}");
}
