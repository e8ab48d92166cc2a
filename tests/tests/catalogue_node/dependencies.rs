//! node-dependencies: a real project, the real npm, and a registry of the test's own.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use hostler_tests::{Hostler, Output, Signal, eventually};
use serde_json::{Value, json};

use crate::{
    registry::{Content, Registry, real},
    text_of,
};

struct Site {
    host: Hostler,
    registry: Registry,
}

/// `greeting` in 1.0.0, 1.1.0 and 2.0.0; `checker`, which the tests need and the application does not.
fn site(advisories: &Value, more: &str) -> Site {
    let registry = Registry::start(advisories);
    for (version, text) in [("1.0.0", "good day"), ("1.1.0", "good day!"), ("2.0.0", "hi")] {
        let package = json!({"name": "greeting", "version": version, "main": "index.js"});
        registry.publish(&package, &[("index.js", Content::Text(&format!("module.exports = '{text}';\n")))]);
    }
    let checker = "module.exports = (so) => { if (!so) { console.error('1 failing'); process.exit(1); } };\n";
    registry.publish(
        &json!({"name": "checker", "version": "1.0.0", "main": "index.js"}),
        &[("index.js", Content::Text(checker))],
    );
    let host = Hostler::new(&format!(
        r#"[directory.shop]
path = "{{directory}}/shop"
[directory.work]
path = "{{directory}}/work"
[program.npm]
path = {npm:?}
network = true
variables = {{ npm_config_registry = {url:?}, NODE_ENV = "production" }}
allow = [{{ arguments = ["outdated", "--json"], effect = "reads" }}]
[program.node]
path = {node:?}
network = true
variables = {{ npm_config_registry = {url:?}, NODE_ENV = "production" }}
allow = [{{ arguments = ["{{path}}", "{{path}}", "{{output}}", "{{text}}", "{{package-lock.json|npm-shrinkwrap.json}}", "{{update|fix|audit|install|test|build}}", "..."] }}]
[tasks.task]
plugin = "node-dependencies"
bind = {{ project = "directory.shop", npm = "program.npm", update = "program.node", work = "directory.work" }}
settings = {{ {more} }}
"#,
        npm = real("npm"),
        node = real("node"),
        url = registry.url(),
    ));
    for name in ["shop", "work"] {
        fs::create_dir(host.path().join(name)).expect("a directory");
    }
    host.install(&["node-dependencies"]);
    Site { host, registry }
}

impl Site {
    fn shop(&self) -> PathBuf {
        self.host.path().join("shop")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.shop().join(name), text).expect("a file");
    }

    /// npm as somebody in the project would run it.
    fn npm(&self, directory: &Path, arguments: &[&str]) -> (bool, String) {
        let output = Command::new(real("npm"))
            .args(arguments)
            .args(["--no-audit", "--no-fund"])
            .current_dir(directory)
            .env("npm_config_registry", self.registry.url())
            .env("npm_config_cache", self.host.path().join("npm-cache"))
            .output()
            .expect("npm");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), said)
    }

    /// A project that asks for `greeting` and, to be tested, for `checker`; locked at 1.0.0 and installed.
    fn project(&self, test: &str) {
        let manifest = |greeting: &str| {
            json!({
                "name": "shop", "version": "1.0.0",
                "scripts": {"test": "node test.js", "build": "node -e \"require('fs').mkdirSync('dist')\""},
                "dependencies": {"greeting": greeting}, "devDependencies": {"checker": "^1.0.0"},
            })
        };
        self.write("test.js", test);
        self.write("package.json", &format!("{:#}\n", manifest("1.0.0")));
        assert!(self.npm(&self.shop(), &["install"]).0);
        let lock = fs::read_to_string(self.shop().join("package-lock.json")).expect("a lock file");
        self.write("package.json", &format!("{:#}\n", manifest("^1.0.0")));
        self.write("package-lock.json", &lock.replace("\"greeting\": \"1.0.0\"", "\"greeting\": \"^1.0.0\""));
    }

    fn run(&self, command: &str) -> Output {
        self.host.run(&[command, "task", "--format", "json"])
    }

    /// Every file of the project, and what is in it.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(directory: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(directory).expect("it is there").flatten() {
                match entry.file_type().expect("a type").is_dir() {
                    true => walk(&entry.path(), files),
                    false => drop(files.insert(entry.path(), fs::read(entry.path()).unwrap_or_default())),
                }
            }
        }
        let mut files = BTreeMap::new();
        walk(&self.shop(), &mut files);
        files
    }

    fn work_is_empty(&self) -> bool {
        fs::read_dir(self.host.path().join("work")).expect("it is there").next().is_none()
    }
}

const PASSES: &str = "require('checker')(require('greeting').startsWith('good day'));\n";

