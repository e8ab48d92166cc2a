//! A clock that was set back, or that was wrong: `faketime` stands between the host and the clock.

use std::process::Command;

use hostler_tests::{Hostler, Output, Postgres, binary};

fn host(server: &Postgres) -> Hostler {
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = \"{}\"\n[directory.source]\npath = \"{{directory}}/source\"\n\
         [directory.backups]\npath = \"{{directory}}/backups\"\n\
         [tasks.files]\nplugin = \"backup-files\"\nsettings = {{ keep = 2 }}\n\
         bind = {{ source = [\"directory.source\"], destination = \"directory.backups\" }}\n\
         [tasks.machine]\nplugin = \"system-resources\"\nbind = {{ machine = \"machine\", history = \"history\" }}\n\
         settings = {{ disk_warning = \"0:\", disk_critical = \"0:\" }}\n\
         [tasks.index]\nplugin = \"postgres-index-health\"\nbind.database = \"postgres.main\"\n\
         [procedures.all]\ntasks = [\"files\", \"machine\", \"index\"]\n",
        server.superuser()
    ));
    for directory in ["source", "backups"] {
        std::fs::create_dir(host.path().join(directory)).expect("a directory");
    }
    std::fs::write(host.path().join("source/file"), "contents").expect("a file");
    host.install(&["backup-files", "system-resources", "postgres-index-health"]);
    host
}

/// The host as on a machine whose clock is off by so much, such as `+40d`.
fn at(clock: &str, host: &Hostler, arguments: &[&str]) -> Output {
    let output = Command::new("faketime")
        .args(["-f", clock])
        .arg(binary())
        .arg("--config")
        .arg(host.configuration())
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .expect("faketime: `make test` installs it");
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn archives(host: &Hostler) -> usize {
    let files = std::fs::read_dir(host.path().join("backups")).expect("it is there").flatten();
    files.filter(|file| !file.file_name().to_string_lossy().ends_with(".sha256")).count()
}

#[test]
fn a_clock_that_was_set_back_loses_nothing_and_stops_nothing() {
    let server = Postgres::start();
    let host = host(&server);
    let works = |output: Output| {
        // Whatever they find (a machine under load, say), each task does its work.
        assert_eq!(output.code, 0, "{output:?}");
        assert!(!output.stderr.contains("panicked"), "{output:?}");
    };
    for clock in ["+40d", "+0", "+40d", "-1d", "+0"] {
        works(at(clock, &host, &["run", "all", "--exit", "work"]));
        assert!(archives(&host) >= 1, "the newest backup is not taken for the oldest: {clock}");
    }
    // Two are kept; what was just made is no candidate for removal, whatever its name says of its age.
    assert!((2..=3).contains(&archives(&host)), "{}", archives(&host));
    let listed = host.history(&["--limit", "100"]);
    assert_eq!(listed.len(), 15, "every run is kept, those of the future too: {listed:?}");
    assert!(listed.iter().all(|run| run["course"] == "done"), "{listed:?}");
    assert_eq!(host.run(&["audit", "verify"]).code, 0);
    // The audit says what the clock said, and its order is that of its numbers.
    assert_eq!(host.run(&["audit", "show"]).code, 0);
}

#[test]
fn a_plan_of_the_future_or_of_long_ago_is_not_applied() {
    let server = Postgres::start();
    let host = host(&server);
    let file = host.path().join("plan.json").display().to_string();
    let run = ["run", "files", "--approved", &file];
    assert_eq!(at("+0", &host, &["plan", "files", "--out", &file]).code, 0);
    let late = at("+40d", &host, &run);
    assert_ne!(late.code, 0, "it expired: {late:?}");
    assert_eq!(archives(&host), 0);
    let planned = at("+40d", &host, &["plan", "files", "--out", &file]);
    assert_eq!(planned.code, 0, "{planned:?}");
    let early = host.run(&run);
    assert_ne!(early.code, 0, "it was made at a time that has not come: {early:?}");
    assert_eq!(archives(&host), 0);
    assert_eq!(at("+0", &host, &["plan", "files", "--out", &file]).code, 0);
    let applied = host.run(&run);
    assert_eq!((applied.code, archives(&host)), (0, 1), "{applied:?}");
}
