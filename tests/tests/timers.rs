//! What starts the procedures. systemd is not process 1 where the tests run: its own `systemd-analyze` stands at the
//! boundary, reads the units as systemd does, and says when it would start them.

use std::{fs, process::Command};

use hostler_tests::{Hostler, Output};

/// A clock that stands still at a time, for the host's next five times.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

fn host() -> Hostler {
    let host = Hostler::new(
        "[postgres.main]\ndsn = \"host=127.0.0.1 user=hostler\"\npassword_file = \"credential:main\"\n\
         [directory.shop]\npath = \"/srv/shop\"\n[directory.backups]\npath = \"/srv/backups 100%\"\n\
         [program.changes-the-machine]\npath = \"/bin/true\"\nconfine = \"off\"\nallow = [{ arguments = [\"show\", \"--no-pager\", \"--property={text}\", \"*\"], effect = \"reads\" }]\n\
         [tasks.connections]\nplugin = \"postgres-connections\"\nbind.database = \"postgres.main\"\n\
         [tasks.files]\nplugin = \"backup-files\"\nbind.source = [\"directory.shop\"]\nbind.destination = \"directory.backups\"\n\
         [tasks.services]\nplugin = \"system-services\"\nbind.systemctl = \"program.changes-the-machine\"\n\
         [tasks.empty]\nplugin = \"example-empty\"\n\
         [procedures.daily]\nschedule = \"daily 04:00\"\ntime_zone = \"Europe/Berlin\"\ntasks = [\"connections\", \"files\"]\n\
         [procedures.weekly]\nschedule = \"Mon,Thu 03:15\"\ntime_zone = \"America/New_York\"\ntasks = [\"services\"]\n\
         [procedures.thirtieth]\nschedule = \"monthly 30 05:00\"\ntime_zone = \"UTC\"\ntasks = [\"empty\"]\n\
         [procedures.last]\nschedule = \"monthly 31 05:00\"\ntime_zone = \"Asia/Tokyo\"\ntasks = [\"empty\"]\n\
         [procedures.hourly]\nschedule = \"hourly :15\"\ntime_zone = \"UTC\"\ntasks = [\"empty\"]\n\
         [procedures.by-hand]\ntasks = [\"empty\"]\n",
    );
    host.install(&["postgres-connections", "backup-files", "system-services", "example-empty"]);
    host
}