fn patch_of(run: &Output) -> Option<String> {
    let attached = run.task("task")["reported"]["attachments"][0].clone();
    (attached["name"] == "dependencies.patch").then(|| text_of(&attached))
}

#[test]
fn updates_are_tried_on_a_copy_and_handed_back_as_a_patch() {
    let site = site(&json!({}), "");
    site.project(PASSES);
    let before = site.files();
    let plan = site.run("plan");
    assert_eq!((plan.code, plan.findings("task")), (1, vec!["warning major-behind greeting".to_owned()]), "{plan:?}");
    assert!(
        plan.stdout.contains("1 update within the ranges")
            && plan.stdout.contains("update, fix, audit, install, test, build")
    );
    assert!(site.files() == before && site.work_is_empty(), "a plan changes nothing");

    let run = site.run("run");
    assert_eq!((run.code, run.findings("task")), (1, vec!["warning major-behind greeting".to_owned()]), "{run:?}");
    assert!(site.files() == before && site.work_is_empty(), "the project is as it was");
    let patch = patch_of(&run).expect("a patch");
    assert!(patch.contains("greeting-1.1.0.tgz") && !patch.contains("2.0.0"), "{patch}");

    // The patch is for the project as it lies there, and what it makes can be installed.
    fs::write(site.host.path().join("dependencies.patch"), &patch).expect("a file");
    let patched = Command::new("git").args(["apply", "../dependencies.patch"]).current_dir(site.shop()).status();
    assert!(patched.expect("git").success());
    let (installed, said) = site.npm(&site.shop(), &["ci"]);
    assert!(installed, "{said}");
    let again = site.run("run");
    assert!(again.code == 1 && again.stdout.contains("nothing to update within the ranges"), "{again:?}");
    assert_eq!(patch_of(&again), None);
}

/// Lines 165 to 170 of the guide: what the tests need is left out, and then the tests are run.
#[test]
fn the_guide_leaves_out_what_the_tests_need_and_the_task_does_not() {
    let site = site(&json!({}), "");
    site.project(PASSES);
    let guide = site.host.path().join("as-the-guide-does-it");
    fs::create_dir(&guide).expect("a directory");
    for name in ["package.json", "package-lock.json", "test.js"] {
        fs::copy(site.shop().join(name), guide.join(name)).expect("a copy");
    }
    assert!(site.npm(&guide, &["update", "--omit=dev"]).0);
    let (passed, said) = site.npm(&guide, &["run", "test"]);
    assert!(!passed && said.contains("Cannot find module 'checker'"), "{said}");
    // NODE_ENV=production, which the programs are given here, leaves them out just so.
    let run = site.run("run");
    assert!(run.stdout.contains("passes its tests") && patch_of(&run).is_some(), "{run:?}");
}

#[test]
fn updates_that_break_the_tests_are_told_from_tests_that_are_broken() {
    let site = site(&json!({}), "ignore = [\"greeting\"]");
    site.project("require('checker')(require('greeting') === 'good day');\n");
    let before = site.files();
    let run = site.run("run");
    assert_eq!((run.code, run.findings("task")), (1, vec!["warning update-failed test".to_owned()]), "{run:?}");
    assert!(run.stdout.contains("1 failing") && patch_of(&run).is_none(), "{run:?}");
    site.write("test.js", "require('checker')(false);\n");
    let run = site.run("run");
    assert_eq!((run.code, run.findings("task")), (2, vec!["critical broken-before test".to_owned()]), "{run:?}");
    site.write("test.js", "require('checker')(require('greeting') === 'good day');\n");
    assert!(site.files() == before && site.work_is_empty());
}

#[test]
fn a_run_that_was_killed_leaves_the_project_as_it_was_and_the_next_clears_up() {
    let site = site(&json!({}), "ignore = [\"greeting\"]");
    site.project(&format!("{PASSES}require('fs').writeFileSync('begun', ''); setTimeout(() => {{}}, 600000);\n"));
    let before = site.files();
    let running = site.host.start(&["run", "task", "--format", "json"]);
    let work = site.host.path().join("work");
    let begun = || {
        let entries = fs::read_dir(&work).expect("it is there").flatten();
        entries.into_iter().any(|entry| entry.path().join("copy/begun").exists())
    };
    eventually("the tests run on the copy", begun);
    running.signal(Signal::KILL);
    running.end_within(Duration::from_secs(10));
    assert!(site.files() == before && !site.work_is_empty());
    site.write("test.js", PASSES);
    let run = site.run("run");
    assert!(run.code == 0 && patch_of(&run).is_some() && site.work_is_empty(), "{run:?}");
}

