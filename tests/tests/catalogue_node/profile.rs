//! node-profile: real scripts under the real node's profiler, and a real process that a bound program attaches to.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use hostler_tests::{Hostler, Output, Signal, eventually, free_port};
use serde_json::Value;

use crate::{
    registry::{executable, real},
    text_of,
};

const FUNCTIONS: &str = "exports.veryHot = (n) => { let sum = 0; for (let i = 0; i < n; i++) sum += Math.sqrt(i) * Math.sin(i); return sum; };\n\
                         exports.cold = (n) => { let sum = 0; for (let i = 0; i < n; i++) sum += i; return sum; };\n";
const WORK: &str = "const { veryHot, cold } = require('./functions.js');\nlet x = 0;\nfunction round() { x += veryHot(200000) + cold(1000); }\n";

fn site(more: &str) -> Hostler {
    let host = Hostler::new(&format!(
        r#"[directory.app]
path = "{{directory}}/app"
[directory.profiles]
path = "{{directory}}/profiles"
[program.node]
path = {node:?}
allow = [
    {{ arguments = ["{{path}}", "{{path}}", "{{output}}", "{{1-3600}}", "{{50-1000000}}"] }},
    {{ arguments = ["{{path}}", "{{path}}", "{{output}}", "{{1-3600}}", "{{50-1000000}}", "{{text}}", "..."] }},
]
[program.attach]
path = "{{directory}}/attach"
network = true
allow = [{{ arguments = ["{{text}}", "{{1-3600}}", "{{output}}"] }}]
[tasks.task]
plugin = "node-profile"
bind = {{ node = "program.node", application = "directory.app", attach = "program.attach", profiles = "directory.profiles" }}
settings = {{ {more} }}
"#,
        node = real("node")
    ));
    for name in ["app", "profiles"] {
        fs::create_dir(host.path().join(name)).expect("a directory");
    }
    fs::write(host.path().join("app/functions.js"), FUNCTIONS).expect("a script");
    host.install(&["node-profile"]);
    host
}

fn script(host: &Hostler, text: &str) {
    fs::write(host.path().join("app/app.js"), text).expect("a script");
}

fn run(host: &Hostler, command: &str) -> Output {
    host.run(&[command, "task", "--format", "json"])
}

fn profiles(host: &Hostler) -> Vec<String> {
    let entries = fs::read_dir(host.path().join("profiles")).expect("it is there").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The function that the table names first, and its share.
fn hottest(run: &Output) -> (String, f64) {
    let table = run.task("task")["reported"]["tables"][0].clone();
    let cell = |column: usize| table["rows"][0][column].as_str().unwrap_or_default().to_owned();
    (cell(0), cell(3).trim_end_matches(" %").parse().unwrap_or_default())
}

fn graph(run: &Output) -> String {
    let attached: &Value = &run.task("task")["reported"]["attachments"][0];
    assert_eq!(attached["media_type"], "image/svg+xml", "{run:?}");
    let svg = text_of(attached);
    roxmltree::Document::parse(&svg).expect("it is XML");
    svg
}

#[test]
fn a_script_with_one_hot_function_shows_it_on_top() {
    let host = site("script = \"app.js\", arguments = [\"1200\"], duration = \"60s\"");
    script(
        &host,
        &format!("{WORK}const end = Date.now() + Number(process.argv[2]);\nwhile (Date.now() < end) round();\n"),
    );
    let plan = run(&host, "plan");
    assert!(plan.code == 0 && plan.stdout.contains("app.js would run for 60 s at most"), "{plan:?}");
    assert!(profiles(&host).is_empty(), "a plan runs nothing");

    let run_one = run(&host, "run");
    assert_eq!((run_one.code, run_one.findings("task").len()), (0, 0), "{run_one:?}");
    assert!(
        run_one.stdout.contains("ended by itself") && run_one.stdout.contains("hottest is exports.veryHot"),
        "{run_one:?}"
    );
    let (name, share) = hottest(&run_one);
    assert!(name == "exports.veryHot" && share > 60.0, "{name} {share}");
    let svg = graph(&run_one);
    assert!(svg.contains("/app/functions.js:1 (") && !svg.contains("<script"), "{svg}");
    // The profile stays to be opened elsewhere, and the next takes its place.
    assert_eq!(profiles(&host), ["script.cpuprofile"]);
    assert_eq!(run(&host, "run").code, 0);
    assert_eq!(profiles(&host), ["script.cpuprofile"]);
}

/// One waits for events, as a server does; the other never lets go of its thread. node itself writes nothing for either.
#[test]
fn a_script_that_never_ends_is_ended_at_its_time_and_told() {
    let host = site("script = \"app.js\", duration = \"2s\"");
    for endless in ["setInterval(() => { round(); }, 5);\n", "for (;;) round();\n"] {
        script(&host, &format!("{WORK}{endless}"));
        let began = Instant::now();
        let ended = run(&host, "run");
        assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
        assert_eq!((ended.code, ended.findings("task").len()), (0, 0), "{endless}: {ended:?}");
        assert!(ended.stdout.contains("ended when its time was up, after 2"), "{endless}: {ended:?}");
        assert_eq!(hottest(&ended).0, "exports.veryHot", "{endless}");
    }
    // What waits in the system answers nobody: it is ended all the same, and there is no profile to show.
    script(&host, "require('child_process').execSync('sleep 100');\n");
    let stuck = run(&host, "run");
    assert_eq!((stuck.code, stuck.findings("task")), (3, vec!["unknown no-profile app.js".to_owned()]), "{stuck:?}");
    assert!(stuck.stdout.contains("was ended by SIGKILL"), "{stuck:?}");
}

#[test]
fn a_script_that_fails_or_does_nothing_is_told() {
    let host = site("script = \"app.js\", duration = \"30s\"");
    script(&host, &format!("{WORK}for (let i = 0; i < 40; i++) round();\nthrow new Error('no database');\n"));
    let failed = run(&host, "run");
    assert_eq!(
        (failed.code, failed.findings("task")),
        (1, vec!["warning script-failed app.js".to_owned()]),
        "{failed:?}"
    );
    assert!(failed.stdout.contains("no database") && hottest(&failed).0 == "exports.veryHot", "{failed:?}");
    script(&host, "");
    let nothing = run(&host, "run");
    assert!(nothing.findings("task").iter().all(|finding| finding == "unknown too-few-samples app.js"), "{nothing:?}");
    fs::remove_file(host.path().join("app/app.js")).expect("it is removed");
    let absent = run(&host, "run");
    assert!(absent.code == 3 && !profiles(&host).contains(&"profile.mjs".to_owned()), "{absent:?}");
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&text.replace("script = \"app.js\", ", ""));
    let none = run(&host, "run");
    assert_eq!((none.code, none.findings("task")), (3, vec!["unknown nothing-to-profile task".to_owned()]), "{none:?}");
    host.configure(&text.replace("\"app.js\"", "\"../app.js\""));
    assert!(run(&host, "run").stdout.contains("no place below `application`"));
}

