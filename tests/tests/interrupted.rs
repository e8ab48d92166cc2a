//! SIGINT, SIGTERM and SIGKILL in the middle of a run: nothing of it goes on, and the history says what became of it.

use std::{fs, time::Duration};

use hostler_tests::{Hostler, Signal, eventually, processes_with};

/// How long a host may take to end once it was told to: its plugins have five seconds, its programs five more.
const END: Duration = Duration::from_secs(20);

fn configuration(behaviour: &str, argument: &str) -> String {
    format!(
        "[program.sleep]\npath = \"/usr/bin/sleep\"\nallow = [{{ arguments = [\"{{text}}\"], effect = \"reads\" }}]\n\
         [directory.output]\npath = \"{{directory}}/output\"\n\
         [tasks.task]\nplugin = \"test-misbehaving\"\n\
         bind = {{ program = \"program.sleep\", output = \"directory.output\" }}\n\
         settings = {{ behaviour = {behaviour:?}, argument = {argument:?}, count = 100000 }}\n"
    )
}

fn host(behaviour: &str, argument: &str) -> Hostler {
    let host = Hostler::new(&configuration(behaviour, argument));
    fs::create_dir_all(host.path().join("output")).expect("a directory");
    host.install(&["test-misbehaving"]);
    host
}

/// An argument of `sleep` that no other process of this machine has.
fn unique() -> String {
    format!("1000.{}", hostler_tests::free_port())
}

/// The lock is free, and the task works.
fn works_again(host: &Hostler) {
    host.configure(&configuration("nothing", ""));
    let again = host.run(&["run", "task", "--format", "json"]);
    assert_eq!((again.code, &again.task("task")["verdict"]), (0, &"ok".into()), "{again:?}");
    assert_eq!(host.run(&["audit", "verify"]).code, 0);
}

fn files(host: &Hostler) -> usize {
    fs::read_dir(host.path().join("output")).expect("the directory").count()
}

fn interrupted_with_a_program(signal: Signal, code: i32) {
    let mark = unique();
    let host = host("program", &mark);
    let running = host.start(&["run", "task", "--format", "json"]);
    eventually("the program runs", || !processes_with(&mark).is_empty());
    running.signal(signal);
    let ended = running.end_within(END);
    assert_eq!(ended.code, code, "{ended:?}");
    assert!(ended.stderr.contains("once more ends at once"), "{ended:?}");
    assert_eq!(processes_with(&mark), [0; 0], "the program ended with its run");
    let outcome = ended.task("task");
    assert_eq!((&outcome["course"], &outcome["verdict"]), (&"interrupted".into(), &"unknown".into()), "{ended:?}");
    let listed = host.history(&[]);
    assert_eq!((&listed[0]["course"], &listed[0]["verdict"]), (&"interrupted".into(), &"unknown".into()));
    assert_eq!(host.kept(outcome["run_id"].as_str().expect("a run")), outcome);
    works_again(&host);
}

#[test]
fn an_interrupted_run_ends_with_its_program() {
    interrupted_with_a_program(Signal::INT, 130);
}

#[test]
fn a_terminated_run_ends_with_its_program() {
    interrupted_with_a_program(Signal::TERM, 143);
}

#[test]
fn a_change_stops_between_two_steps_and_what_was_changed_is_kept() {
    let host = host("changes", "");
    let running = host.start(&["run", "task", "--format", "json"]);
    eventually("it changes something", || files(&host) > 3);
    running.signal(Signal::INT);
    let ended = running.end_within(END);
    assert_eq!(ended.code, 130, "{ended:?}");
    let outcome = ended.task("task");
    assert_eq!((&outcome["course"], &outcome["verdict"]), (&"interrupted".into(), &"unknown".into()));
    assert!(outcome["summary"].as_str().is_some_and(|summary| summary.ends_with("then interrupted")), "{outcome:#}");
    let effects: Vec<_> = outcome["plan"]["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .flat_map(|step| step["effects"].as_array().expect("effects"))
        .collect();
    assert!(effects.iter().all(|effect| effect["outcome"] == "applied"), "{outcome:#}");
    assert_eq!(effects.len(), files(&host), "each change that was made, and no other");
    works_again(&host);
}

#[test]
fn a_plugin_that_does_not_listen_changes_nothing_more_and_is_ended() {
    let host = host("changes-deaf", "");
    let running = host.start(&["run", "task", "--format", "json"]);
    eventually("it changes something", || files(&host) > 3);
    running.signal(Signal::TERM);
    let ended = running.end_within(END);
    assert_eq!(ended.code, 143, "{ended:?}");
    let outcome = ended.task("task");
    assert_eq!(outcome["summary"], "the run was stopped: it was interrupted");
    assert_eq!((&outcome["course"], &outcome["verdict"]), (&"interrupted".into(), &"unknown".into()));
    let steps = outcome["plan"]["steps"].as_array().expect("steps");
    let effects: usize = steps.iter().map(|step| step["effects"].as_array().map_or(0, Vec::len)).sum();
    assert_eq!(effects, files(&host), "five seconds of trying changed nothing");
    works_again(&host);
}

#[test]
fn a_second_signal_ends_at_once_and_the_next_command_says_what_was_interrupted() {
    let host = host("sleep", "");
    let running = host.start(&["run", "task"]);
    eventually("the run is under way", || host.history(&[]).iter().any(|run| run["course"] == "running"));
    running.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(300));
    running.signal(Signal::INT);
    assert_eq!(running.end_within(Duration::from_secs(2)).code, 130);
    host.configure(&configuration("nothing", ""));
    let next = host.run(&["run", "task"]);
    assert!(next.stderr.contains("of task was interrupted: its host ended in the middle"), "{next:?}");
    works_again(&host);
}

#[test]
fn a_killed_host_leaves_no_program_no_lock_and_no_run_that_goes_on_for_ever() {
    let mark = unique();
    let host = host("program", &mark);
    let running = host.start(&["run", "task"]);
    eventually("the program runs", || !processes_with(&mark).is_empty());
    let listed = host.history(&[]);
    assert_eq!(listed[0]["course"], "running", "{listed:?}");
    let run = listed[0]["run_id"].as_str().expect("a run").to_owned();
    running.signal(Signal::KILL);
    assert_eq!(running.end_within(END).code, -1);
    eventually("the program died with its host", || processes_with(&mark).is_empty());
    host.configure(&configuration("nothing", ""));
    let next = host.run(&["run", "task"]);
    assert_eq!(next.code, 0, "the lock is free: {next:?}");
    let said = format!("the run {run} of task was interrupted: its host ended in the middle");
    assert!(next.stderr.contains(&said), "{next:?}");
    assert!(!host.run(&["run", "task"]).stderr.contains(&run), "it is said once");
    let kept = host.history(&[]).into_iter().find(|kept| kept["run_id"] == run.as_str()).expect("it is kept");
    assert_eq!((&kept["course"], &kept["verdict"]), (&"interrupted".into(), &"unknown".into()));
    let shown = host.run(&["history", &run]);
    assert!(format!("{}{}", shown.stdout, shown.stderr).contains("interrupted"), "{shown:?}");
    let left = fs::read_dir(host.path().join("state/locks/hosts")).expect("the hosts' locks").count();
    assert_eq!(left, 0, "nothing of the dead host is left");
    works_again(&host);
}
