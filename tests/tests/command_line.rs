//! The command line from outside: what bad input gets, and what is kept.

use std::fs;

use hostler_tests::{Hostler, component};

#[test]
fn init_writes_a_configuration_that_passes_its_own_check() {
    let host = Hostler::new("");
    fs::remove_file(host.configuration()).expect("it is there");
    assert_eq!(host.run(&["init"]).code, 0);
    assert_eq!(host.run(&["init"]).code, 64, "never over one that is there");
    let text = fs::read_to_string(host.configuration()).expect("it was written");
    assert!(text.contains("[postgres."));
    host.configure(&text);
    let list = host.run(&["list"]);
    assert_eq!(list.code, 0, "{list:?}");
}

#[test]
fn a_wrong_configuration_names_file_line_and_key_and_what_was_meant() {
    let cases = [
        ("this is not toml", "hostler.toml:"),
        ("[postgres.main]\ndns = \"x\"\n", "did you mean `dsn`"),
        ("[postgres.main]\ndsn = 5\n", "has to be text"),
        (
            "[tasks.a]\nplugin = \"p\"\nbind.database = \"postgres.mian\"\n[postgres.main]\ndsn = \"host=x\"\n",
            "postgres.main",
        ),
        ("[procedures.p]\nschedule = \"sometimes\"\ntasks = []\n", "schedule"),
        ("[procedures.p]\ntime_zone = \"Europe/Berlim\"\ntasks = []\n", "time_zone"),
        ("[tasks.a]\nplugin = \"p\"\n[tasks.a]\nplugin = \"q\"\n", "tasks"),
    ];
    for (text, said) in cases {
        let host = Hostler::new("");
        fs::write(host.configuration(), text).expect("a configuration");
        let refused = host.run(&["run", "anything"]);
        assert_eq!(refused.code, 78, "{text}: {refused:?}");
        assert!(refused.stderr.contains(said), "{text}: {refused:?}");
    }
    let host = Hostler::new("");
    fs::remove_file(host.configuration()).expect("it is there");
    let missing = host.run(&["run", "anything"]);
    assert!(missing.code == 78 && missing.stderr.contains("hostler init"), "{missing:?}");
    // A file that the superuser cannot read either.
    fs::create_dir(host.configuration()).expect("a directory");
    let unreadable = host.run(&["run", "anything"]);
    assert!(unreadable.code == 78 && unreadable.stderr.contains("hostler.toml: cannot be read"), "{unreadable:?}");
}

#[test]
fn what_is_no_plugin_is_not_installed() {
    let host = Hostler::new("");
    let cases: [(&str, &[u8], &str); 3] = [
        ("text.wasm", b"this is text", "not WebAssembly"),
        ("module.wasm", b"\0asm\x01\0\0\0", "core WebAssembly module"),
        ("bare.wasm", b"\0asm\x0d\0\x01\0", "no manifest"),
    ];
    for (name, bytes, said) in cases {
        let path = host.path().join(name);
        fs::write(&path, bytes).expect("a file");
        let refused = host.run(&["install", &path.display().to_string(), "--accept"]);
        assert_eq!(refused.code, 69, "{refused:?}");
        assert!(refused.stderr.contains(said), "{name}: {refused:?}");
    }
    assert!(host.run(&["list"]).stdout.contains("no plugin is installed"));
}

#[test]
fn an_installed_plugin_is_listed_shown_verified_and_removed_and_a_changed_file_is_found() {
    let host = Hostler::new("");
    let file = component("postgres-vacuum").display().to_string();
    assert_eq!(host.run(&["install", &file]).code, 69, "without a terminal nobody consented");
    host.install(&["postgres-vacuum"]);
    assert!(host.run(&["list"]).stdout.contains("postgres-vacuum"));
    assert!(host.run(&["show", "postgres-vacuum"]).stdout.contains("VACUUM"));
    assert_eq!(host.run(&["verify"]).code, 0);
    let plugins = host.path().join("state/registry/plugins");
    let stored = fs::read_dir(&plugins).expect("the registry").flatten().next().expect("a file").path();
    let mut bytes = fs::read(&stored).expect("a file");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::remove_file(&stored).expect("it may be removed");
    fs::write(&stored, bytes).expect("changed");
    assert_eq!(host.run(&["verify"]).code, 69);
    assert_eq!(host.run(&["remove", "postgres-vacuum"]).code, 0);
    assert!(host.run(&["remove", "postgres-vacuum"]).stderr.contains("not installed"));
}