/// `hostler timers` at a time of UTC's.
fn timers_at(host: &Hostler, time: &str, arguments: &[&str]) -> Output {
    let mut command = host.command(&[&["timers"], arguments].concat());
    command.env("LD_PRELOAD", FAKETIME).env("FAKETIME", time).env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("TZ", "UTC");
    let output = command.output().expect("hostler starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// The five times of systemd's own calendar, over all events of a timer, as `YYYY-MM-DD HH:MM` in UTC.
fn of_systemd(timer: &str, base: &str) -> Vec<String> {
    let mut times = vec![];
    for event in timer.lines().filter_map(|line| line.strip_prefix("OnCalendar=")) {
        let base = format!("--base-time={base} UTC");
        let mut command = Command::new("systemd-analyze");
        let output = command.env("TZ", "UTC").args(["calendar", "--iterations=5", &base, event]).output();
        let output = output.expect("systemd-analyze is there");
        assert!(output.status.success(), "{event}: {output:?}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let told =
            text.lines().map(str::trim).filter(|line| line.starts_with("Next elapse") || line.starts_with("Iter."));
        let told = told.filter_map(|line| line.strip_suffix(":00 UTC")?.split_once(": ").map(|parts| parts.1));
        // The weekday goes before the date.
        times.extend(told.map(|time| time.split_once(' ').expect("a date").1.to_owned()));
    }
    times.sort();
    times.truncate(5);
    times
}

/// The first five times that the host tells, likewise.
fn of_the_host(text: &str) -> Vec<String> {
    let next = text.split_once("# next:\n").expect("the next times").1;
    next.lines()
        .take(5)
        .map(|line| {
            let local = &line[line.find("20").expect("a year")..];
            let at: jiff::civil::DateTime = local[..16].parse().expect("a time");
            let (sign, offset) = (&local[17..18], &local[18..23]);
            let minutes: i64 =
                offset[..2].parse::<i64>().expect("hours") * 60 + offset[3..].parse::<i64>().expect("minutes");
            let minutes = if sign == "-" { -minutes } else { minutes };
            let utc = at.checked_sub(jiff::SignedDuration::from_mins(minutes)).expect("a time");
            utc.strftime("%F %H:%M").to_string()
        })
        .collect()
}

#[test]
fn systemd_reads_the_units_and_means_the_same_times_across_changes_of_the_clock() {
    let host = host();
    let units = host.path().join("units");
    fs::create_dir(&units).expect("a directory");
    let written = host.run(&["timers", "--out", units.to_str().expect("UTF-8")]);
    assert_eq!(written.code, 0, "{written:?}");
    assert!(written.stdout.contains("systemctl daemon-reload"), "{written:?}");
    let files: Vec<_> = fs::read_dir(&units).expect("units").map(|entry| entry.expect("a file").path()).collect();
    assert_eq!(files.len(), 10, "a service and a timer for each of five procedures: {files:?}");
    let verified =
        Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&files).output().expect("it starts");
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success() && !said.contains("hostler-"), "{said}");

    // The nights before the clocks change in Berlin and New York, and before the end of a February.
    for base in [
        "2027-03-12 12:00:00",
        "2027-03-26 12:00:00",
        "2027-10-29 12:00:00",
        "2027-11-05 12:00:00",
        "2028-01-30 06:00:00",
    ] {
        for name in ["daily", "weekly", "thirtieth", "last", "hourly"] {
            let told = timers_at(&host, base, &[name]);
            assert_eq!(told.code, 0, "{told:?}");
            let timer = fs::read_to_string(units.join(format!("hostler-{name}.timer"))).expect("a timer");
            let expected = of_systemd(&timer, base);
            assert_eq!(expected.len(), 5);
            assert_eq!(of_the_host(&told.stdout), expected, "{name} from {base}: {told:?}");
        }
    }
    let across = timers_at(&host, "2027-03-26 12:00:00", &["daily"]).stdout;
    assert!(across.contains("2027-03-28 04:00 +02:00  (02:00 UTC)   the clock has changed"), "{across}");
    let before = timers_at(&host, "2027-01-10 12:00:00", &["daily"]).stdout;
    assert!(before.contains("around the change of the clock on 2027-03-28"), "{before}");
}

#[test]
fn a_service_may_write_what_its_procedure_writes_and_says_where_a_program_has_no_walls() {
    let host = host();
    let daily = host.run(&["timers", "daily"]).stdout;
    for said in [
        "User=",
        "ExecStart=",
        "run daily --exit work",
        "LoadCredential=main\n",
        "ProtectSystem=strict\n",
        "NoNewPrivileges=yes\n",
        "ReadWritePaths=-\"/srv/backups 100%%\"\n",
        "Persistent=true\n",
        "RandomizedDelaySec=5min\n",
        "OnCalendar=*-*-* 04:00:00 Europe/Berlin\n",
    ] {
        assert!(daily.contains(said), "{said} is missing in {daily}");
    }
    assert!(!daily.contains("/srv/shop"), "what is only read stays read-only: {daily}");
    assert!(!daily.contains("weekly"), "one procedure was asked for: {daily}");
    let weekly = host.run(&["timers", "weekly"]).stdout;
    assert!(weekly.contains("changes-the-machine may change it") && !weekly.contains("ProtectSystem"), "{weekly}");
}

#[test]
fn crons_lines_know_a_months_last_day() {
    let host = host();
    let lines = timers_at(&host, "2027-01-10 12:00:00", &["--format", "crontab"]).stdout;
    for said in [
        "CRON_TZ=Europe/Berlin\n0 4 * * * ",
        "CRON_TZ=America/New_York\n15 3 * * 1,4 ",
        "\n0 5 30 1,3-12 * ",
        "\n0 5 28-29 2 * root [ \"$(date -d tomorrow +\\%d)\" = 01 ] && ",
        "\n0 5 28-31 * * ",
        "\n15 * * * * ",
    ] {
        assert!(lines.contains(said), "{said:?} is missing in {lines}");
    }
    assert!(!lines.contains("by-hand"), "{lines}");
}

#[test]
fn what_cannot_be_written_or_was_not_meant_is_refused() {
    let host = host();
    let units = host.path().join("units");
    fs::create_dir(&units).expect("a directory");
    let directory = units.to_str().expect("UTF-8");
    assert_eq!(host.run(&["timers", "daily", "--out", directory]).code, 0);
    assert_eq!(host.run(&["timers", "daily", "--out", directory]).code, 0, "the same text may be written again");
    fs::write(units.join("hostler-daily.timer"), "somebody's own\n").expect("a file");
    let refused = host.run(&["timers", "daily", "--out", directory]);
    assert!(refused.code == 64 && refused.stderr.contains("is left as it is"), "{refused:?}");
    assert_eq!(fs::read_to_string(units.join("hostler-daily.timer")).expect("it is there"), "somebody's own\n");
    for (arguments, said) in [
        (&["timers", "dayly"][..], "did you mean daily?"),
        (&["timers", "by-hand"], "has no schedule"),
        (&["timers", "--format", "crontab", "--out", directory], "redirect"),
        (&["timers", "--out", "/nowhere/at/all"], "/nowhere/at/all"),
    ] {
        let refused = host.run(arguments);
        assert!(refused.code >= 64 && refused.stderr.contains(said), "{arguments:?}: {refused:?}");
    }
}
