//! Files that are no plugin that this host would run, plugins that were changed, and tasks that do not fit theirs.

use std::{fs, path::Path};

use hostler_tests::{Hostler, Output, made, manifest};

const TASK: &str = "hostler:plugin/task@0.1.0";
const DATABASE: &str = "[requests.database]\nkind = \"postgres\"\nreason = \"look at it\"\nread = [\"public.*\"]\n";

fn install(host: &Hostler, bytes: &[u8], options: &[&str]) -> Output {
    let path = host.path().join("plugin.wasm");
    fs::write(&path, bytes).expect("a file");
    host.run(&[&["install", &path.display().to_string()], options].concat())
}

fn stored(host: &Hostler) -> Vec<std::path::PathBuf> {
    let plugins = host.path().join("state/registry/plugins");
    fs::read_dir(plugins).map(|files| files.flatten().map(|file| file.path()).collect()).unwrap_or_default()
}

#[test]
fn what_does_not_fit_the_contract_is_not_installed_and_leaves_nothing() {
    let whole = manifest("test-made", "1.0.0", "");
    let cases: [(&str, Vec<u8>, &[&str]); 9] = [
        (
            "imports without a request",
            made(&["hostler:plugin/postgres@0.1.0"], TASK, Some(&whole)),
            &["imports `postgres`", "no request of kind postgres", "add one"],
        ),
        (
            "imports that nobody serves",
            made(&["somebody:else/thing@1.0.0"], TASK, Some(&whole)),
            &["imports `somebody:else/thing@1.0.0`", "does not serve"],
        ),
        (
            "the export is missing",
            made(&[], "somebody:else/thing@1.0.0", Some(&whole)),
            &["does not export `hostler:plugin/task", "every plugin has"],
        ),
        (
            "another version of the contract",
            made(&["hostler:plugin/machine@0.2.0"], "hostler:plugin/task@0.2.0", Some(&whole)),
            &["version 0.2.0 of the contract", "this host serves 0.1.0"],
        ),
        ("no manifest", made(&[], TASK, None), &["no manifest", "hostler pack"]),
        ("a manifest that is no TOML", made(&[], TASK, Some("[plugin\nname")), &["manifest is damaged", "line 1"]),
        (
            "a manifest with an unknown key",
            made(&[], TASK, Some(&whole.replace("license", "licence"))),
            &["manifest is damaged", "licence"],
        ),
        (
            "a manifest whose name leads elsewhere",
            made(&[], TASK, Some(&whole.replace("test-made", "../test"))),
            &["`plugin.name`"],
        ),
        (
            "a manifest that only looks and asks to change",
            made(&[], TASK, Some(&format!("{whole}{DATABASE}statements = [\"VACUUM\"]\nwrite = [\"*.*\"]\n"))),
            &["mode"],
        ),
    ];
    let host = Hostler::new("");
    for (what, bytes, said) in cases {
        let refused = install(&host, &bytes, &["--accept"]);
        assert_eq!(refused.code, 69, "{what}: {refused:?}");
        assert!(refused.stderr.contains("plugin.wasm: "), "which file: {what}: {refused:?}");
        for words in said {
            assert!(refused.stderr.contains(words), "{what}: {words}: {refused:?}");
        }
        let file = host.path().join("plugin.wasm").display().to_string();
        let checked = host.run(&["check", &file, "--accept"]);
        assert_eq!(checked.code, 69, "nor is it run by check: {what}: {checked:?}");
    }
    assert!(stored(&host).is_empty() && host.run(&["list"]).stdout.contains("no plugin is installed"));
}

#[test]
fn a_file_that_is_not_what_the_lock_says_is_not_run() {
    let host = Hostler::new(
        "[tasks.bad]\nplugin = \"example-connections\"\nbind.database = \"postgres.main\"\n\
         [postgres.main]\ndsn = \"host=127.0.0.1\"\n\
         [tasks.good]\nplugin = \"example-empty\"\n[procedures.all]\ntasks = [\"bad\", \"good\"]\n",
    );
    host.install(&["example-empty", "example-connections"]);
    let file = stored(&host).into_iter().find(|path| path.to_string_lossy().contains("connections")).expect("a file");
    let replace = |bytes: &[u8]| {
        fs::remove_file(&file).expect("it is there");
        fs::write(&file, bytes).expect("replaced");
    };
    let original = fs::read(&file).expect("a file");
    let mut changed = original.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    replace(&changed);
    let alone = host.run(&["run", "bad"]);
    assert_eq!(alone.code, 69, "{alone:?}");
    for words in ["`example-connections` was changed", "its digest is", "install the plugin again"] {
        assert!(alone.stderr.contains(words), "{words}: {alone:?}");
    }
    let all = host.run(&["run", "all", "--format", "json"]);
    assert_eq!((all.code, &all.task("bad")["course"]), (3, &"not-started".into()), "{all:?}");
    assert_eq!(all.task("good")["verdict"], "ok", "one plugin's file is no other's: {all:?}");
    fs::remove_file(&file).expect("it is there");
    let missing = host.run(&["run", "bad"]);
    assert!(missing.code == 69 && missing.stderr.contains("is missing; install the plugin again"), "{missing:?}");
    host.install(&["example-connections"]);
    assert_eq!(host.run(&["verify"]).code, 0);
}