#[test]
fn runs_are_kept_listed_and_shown_and_a_changed_audit_is_found() {
    let host = Hostler::new("[tasks.nothing]\nplugin = \"example-empty\"\n[procedures.daily]\ntasks = [\"nothing\"]\n");
    host.install(&["example-empty"]);
    let run = host.run(&["run", "daily", "--format", "json"]);
    assert_eq!(run.code, 0, "{run:?}");
    let id = run.json()["tasks"][0]["run_id"].as_str().expect("a run").to_owned();
    assert!(host.run(&["history"]).stdout.contains(&id));
    assert_eq!(host.run(&["history", &id, "--format", "junit"]).code, 0);
    assert_eq!(host.run(&["history", "20000101"]).code, 69);
    assert!(host.run(&["run", "dialy"]).stderr.contains("did you mean daily"));
    assert_eq!(host.run(&["run", "daily", "--exit", "work"]).code, 0);
    assert_eq!(host.run(&["audit", "verify"]).code, 0);
}

#[test]
fn settings_out_of_range_and_of_a_wrong_type_are_refused_by_their_line() {
    let cases = [
        ("warning = { }", "`tasks.task.settings.warning` has to be"),
        ("warning = \"20:10\"", "`tasks.task.settings.warning`"),
        ("idle_warning = \"10ms\"", "`tasks.task.settings.idle_warning`"),
        ("idle_warning = true", "`tasks.task.settings.idle_warning`"),
        ("warnin = \"80\"", "did you mean `warning`"),
    ];
    for (settings, said) in cases {
        let host = Hostler::new(&format!(
            "[postgres.main]\ndsn = \"host=127.0.0.1\"\n[tasks.task]\nplugin = \"postgres-connections\"\n\
             bind.database = \"postgres.main\"\nsettings = {{ {settings} }}\n"
        ));
        host.install(&["postgres-connections"]);
        let refused = host.run(&["run", "task"]);
        assert_eq!(refused.code, 78, "{refused:?}");
        assert!(refused.stderr.contains(said) && refused.stderr.contains("hostler.toml:"), "{settings}: {refused:?}");
    }
}

#[test]
fn completions_timers_and_a_new_plugin_are_written() {
    let host = Hostler::new(
        "[tasks.a]\nplugin = \"example-empty\"\n[procedures.weekly]\nschedule = \"Sun 03:00\"\ntasks = [\"a\"]\n",
    );
    assert!(host.run(&["completions", "bash"]).stdout.contains("hostler"));
    assert!(host.run(&["timers"]).stdout.contains("OnCalendar=Sun *-*-* 03:00:00"));
    let new = host.run(&["new", "shop-check"]);
    assert_eq!(new.code, 0, "{new:?}");
    assert!(host.path().join("shop-check/plugin.toml").exists());
    assert_eq!(host.run(&["new", "../escape"]).code, 64);
}

#[test]
fn the_demonstration_runs_to_its_end() {
    let host = Hostler::new("");
    let directory = host.path().join("demo").display().to_string();
    let plugins = component("example-empty").parent().expect("a directory").display().to_string();
    // PostgreSQL's own user has to reach the directory.
    let _ = std::process::Command::new("chmod").arg("755").arg(host.path()).status();
    let demo = host.run(&["demo", "--directory", &directory, "--plugins", &plugins]);
    assert_eq!(demo.code, 0, "{demo:?}");
    for said in ["VACUUM", "shop.example", "users_email_key", "Try next"] {
        assert!(demo.stdout.contains(said), "{said} is missing in {}", demo.stdout);
    }
    assert!(!demo.stdout.contains("not started"), "{}", demo.stdout);
}
