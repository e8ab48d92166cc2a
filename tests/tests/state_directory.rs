//! A state directory that is full, not writable, or in use by two hosts at once.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    process::Command,
};

use hostler_tests::{Hostler, Signal, binary, eventually};

const NOBODY: u32 = 65_534;

fn configuration(behaviour: &str) -> String {
    let cache = hostler_tests::cache();
    format!(
        "[host]\nstate = \"{{directory}}/state\"\nregistry = \"{{directory}}/registry\"\ncache = {cache:?}\n\
         [directory.output]\npath = \"{{directory}}/output\"\n\
         [tasks.one]\nplugin = \"test-misbehaving\"\nbind.output = \"directory.output\"\n\
         settings = {{ behaviour = {behaviour:?}, count = 300 }}\n\
         [tasks.other]\nplugin = \"test-misbehaving\"\nsettings = {{ behaviour = \"sleep\" }}\n\
         [tasks.good]\nplugin = \"example-empty\"\n"
    )
}

fn host(behaviour: &str) -> Hostler {
    let host = Hostler::new(&configuration(behaviour));
    for directory in ["state", "output"] {
        fs::create_dir_all(host.path().join(directory)).expect("a directory");
    }
    fs::set_permissions(host.path().join("state"), Permissions::from_mode(0o700)).expect("permissions");
    host.install(&["test-misbehaving", "example-empty"]);
    host
}

/// Runs a script in which the state directory is a file system of its own of one megabyte: a real full disk, that no
/// other process has. `$HOSTLER` is the host, `fill LEFT` leaves so many bytes, `room` takes the filler away.
fn on_a_small_disk(host: &Hostler, script: &str) -> String {
    let functions = "mount -t tmpfs -o size=1m,mode=700 none state || exit 99\n\
         fill() { dd if=/dev/zero of=state/filler bs=4k count=$(( ($(stat -f -c %a state) * 4096 - $1) / 4096 )) 2>/dev/null; }\n\
         room() { rm state/filler; }\n\
         hostler() { \"$HOSTLER\" --config hostler.toml \"$@\" 2>&1; echo \"exit $?\"; }\necho begun\n";
    let mut said = String::new();
    for way in [&["--user", "--map-root-user", "--mount"][..], &["--mount"]] {
        let output = Command::new("unshare")
            .args(way)
            .args(["sh", "-c", &format!("{functions}{script}")])
            .env("HOSTLER", binary())
            .env("NO_COLOR", "1")
            .current_dir(host.path())
            .output()
            .expect("unshare of util-linux");
        said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if let Some((_, said)) = said.split_once("begun\n") {
            return said.to_owned();
        }
    }
    panic!("no file system of its own: {said}");
}

#[test]
fn on_a_full_disk_nothing_runs_and_it_is_said_and_with_room_all_goes_on() {
    let host = host("changes");
    let script =
        "hostler run good\nfill 0\nhostler run good\nroom\nhostler run good\nhostler audit verify\nhostler history\n";
    let said = on_a_small_disk(&host, script);
    let parts: Vec<&str> = said.split_inclusive("exit ").collect();
    let codes: Vec<&str> = parts[1..].iter().map(|part| part.lines().next().expect("a code")).collect();
    assert!(codes[0] == "0" && matches!(codes[1], "3" | "69") && codes[2] == "0" && codes[3] == "0", "{said}");
    assert!(parts[1].contains("the file system is full; make room and run again"), "{said}");
    assert!(!parts[1].contains("nothing to do"), "what cannot be recorded is not run: {said}");
    assert_eq!(parts[4].matches("nothing to do").count(), 2, "the two runs are kept, whole: {said}");
}