/// The whole directory is copied, so that what the project takes from beside it is there.
#[test]
fn a_project_that_needs_what_lies_beside_it_is_tried_with_it() {
    let site = site(&json!({}), "ignore = [\"greeting\"], path = \"apps/front\"");
    let front = site.shop().join("apps/front");
    fs::create_dir_all(&front).expect("a directory");
    fs::create_dir(site.shop().join("words")).expect("a directory");
    site.write("words/package.json", "{\"name\": \"words\", \"version\": \"1.0.0\", \"main\": \"index.js\"}");
    site.write("words/index.js", "module.exports = 'good day';\n");
    let manifest = json!({
        "name": "front", "version": "1.0.0",
        "scripts": {"test": "node -e \"require('greeting').startsWith(require('words')) || process.exit(1)\""},
        "dependencies": {"greeting": "1.0.0", "words": "file:../../words"},
    });
    site.write("apps/front/package.json", &format!("{manifest:#}\n"));
    assert!(site.npm(&front, &["install"]).0);
    for name in ["package.json", "package-lock.json"] {
        let text = fs::read_to_string(front.join(name)).expect("it is there");
        fs::write(front.join(name), text.replace("\"greeting\": \"1.0.0\"", "\"greeting\": \"^1.0.0\""))
            .expect("a file");
    }
    let run = site.run("run");
    assert_eq!((run.code, run.findings("task").len()), (0, 0), "{run:?}");
    assert!(patch_of(&run).is_some_and(|patch| patch.contains("+++ b/apps/front/package-lock.json")), "{run:?}");
    assert!(site.work_is_empty());
}

#[test]
fn what_is_known_to_be_vulnerable_is_put_right_where_the_range_allows_and_told_where_not() {
    let advisory = json!({"greeting": [{
        "id": 1, "url": "https://example.org/1", "title": "greets anybody", "severity": "high",
        "vulnerable_versions": "<2.0.0", "cwe": [], "cvss": {"score": 7.5, "vectorString": null},
    }]});
    let site = site(&advisory, "ignore = [\"greeting\"]");
    site.project(PASSES);
    let run = site.run("run");
    assert_eq!((run.code, run.findings("task")), (1, vec!["warning vulnerable npm audit".to_owned()]), "{run:?}");
    assert!(run.stdout.contains("1 known vulnerability left") && patch_of(&run).is_some(), "{run:?}");
}

#[test]
fn what_is_installed_and_locked_and_asked_for_is_held_against_one_another() {
    let site = site(&json!({}), "ignore = [\"greeting\"]");
    site.project(PASSES);
    // Somebody changed an installed package by hand, and package.json without npm.
    let installed = site.shop().join("node_modules/greeting/package.json");
    let text = fs::read_to_string(&installed).expect("it is installed");
    fs::write(&installed, text.replace("1.0.0", "1.0.9")).expect("a file");
    let manifest = fs::read_to_string(site.shop().join("package.json")).expect("it is there");
    site.write("package.json", &manifest.replace("\"^1.0.0\"", "\"^1.0.1\""));
    let plan = site.run("plan");
    assert_eq!(
        plan.findings("task"),
        ["warning lock-drift package-lock.json", "warning installed-drift node_modules"],
        "{plan:?}"
    );
    assert!(!site.npm(&site.shop(), &["ci"]).0, "the real npm refuses it too");
}

#[test]
fn without_a_lock_file_a_registry_or_tests_it_is_unknown_and_never_well() {
    let site = site(&json!({}), "ignore = [\"greeting\"]");
    site.project(PASSES);
    let manifest = fs::read_to_string(site.shop().join("package.json")).expect("it is there");
    site.write("package.json", &manifest.replace("node test.js", "echo \\\"Error: no test specified\\\" && exit 1"));
    let untested = site.run("run");
    assert_eq!(
        (untested.code, untested.findings("task")),
        (3, vec!["unknown not-tested package.json".to_owned()]),
        "{untested:?}"
    );
    site.write("package.json", &manifest);

    let text = fs::read_to_string(site.host.configuration()).expect("a configuration");
    site.host.configure(&text.replace(&site.registry.url(), "http://127.0.0.1:1/\", npm_config_fetch_retries = \"0"));
    let unseen = site.run("plan");
    assert_eq!(
        (unseen.code, unseen.findings("task")),
        (3, vec!["unknown outdated-unseen npm outdated".to_owned()]),
        "{unseen:?}"
    );
    site.host.configure(&text.replace("settings = { ", "settings = { path = \"../etc\", "));
    let outside = site.run("plan");
    assert!(outside.code == 3 && outside.stdout.contains("no place below the bound directory"), "{outside:?}");

    site.host.configure(&text);
    fs::remove_file(site.shop().join("package-lock.json")).expect("it is removed");
    let without = site.run("run");
    assert_eq!(
        (without.code, without.findings("task")),
        (3, vec!["unknown no-lock package-lock.json".to_owned()]),
        "{without:?}"
    );
    assert!(site.work_is_empty());
}