#[test]
fn an_upgrade_that_asks_for_more_stops_and_prints_the_difference() {
    let host = Hostler::new("");
    let version = |number: &str, requests: &str| made(&[], TASK, Some(&manifest("test-made", number, requests)));
    let first = install(&host, &version("1.0.0", DATABASE), &["--accept"]);
    assert!(first.code == 0 && first.stderr.contains("to look at it"), "{first:?}");
    let same = install(&host, &version("1.0.1", DATABASE), &[]);
    assert_eq!(same.code, 0, "what asks for nothing more needs no consent: {same:?}");
    let more = format!("{DATABASE}statements = [\"VACUUM\"]\nwrite = [\"public.orders\"]\n");
    let stopped = install(&host, &version("1.1.0", &more), &[]);
    assert_eq!(stopped.code, 69, "{stopped:?}");
    for words in ["asks for more", "+ database.statements: VACUUM", "+ database.write: public.orders", "--accept"] {
        assert!(stopped.stderr.contains(words), "{words}: {stopped:?}");
    }
    assert!(host.run(&["list"]).stdout.contains("1.0.1"), "the old one stays");
    let accepted = install(&host, &version("1.1.0", &more), &["--accept"]);
    assert!(accepted.code == 0 && accepted.stderr.contains("+ database.statements: VACUUM"), "{accepted:?}");
    assert!(host.run(&["list"]).stdout.contains("1.1.0"));
    let older = install(&host, &version("1.0.0", DATABASE), &["--accept"]);
    assert!(older.code == 69 && older.stderr.contains("is older"), "{older:?}");
    let replaced = install(&host, &version("1.1.0", DATABASE), &["--accept"]);
    assert!(replaced.code == 69 && replaced.stderr.contains("one version is one file"), "{replaced:?}");
    assert_eq!(install(&host, &version("1.0.0", DATABASE), &["--accept", "--replace"]).code, 0);
    assert_eq!(stored(&host).len(), 1);
}

#[test]
fn a_task_that_does_not_fit_its_plugin_names_file_line_and_key() {
    let main = "[postgres.main]\ndsn = \"host=127.0.0.1 dbname=shop\"\n[redis.cache]\nurl = \"redis://127.0.0.1\"\n";
    let cases = [
        ("", "tasks.task.bind.database` is missing: the plugin asks for a resource of kind postgres, to choose tables"),
        ("bind.database = \"redis.cache\"", "has to be of kind postgres, and `cache` is of kind redis"),
        (
            "bind = { database = \"postgres.main\", server = \"redis.cache\" }",
            "`tasks.task.bind.server` is not a request",
        ),
        ("bind.databse = \"postgres.main\"", "did you mean `database`?"),
        (
            "bind.database = { resource = \"postgres.main\", statements = [\"VACUUM\", \"REINDEX\"] }",
            "`tasks.task.bind.database.statements` is wider than the plugin's request: `REINDEX` is not covered",
        ),
        (
            "bind.database = { resource = \"postgres.main\", read = [\"public.orders\"] }",
            "`tasks.task.bind.database.read` is wider than the plugin's request: `public.orders` is not covered",
        ),
        (
            "bind.database = { resource = \"postgres.main\", connections = 9 }",
            "`tasks.task.bind.database.connections` is wider than the plugin's request: `9` is not covered, it asks for 2",
        ),
        ("bind.database = [\"postgres.main\", \"postgres.other\"]", "takes one resource, and 2 are bound to it"),
    ];
    let host = Hostler::new("");
    host.install(&["postgres-vacuum"]);
    for (binding, said) in cases {
        let other = "[postgres.other]\ndsn = \"host=127.0.0.2\"\n";
        host.configure(&format!("{main}{other}[tasks.task]\nplugin = \"postgres-vacuum\"\n{binding}\n"));
        for command in ["run", "plan"] {
            let refused = host.run(&[command, "task"]);
            assert_eq!(refused.code, 78, "{binding}: {refused:?}");
            assert!(refused.stderr.contains(said), "{binding}: {refused:?}");
            assert!(refused.stderr.contains("hostler.toml:"), "with its line: {refused:?}");
        }
    }
    assert!(host.history(&[]).is_empty(), "nothing ran");
    assert!(!Path::new(&host.path().join("state/audit/audit.jsonl")).exists() || audit_is_empty(&host));
}

fn audit_is_empty(host: &Hostler) -> bool {
    fs::read_to_string(host.path().join("state/audit/audit.jsonl")).is_ok_and(|audit| audit.trim().is_empty())
}
