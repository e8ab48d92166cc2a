//! node-runtime: the real node's options, and real releases that the real npm installs from a registry of the test's own.
//! systemd does not run in a container: a stand-in says what systemctl says there and where it runs.

use std::{fs, os::unix::fs::symlink, path::PathBuf, process::Command, time::Duration};

use hostler_tests::{Hostler, Output, Signal, eventually};
use serde_json::json;

use crate::registry::{Content, Registry, executable, node, real};

/// As systemd prints it; the memory limit is small beside the heap.
const SHOWN: &str = "Id=shop.service\nLoadState=loaded\nExecStart={ path=/usr/bin/node ; argv[]=/usr/bin/node app.js ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }\nEnvironment=TOKEN=hunter2 \"NODE_OPTIONS=--max-old-space-size=900 --optimize-for-size --require=/srv/hunter2.js\"\nMemoryMax=1073741824\n";

struct Site {
    host: Hostler,
    registry: Registry,
}

fn version() -> String {
    node("process.version").trim_start_matches('v').to_owned()
}

fn major() -> String {
    node("process.versions.node.split('.')[0]")
}

/// With a schedule in which the machine's line lives long, whatever the day is.
fn site(more_settings: &str) -> Site {
    let registry = Registry::start(&json!({}));
    let quoted = |text: &str| format!("{text:?}");
    let show = ["show", "--no-pager", "--property=Id,LoadState,ExecStart,Environment,MemoryMax", "*.service"];
    let configuration = format!(
        r#"[program.node]
path = {node:?}
allow = [
    {{ arguments = ["-p", "JSON.stringify([process.version,process.arch,[...process.allowedNodeEnvironmentFlags]])"], effect = "reads" }},
    {{ arguments = ["-p", "require(\"fs\").readlinkSync(process.argv[1]+\"/current\")", "{{path}}"], effect = "reads" }},
    {{ arguments = ["-p", "require(\"child_process\").execFileSync(process.argv[1]+\"/bin/node\",[\"-p\",\"process.version\"]).toString().trim()", "{{path}}"], effect = "reads" }},
    {{ arguments = ["-e", "const f=require(\"fs\"),a=process.argv;f.mkdirSync(a[1]);f.symlinkSync(a[2],a[1]+\"/current\");a[3]&&f.symlinkSync(a[3],a[1]+\"/back\")", "{{output}}", "{{text}}", "..."] }},
]
[program.npm]
path = {npm:?}
network = true
variables = {{ npm_config_registry = {registry:?} }}
allow = [
    {{ arguments = ["view", "--json", "{{text}}", "version"], effect = "reads" }},
    {{ arguments = ["install", "--global", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix={{output}}", "{{text}}"] }},
]
[program.check]
path = "{{directory}}/check"
allow = [{{ arguments = [] }}]
[program.systemctl]
path = "{{directory}}/systemctl"
allow = [{{ arguments = [{show}], effect = "reads" }}]
[directory.releases]
path = "{{directory}}/releases"
[directory.shop]
path = "{{directory}}/shop"
[directory.environment]
path = "{{directory}}/environment"
[tasks.task]
plugin = "node-runtime"
bind = {{ node = "program.node", link = "program.node", registry = "program.npm", npm = "program.npm", check = "program.check", systemctl = "program.systemctl", releases = "directory.releases", projects = ["directory.shop"], environments = ["directory.environment"], machine = "machine" }}
settings = {{ schedule = {{ {major} = "2099-01-01", 12 = "2099-01-01" }}, {more_settings} }}
"#,
        node = real("node"),
        npm = real("npm"),
        registry = registry.url(),
        show = show.map(quoted).join(", "),
        major = major(),
    );
    let host = Hostler::new(&configuration);
    for name in ["releases", "shop", "environment"] {
        fs::create_dir(host.path().join(name)).expect("a directory");
    }
    let site = Site { host, registry };
    site.script("check", "exit 0");
    site.script("systemctl", "printf 'Id=a.service\\nLoadState=loaded\\n'");
    site.host.install(&["node-runtime"]);
    site
}

impl Site {
    fn script(&self, name: &str, text: &str) {
        let path = self.host.path().join(name);
        let _ = fs::remove_file(&path);
        executable(&path, &format!("#!/bin/sh\n{text}\n"));
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.host.path().join(name), text).expect("a file");
    }

    fn run(&self, command: &str) -> Output {
        self.host.run(&[command, "task", "--format", "json"])
    }

    fn release(&self, name: &str) -> PathBuf {
        self.host.path().join("releases").join(name)
    }

    fn current(&self) -> Option<String> {
        fs::read_link(self.release("current")).ok().map(|path| path.display().to_string())
    }

    /// The release that services use before.
    fn old(&self) {
        fs::create_dir_all(self.release("12.22.0/bin")).expect("a directory");
        symlink("12.22.0", self.release("current")).expect("a link");
    }

    /// Publishes the machine's own node as a release of its line, and says which.
    fn publish(&self) -> String {
        let package = format!("node-linux-{}", node("process.arch"));
        let about = json!({"name": package, "version": version(), "bin": {"node": "bin/node"}});
        self.registry.publish(&about, &[("bin/node", Content::Copy(&real("node")))]);
        version()
    }

    /// Publishes a release that does not start.
    fn publish_broken(&self, version: &str) {
        let package = format!("node-linux-{}", node("process.arch"));
        let about = json!({"name": package, "version": version, "bin": {"node": "bin/node"}});
        self.registry
            .publish(&about, &[("bin/node", Content::Program("#!/bin/sh\necho 'GLIBC_2.99 not found' >&2\nexit 1\n"))]);
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.release("")).expect("it is there").flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// Lines 223 to 226 of the guide, put into an environment as they stand: the real node does not start with them.
#[test]
fn the_guides_options_stop_every_start_and_are_found_before_it() {
    let started =
        Command::new(real("node")).args(["-e", "0"]).env("NODE_OPTIONS", "--optimize-for-size").output().expect("node");
    assert_eq!(started.status.code(), Some(9), "{started:?}");
    assert!(String::from_utf8_lossy(&started.stderr).contains("is not allowed in NODE_OPTIONS"), "{started:?}");

    let site = site("heap_warning = \"~:1000000\", heap_critical = \"~:1000000\"");
    let guide = "export NODE_OPTIONS=\"--max-old-space-size=4096\"\nexport NODE_OPTIONS=\"$NODE_OPTIONS --optimize-for-size\"\n";
    site.write("environment/node.sh", guide);
    let run = site.run("plan");
    assert_eq!(
        (run.code, run.findings("task")),
        (2, vec!["critical option-not-allowed environment/node.sh".to_owned()]),
        "{run:?}"
    );
    assert!(run.stdout.contains("--optimize-for-size is not allowed in NODE_OPTIONS"), "{run:?}");
    // What is left when the advice is followed starts.
    site.write("environment/node.sh", "NODE_OPTIONS=--max-old-space-size=4096\n");
    let healed = site.run("plan");
    assert_eq!((healed.code, healed.findings("task").len()), (0, 0), "{healed:?}");
}

#[test]
fn services_are_held_against_node_and_their_memory_and_no_value_is_shown() {
    let site = site("");
    site.write("shown", SHOWN);
    site.script("systemctl", &format!("cat <<'END'\n{SHOWN}END"));
    site.write("environment/huge", "NODE_OPTIONS='--max-old-space-size=99999999'\n");
    let run = site.run("plan");
    assert_eq!(
        run.findings("task"),
        [
            "critical option-not-allowed shop.service",
            "warning heap-over-limit shop.service",
            "critical heap-over-limit environment/huge"
        ],
        "{run:?}"
    );
    assert!(!run.stdout.contains("hunter2"), "{run:?}");
    site.script(
        "systemctl",
        "echo \"System has not been booted with systemd as init system (PID 1). Can't operate.\" >&2; exit 1",
    );
    let unseen = site.run("plan");
    assert!(unseen.findings("task").contains(&"unknown services-unseen systemctl".to_owned()), "{unseen:?}");
}

#[test]
fn the_version_in_use_is_held_against_the_projects_and_the_schedule() {
    let site = site("");
    site.write("shop/.nvmrc", &format!("v{}\n", version()));
    site.write("shop/package.json", &json!({"engines": {"node": format!(">={}", major())}}).to_string());
    assert_eq!(site.run("plan").code, 0);
    site.write("shop/.nvmrc", "14\n");
    site.write("shop/package.json", "{\"engines\":{\"node\":\"^12.1 || 14.x\"}}");
    let text = fs::read_to_string(site.host.configuration()).expect("a configuration");
    site.host
        .configure(&text.replace(&format!("{} = \"2099-01-01\"", major()), &format!("{} = \"2025-04-30\"", major())));
    let run = site.run("plan");
    assert_eq!(
        run.findings("task"),
        ["critical end-of-life node", "warning version-differs shop/.nvmrc", "warning engines-unmet shop/package.json"],
        "{run:?}"
    );
}

#[test]
fn a_release_is_installed_beside_the_old_one_and_switched_to_once() {
    let site = site(&format!("line = \"{}\"", major()));
    site.old();
    let new = site.publish();
    let plan = site.run("plan");
    assert!(plan.code == 0 && plan.stdout.contains(&format!("{new} would be installed beside 12.22.0")), "{plan:?}");
    assert_eq!((site.names(), site.current().as_deref()), (vec!["12.22.0".into(), "current".into()], Some("12.22.0")));

    let run = site.run("run");
    assert_eq!((run.code, run.findings("task").len()), (0, 0), "{run:?}");
    assert_eq!(site.current().as_deref(), Some(new.as_str()));
    assert_eq!(site.names(), ["12.22.0", new.as_str(), "current"]);
    let started =
        Command::new(site.release("current/bin/node")).args(["-p", "process.version"]).output().expect("it starts");
    assert_eq!(String::from_utf8_lossy(&started.stdout).trim(), format!("v{new}"));

    let again = site.run("run");
    assert!(again.code == 0 && again.stdout.contains("the newest of line"), "{again:?}");
    assert_eq!(site.names(), ["12.22.0", new.as_str(), "current"]);

    // A newer one that does not start is never switched to.
    let broken = format!("{}.999.0", major());
    site.publish_broken(&broken);
    let run = site.run("run");
    assert_eq!((run.code, run.findings("task")), (2, vec![format!("critical release-broken {broken}")]), "{run:?}");
    assert!(run.stdout.contains("GLIBC_2.99 not found"), "{run:?}");
    assert_eq!(site.current().as_deref(), Some(new.as_str()));
}

#[test]
fn where_the_check_fails_the_link_leads_back_and_it_is_not_tried_each_night() {
    let site = site(&format!("line = \"{}\"", major()));
    site.old();
    let new = site.publish();
    site.script("check", "echo 'the shop answers 502' >&2; exit 1");
    let run = site.run("run");
    assert_eq!((run.code, run.findings("task")), (2, vec![format!("critical check-failed {new}")]), "{run:?}");
    assert!(run.stdout.contains("the shop answers 502"), "{run:?}");
    assert_eq!(site.current().as_deref(), Some("12.22.0"));
    assert_eq!(site.names(), ["12.22.0", new.as_str(), "current"]);
    let again = site.run("run");
    assert_eq!((again.code, again.findings("task")), (1, vec![format!("warning check-failed {new}")]), "{again:?}");
    assert_eq!(site.current().as_deref(), Some("12.22.0"));
    // Its directory removed, it is tried anew.
    fs::remove_dir_all(site.release(&new)).expect("it is removed");
    site.script("check", "exit 0");
    let run = site.run("run");
    assert_eq!((run.code, site.current().as_deref()), (0, Some(new.as_str())), "{run:?}");
}

#[test]
fn a_run_that_was_killed_in_its_check_is_taken_up_where_it_ended() {
    let site = site(&format!("line = \"{}\"", major()));
    site.old();
    let new = site.publish();
    site.script("check", "exec sleep 600");
    let running = site.host.start(&["run", "task", "--format", "json"]);
    eventually("the link leads to the new release", || site.current().as_deref() == Some(new.as_str()));
    running.signal(Signal::KILL);
    running.end_within(Duration::from_secs(10));
    assert!(site.release(".switch").exists(), "the way back is kept");
    site.script("check", "exit 1");
    let failed = site.run("run");
    assert_eq!((failed.code, failed.findings("task")), (2, vec![format!("critical check-failed {new}")]), "{failed:?}");
    assert_eq!((site.current().as_deref(), site.release(".switch").exists()), (Some("12.22.0"), false));
}

#[test]
fn the_first_release_needs_no_other_and_what_is_no_link_is_left_alone() {
    let site = site(&format!("line = \"{}\"", major()));
    let new = site.publish();
    site.script("check", "exit 1");
    let failed = site.run("run");
    assert_eq!((failed.code, site.current()), (2, None), "there was none, and there is none again: {failed:?}");
    fs::create_dir(site.release("current")).expect("a directory");
    let run = site.run("run");
    assert_eq!((run.code, run.findings("task")), (3, vec!["unknown current-no-link releases".to_owned()]), "{run:?}");
    assert!(site.release("current").is_dir() && site.names().contains(&new));
}

#[test]
fn what_cannot_be_installed_is_told_and_nothing_is_changed() {
    let site = site(&format!("line = \"{}\"", major()));
    site.old();
    let unseen = site.run("run");
    assert_eq!(
        (unseen.code, unseen.findings("task")),
        (3, vec!["unknown release-unseen releases".to_owned()]),
        "{unseen:?}"
    );
    let text = fs::read_to_string(site.host.configuration()).expect("a configuration");
    site.host.configure(&text.replace(&format!("line = \"{}\"", major()), "line = \"18\""));
    let ended = site.run("run");
    assert_eq!((ended.code, ended.findings("task")), (2, vec!["critical line-ended 18".to_owned()]), "{ended:?}");
    site.host.configure(&text.replace(&format!("line = \"{}\"", major()), "line = \"new\""));
    let wrong = site.run("run");
    assert!(wrong.code == 3 && wrong.stdout.contains("no release line"), "{wrong:?}");
    assert_eq!(site.names(), ["12.22.0", "current"]);
}