#[test]
fn a_disk_that_fills_up_in_the_middle_of_a_run_stops_its_changes() {
    let host = host("changes");
    let script = "hostler run good\nfill 98304\nhostler run one\nroom\nhostler run good\nhostler audit verify\nhostler history one\n";
    let said = on_a_small_disk(&host, script);
    let parts: Vec<&str> = said.split_inclusive("exit ").collect();
    assert!(parts[2].starts_with("3\n") || parts[2].starts_with("69\n"), "{said}");
    assert!(parts[1].contains("the audit could not be written"), "{said}");
    let files = fs::read_dir(host.path().join("output")).expect("the directory").count();
    assert!((1..300).contains(&files), "a call whose line cannot be written is not made: {files} files, {said}");
    assert!(parts[3].starts_with("0\n") && parts[4].starts_with("0\n"), "it goes on, and no line is cut: {said}");
}

#[test]
fn a_state_directory_that_is_not_ours_or_not_writable_is_said() {
    let host = host("nothing");
    let state = host.path().join("state");
    let other = fs::metadata(host.path()).is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) == 0);
    fs::remove_dir_all(&state).expect("it is there");
    fs::write(&state, "a file").expect("a file");
    let refused = host.run(&["run", "good"]);
    assert!(refused.code == 69 && refused.stderr.contains("is not a directory"), "{refused:?}");
    assert!(refused.stderr.contains("host.state"), "what to do: {refused:?}");
    fs::remove_file(&state).expect("it is there");

    fs::create_dir(&state).expect("a directory");
    fs::set_permissions(&state, Permissions::from_mode(0o777)).expect("permissions");
    let open = host.run(&["run", "good"]);
    assert!(open.code == 69 && open.stderr.contains("others may write"), "{open:?}");

    fs::set_permissions(&state, Permissions::from_mode(0o500)).expect("permissions");
    let mut command = host.command(&["run", "good"]);
    if other {
        // The superuser may write everywhere: the host runs as a user who may not.
        chown(&state, Some(NOBODY), Some(NOBODY)).expect("its owner");
        fs::set_permissions(host.path(), Permissions::from_mode(0o755)).expect("permissions");
        let foreign = host.run(&["run", "good"]);
        assert!(foreign.code == 69 && foreign.stderr.contains("belongs to user 65534"), "{foreign:?}");
        // The checkout may lie where that user may not go, such as in root's own home.
        let program = host.path().join("hostler");
        fs::copy(binary(), &program).expect("a copy");
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        command = Command::new(program);
        command.args(arguments).env("NO_COLOR", "1").current_dir("/").uid(NOBODY).gid(NOBODY);
    }
    let closed = command.output().expect("hostler starts");
    let said = String::from_utf8_lossy(&closed.stderr);
    assert!(closed.status.code() == Some(69) && said.contains("mend its owner and permissions"), "{closed:?}");
    assert!(said.contains(&state.display().to_string()), "{said}");
}

#[test]
fn a_task_runs_once_at_a_time_and_who_comes_second_is_told_of_the_first() {
    let host = host("sleep");
    let first = host.start(&["run", "one"]);
    let other = host.start(&["run", "other"]);
    let under_way = || host.history(&[]).iter().filter(|run| run["course"] == "running").count();
    eventually("two tasks run side by side, in two hosts", || under_way() == 2);
    let second = host.run(&["run", "one", "--format", "json"]);
    assert_eq!(second.code, 3, "{second:?}");
    let outcome = second.task("one");
    assert_eq!((&outcome["course"], &outcome["verdict"]), (&"not-started".into(), &"unknown".into()));
    let summary = outcome["summary"].as_str().expect("a summary");
    let listed = host.history(&["one"]);
    assert_eq!(listed[0]["run_id"], outcome["run_id"], "that it was not started is kept too");
    let run = listed[1]["run_id"].as_str().expect("a run");
    let holder = format!("run {run} of task one, process {}", first.id());
    assert!(summary.contains("is held by") && summary.contains(&holder), "it names who has it: {summary}");
    assert_eq!(host.run(&["run", "good"]).code, 0, "a third goes on beside them");
    assert_eq!(host.run(&["audit", "verify"]).code, 0, "and all write one audit");
    for running in [first, other] {
        running.signal(Signal::KILL);
    }
    eventually("the lock is free", || {
        host.configure(&configuration("nothing"));
        host.run(&["run", "one"]).code == 0
    });
}