#[test]
fn a_run_that_was_killed_leaves_no_half_profile_and_no_script_behind() {
    let host = site("script = \"app.js\", duration = \"600s\"");
    script(&host, &format!("{WORK}setInterval(round, 50);\n"));
    let running = host.start(&["run", "task", "--format", "json"]);
    let path = host.path().join("app/app.js").display().to_string();
    // bubblewrap has the path among its own arguments too.
    eventually("the script runs", || hostler_tests::processes_with(&path).len() > 3);
    running.signal(Signal::KILL);
    running.end_within(Duration::from_secs(10));
    eventually("the script ended with the host", || hostler_tests::processes_with(&path).is_empty());
    assert!(!profiles(&host).contains(&"script.cpuprofile".to_owned()));
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&text.replace("600s", "1s"));
    assert_eq!(run(&host, "run").code, 0);
    assert_eq!(profiles(&host), ["script.cpuprofile"], "what was left is cleared away");
}

/// Talks to the inspector of a running process, as an operator's own program would.
const ATTACH: &str = r#"#!/usr/bin/env -S node --experimental-websocket
const [port, seconds, file] = process.argv.slice(2);
fetch(`http://127.0.0.1:${port}/json/list`).then((answer) => answer.json()).then(([target]) => {
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  const send = (id, method) => socket.send(JSON.stringify({ id, method }));
  socket.onopen = () => { send(1, "Profiler.enable"); send(2, "Profiler.start"); setTimeout(() => send(3, "Profiler.stop"), seconds * 1000); };
  socket.onmessage = ({ data }) => {
    const answer = JSON.parse(data);
    if (answer.id !== 3) return;
    require("fs").writeFileSync(file, JSON.stringify(answer.result.profile));
    process.exit(0);
  };
}).catch((error) => { console.error(String(error.cause ?? error)); process.exit(1); });
"#;

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn attach(host: &Hostler, text: &str) -> PathBuf {
    let path = host.path().join("attach");
    let _ = fs::remove_file(&path);
    executable(&path, text);
    path
}

#[test]
fn a_running_process_is_looked_at_by_the_program_that_is_bound_for_it() {
    let port = free_port();
    let host = site(&format!("process = \"{port}\", duration = \"1s\""));
    attach(&host, ATTACH);
    let away = run(&host, "run");
    assert_eq!((away.code, away.findings("task")), (3, vec![format!("unknown no-profile {port}")]), "{away:?}");
    assert!(away.stdout.contains("ECONNREFUSED"), "{away:?}");

    script(&host, &format!("{WORK}setInterval(round, 1);\n"));
    let child = Command::new(real("node"))
        .arg(format!("--inspect=127.0.0.1:{port}"))
        .arg(host.path().join("app/app.js"))
        .stderr(Stdio::null())
        .spawn()
        .expect("node");
    let mut process = Process(child);
    eventually("the inspector listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let looked = run(&host, "run");
    assert_eq!((looked.code, looked.findings("task").len()), (0, 0), "{looked:?}");
    assert_eq!(hottest(&looked).0, "exports.veryHot", "{looked:?}");
    assert!(graph(&looked).contains("veryHot"));
    assert!(process.0.try_wait().expect("its state").is_none(), "it runs on");
    assert_eq!(profiles(&host), ["process.cpuprofile"]);

    // perf and the like write folded stacks.
    attach(&host, "#!/bin/sh\nprintf 'main;work 30\\nmain 5\\n' > \"$3\"\n");
    let folded = run(&host, "run");
    assert!(folded.code == 0 && hottest(&folded).0 == "work", "{folded:?}");
    attach(&host, "#!/bin/sh\necho 'no stacks' > \"$3\"\n");
    let unread = run(&host, "run");
    assert_eq!(
        (unread.code, unread.findings("task")),
        (3, vec![format!("unknown profile-unread {port}")]),
        "{unread:?}"
    );
}
