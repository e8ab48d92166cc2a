//! Installing, upgrading, removing; and what is said of a registry that somebody meddled with.

mod support;

use std::{fs, os::unix::fs::PermissionsExt, path::Path, thread, time::Duration};

use hostler_registry::{Change, Consent, Finding, Registry, RegistryError};
use support::{DATABASE, candidate, component, manifest};
use tempfile::TempDir;

fn registry() -> (TempDir, Registry) {
    let directory = tempfile::tempdir().expect("a directory");
    let registry = Registry::open(&directory.path().join("state/registry")).expect("it is empty");
    (directory, registry)
}

fn install(registry: &Registry, candidate: &hostler_registry::Candidate) {
    registry.install(candidate, &Consent::to(candidate)).unwrap_or_else(|error| panic!("{error}"));
}

fn findings(registry: &Registry) -> Vec<String> {
    let directory = format!("{}/", registry.directory().display());
    registry.verify().iter().map(|finding| finding.to_string().replace(&directory, "")).collect()
}

#[test]
fn a_plugin_is_installed_listed_loaded_and_removed() {
    let (_directory, registry) = registry();
    assert!(registry.list().expect("it is empty").is_empty() && registry.verify().is_empty());
    let looker = candidate("looker", "1.0.0", DATABASE);
    install(&registry, &looker);
    let listed = registry.list().expect("it is read");
    assert_eq!((listed.len(), listed[0].name.as_str()), (1, "looker"));
    assert_eq!(listed[0].requests, looker.manifest.requests);
    let (bytes, installed) = registry.load("looker").expect("it is installed");
    assert_eq!(
        (bytes.as_slice(), &installed.manifest, &installed.digest),
        (looker.bytes(), &looker.manifest, &looker.digest)
    );
    assert_eq!(findings(&registry), [""; 0]);
    assert_eq!(registry.remove("looker").expect("it is installed").digest, looker.digest);
    assert!(registry.list().expect("it is empty").is_empty() && !installed.path.exists());
    assert_eq!(findings(&registry), [""; 0]);
}

#[test]
fn only_the_owner_enters_the_registry() {
    let (directory, registry) = registry();
    install(&registry, &candidate("looker", "1.0.0", DATABASE));
    for path in ["state", "state/registry", "state/registry/plugins"] {
        let mode = fs::metadata(directory.path().join(path)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{path}");
    }
    fs::set_permissions(registry.directory(), fs::Permissions::from_mode(0o770)).expect("its mode is changed");
    let error = Registry::open(registry.directory()).expect_err("others may write it");
    assert!(matches!(&error, RegistryError::Insecure { .. }) && error.to_string().contains("chmod 0700"), "{error}");
}

#[test]
fn nothing_is_installed_without_consent() {
    let (_directory, registry) = registry();
    let looker = candidate("looker", "1.0.0", DATABASE);
    let error = registry.install(&looker, &Consent::to_no_more(&looker)).expect_err("nobody consented");
    let RegistryError::ConsentNeeded { asks, .. } = &error else { panic!("{error}") };
    assert_eq!(asks, &["database: postgres, to look at tables", "database.read: public.*"]);
    assert!(registry.list().expect("it is empty").is_empty());
    let plain = candidate("plain", "1.0.0", "");
    assert!(registry.install(&plain, &Consent::to_no_more(&plain)).is_err());
    let error = registry.install(&plain, &Consent::to(&looker)).expect_err("it is another file");
    assert!(matches!(error, RegistryError::ConsentToAnother { .. }));
}

#[test]
fn a_newer_version_that_asks_for_more_needs_consent_again() {
    let (_directory, registry) = registry();
    install(&registry, &candidate("looker", "1.0.0", DATABASE));
    let same = candidate("looker", "1.1.0", &DATABASE.replace("look at tables", "look at them"));
    let difference = registry.what_changes(&same).expect("it is read");
    assert_eq!(difference.change, Change::Upgrade { from: "1.0.0".parse().expect("a version") });
    assert!(!difference.needs_consent());
    assert_eq!(difference.other, ["database.reason: look at them"]);
    registry.install(&same, &Consent::to_no_more(&same)).expect("it asks for nothing more");
    let less = candidate("looker", "1.2.0", &DATABASE.replace("public.*", "public.orders"));
    let difference = registry.what_changes(&less).expect("it is read");
    assert_eq!((difference.more.len(), difference.less.as_slice()), (0, &["database.read: public.*".to_owned()][..]));
    let more = candidate(
        "looker",
        "1.3.0",
        &format!(
            "{}write = [\"public.orders\"]\nstatements = [\"VACUUM\"]\nconnections = 8\nprivileges = [\"pg_monitor\"]\n[requests.site]\nkind = \"endpoint\"\nreason = \"tell\"\nmethods = [\"POST\"]\n",
            DATABASE.replace("public.*", "*.*")
        ),
    );
    let difference = registry.what_changes(&more).expect("it is read");
    assert_eq!(
        difference.more,
        [
            "database.read: *.*",
            "database.write: public.orders",
            "database.statements: VACUUM",
            "database.connections: 8",
            "database.privileges: pg_monitor",
            "site: endpoint, to tell",
            "site.methods: POST",
            "mode: it changes something now",
        ]
    );
    let error = registry.install(&more, &Consent::to_no_more(&more)).expect_err("it asks for more");
    assert!(error.to_string().contains("database.statements: VACUUM"), "{error}");
    assert_eq!(registry.get("looker").expect("the old one stays").manifest.plugin.version.to_string(), "1.1.0");
    install(&registry, &more);
    assert_eq!(registry.get("looker").expect("it is installed").digest, more.digest);
    assert_eq!(fs::read_dir(registry.directory().join("plugins")).expect("it is read").count(), 1);
}

#[test]
fn requests_of_every_kind_are_compared() {
    let cases = [
        (
            "kind = \"redis\"\nallow = [\"+get\", \"~cache:*\"]",
            "kind = \"redis\"\nallow = [\"+get\", \"~*\"]",
            "x.allow: +get ~*",
        ),
        ("kind = \"directory\"", "kind = \"directory\"\naccess = \"write\"", "x.access: write"),
        ("kind = \"directory\"", "kind = \"directory\"\nmany = true", "x.many: several resources"),
        (
            "kind = \"program\"\nprogram = \"a\"\neffect = \"reads\"",
            "kind = \"program\"\nprogram = \"b\"\neffect = \"reads\"",
            "x.program: b",
        ),
        (
            "kind = \"program\"\nprogram = \"a\"\neffect = \"reads\"",
            "kind = \"program\"\nprogram = \"a\"\neffect = \"reads\"\narguments = [[\"-x\", \"{path}\"]]",
            "x.arguments: -x {path}",
        ),
        (
            "kind = \"program\"\nprogram = \"a\"",
            "kind = \"program\"\nprogram = \"a\"\nreads = [[\"-l\"]]",
            "x.reads: -l",
        ),
        (
            "kind = \"program\"\nprogram = \"a\"\neffect = \"reads\"",
            "kind = \"program\"\nprogram = \"a\"\neffect = \"reads\"\nenvironment = [\"LD_PRELOAD\"]",
            "x.environment: LD_PRELOAD",
        ),
        ("kind = \"history\"\ntasks = [\"a\"]", "kind = \"history\"\ntasks = [\"a\", \"b*\"]", "x.tasks: b*"),
        ("kind = \"machine\"", "kind = \"directory\"", "x: directory, to r"),
    ];
    for (before, after, expected) in cases {
        let (_directory, registry) = registry();
        let request = |body: &str| format!("[requests.x]\nreason = \"r\"\n{body}\n");
        install(&registry, &candidate("looker", "1.0.0", &request(before)));
        let difference = registry.what_changes(&candidate("looker", "1.1.0", &request(after))).expect("it is read");
        assert!(difference.more.contains(&expected.to_owned()), "{expected}: {difference:?}");
    }
}

#[test]
fn an_older_version_and_another_file_of_the_same_have_to_be_meant() {
    let (_directory, registry) = registry();
    let new = candidate("looker", "2.0.0", DATABASE);
    install(&registry, &new);
    let old = candidate("looker", "1.9.0", DATABASE);
    let error = registry.install(&old, &Consent::to(&old)).expect_err("it is older");
    assert!(matches!(error, RegistryError::Downgrade { .. }));
    let other = candidate("looker", "2.0.0", "");
    let error = registry.install(&other, &Consent::to(&other)).expect_err("it is another file");
    assert!(error.to_string().contains("one version is one file"), "{error}");
    assert_eq!(registry.get("looker").expect("the first stays").digest, new.digest);
    registry.install(&other, &Consent::to(&other).allowing_replacement()).expect("it is meant");
    assert_eq!(registry.get("looker").expect("it is installed").digest, other.digest);
    registry.install(&old, &Consent::to(&old).allowing_downgrade()).expect("it is meant");
    assert_eq!(registry.get("looker").expect("it is installed").digest, old.digest);
    assert_eq!(findings(&registry), [""; 0]);
}

#[test]
fn a_changed_file_is_never_loaded_and_is_put_back_by_installing_again() {
    let (_directory, registry) = registry();
    let looker = candidate("looker", "1.0.0", DATABASE);
    install(&registry, &looker);
    let before = registry.list().expect("it is read");
    let path = registry.get("looker").expect("it is installed").path;
    let mut bytes = looker.bytes().to_vec();
    *bytes.last_mut().expect("it has bytes") ^= 1;
    fs::write(&path, &bytes).expect("it is written");
    let error = registry.load("looker").expect_err("it was changed");
    assert!(matches!(error, RegistryError::DigestDiffers { .. }));
    assert!(matches!(
        registry.verify().as_slice(),
        [Finding::Plugin { error: RegistryError::DigestDiffers { .. }, .. }]
    ));
    registry.install(&looker, &Consent::to_no_more(&looker)).expect("it was consented to");
    assert_eq!(registry.load("looker").expect("it is back").0, looker.bytes());
    fs::remove_file(&path).expect("it is removed");
    assert!(matches!(registry.load("looker"), Err(RegistryError::FileMissing { .. })));
    registry.install(&looker, &Consent::to_no_more(&looker)).expect("it was consented to");
    fs::remove_file(&path).expect("it is removed");
    std::os::unix::fs::symlink("/etc/passwd", &path).expect("a link");
    assert!(matches!(registry.load("looker"), Err(RegistryError::NotAFile { .. })));
    assert_eq!(findings(&registry).len(), 1);
    registry.install(&looker, &Consent::to_no_more(&looker)).expect("it was consented to");
    assert_eq!((registry.list().expect("it is read"), findings(&registry).len()), (before, 0));
}

#[test]
fn what_is_not_installed_is_answered_with_what_was_meant() {
    let (_directory, registry) = registry();
    assert!(registry.get("looker").expect_err("it is empty").to_string().contains("hostler install FILE"));
    assert!(matches!(registry.remove("looker"), Err(RegistryError::NotInstalled { .. })));
    assert!(!registry.directory().exists(), "looking makes nothing");
    install(&registry, &candidate("looker", "1.0.0", ""));
    for error in [registry.get("loker").expect_err("it is none"), registry.remove("loker").expect_err("it is none")] {
        assert!(error.to_string().ends_with("did you mean `looker`?"), "{error}");
    }
}

#[test]
fn a_damaged_lock_is_never_guessed_at() {
    let (_directory, registry) = registry();
    install(&registry, &candidate("looker", "1.0.0", DATABASE));
    let path = registry.directory().join("hostler.lock");
    let good = fs::read_to_string(&path).expect("it is read");
    let other = candidate("other", "1.0.0", "");
    for bad in [
        good.replace("version = 1\n", "version = 2\n"),
        good.replace("name = \"looker\"", "name = \"../../looker\""),
        good.replace("sha256:", "sha256:../"),
        good.replace("digest", "digets"),
        good.replace("requests.database", "requests.database.x"),
        good.replace("kind = \"postgres\"", "kind = \"everything\""),
        format!("{good}{}", &good[good.find("[[plugin]]").expect("it has one")..]),
        good[..good.len() / 2].to_owned(),
        "\u{0}".into(),
    ] {
        assert_ne!(bad, good);
        fs::write(&path, &bad).expect("it is written");
        for error in [
            registry.load("looker").map(drop).expect_err(&bad),
            registry.list().map(drop).expect_err(&bad),
            registry.install(&other, &Consent::to(&other)).map(drop).expect_err(&bad),
            registry.remove("looker").map(drop).expect_err(&bad),
        ] {
            assert!(matches!(error, RegistryError::LockDamaged { .. }), "{error}");
        }
        assert!(matches!(registry.verify().as_slice(), [Finding::Lock(_)]), "{:?}", registry.verify());
        assert_eq!(fs::read_to_string(&path).expect("it is read"), bad, "nothing is changed");
    }
    fs::write(&path, good).expect("it is written");
    assert_eq!(findings(&registry), [""; 0]);
}

#[test]
fn a_lock_that_was_narrowed_or_widened_by_hand_stops_the_plugin() {
    let (_directory, registry) = registry();
    let looker = candidate("looker", "1.0.0", DATABASE);
    install(&registry, &looker);
    let path = registry.directory().join("hostler.lock");
    let good = fs::read_to_string(&path).expect("it is read");
    for (from, to) in
        [("public.*", "public.orders"), ("public.*", "*.*"), ("1.0.0", "1.0.1"), ("\"check\"", "\"apply\"")]
    {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        fs::write(&path, &bad).expect("it is written");
        if from == "1.0.0" {
            // The version is in the file's name too.
            assert!(matches!(registry.load("looker"), Err(RegistryError::FileMissing { .. })));
        } else {
            assert!(matches!(registry.load("looker"), Err(RegistryError::OtherRequests { .. })), "{to}");
        }
        assert!(registry.verify().iter().any(|finding| matches!(finding, Finding::Plugin { .. })), "{to}");
    }
    fs::write(&path, good).expect("it is written");
    assert!(registry.load("looker").is_ok());
}

#[test]
fn what_nobody_installed_is_found() {
    let (_directory, registry) = registry();
    install(&registry, &candidate("looker", "1.0.0", DATABASE));
    let plugins = registry.directory().join("plugins");
    fs::write(plugins.join("foreign.wasm"), b"x").expect("it is written");
    fs::write(registry.directory().join("notes"), b"x").expect("it is written");
    let left = candidate("other", "1.0.0", "");
    let name = format!("other-1.0.0-{}.wasm", &left.digest["sha256:".len()..][..16]);
    fs::write(plugins.join(&name), left.bytes()).expect("it is written");
    fs::write(plugins.join(".unfinished-1-x"), b"x").expect("it is written");
    fs::set_permissions(registry.get("looker").expect("it is installed").path, fs::Permissions::from_mode(0o666))
        .expect("its mode is changed");
    let found = findings(&registry);
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(found[0].starts_with("notes: nobody installed"), "{found:?}");
    assert!(found[1].starts_with("plugins/.unfinished-1-x: left by"), "{found:?}");
    assert!(found[2].starts_with("plugins/foreign.wasm: nobody installed"), "{found:?}");
    assert!(found[3].contains("looker-1.0.0-") && found[3].contains("others may write it"), "{found:?}");
    assert!(found[4].starts_with(&format!("plugins/{name}: left by")), "{found:?}");
    assert_eq!(registry.verify().iter().filter(|finding| finding.is_serious()).count(), 3);
    install(&registry, &candidate("another", "1.0.0", ""));
    assert_eq!(findings(&registry).len(), 3, "what was left over is swept up, what is foreign is not");
    assert!(plugins.join("foreign.wasm").exists());
}

#[test]
fn a_plugin_of_another_contract_is_found_by_verify() {
    // As it is after the host itself was brought to another version.
    let (_directory, registry) = registry();
    let looker = candidate("looker", "1.0.0", "");
    install(&registry, &looker);
    let bytes = component(&[], "0.0.9", Some(&manifest("looker", "1.0.0", "check", "")), "");
    let digest = {
        let path = registry.directory().join("scratch.wasm");
        fs::write(&path, &bytes).expect("it is written");
        let output = std::process::Command::new("sha256sum").arg(&path).output().expect("sha256sum is there");
        fs::remove_file(path).expect("it is removed");
        String::from_utf8(output.stdout).expect("it is text")[..64].to_owned()
    };
    let lock = registry.directory().join("hostler.lock");
    let text = fs::read_to_string(&lock).expect("it is read").replace(&looker.digest["sha256:".len()..], &digest);
    fs::write(&lock, text).expect("it is written");
    let plugins = registry.directory().join("plugins");
    fs::write(plugins.join(format!("looker-1.0.0-{}.wasm", &digest[..16])), bytes).expect("it is written");
    let found = registry.verify();
    assert!(found.iter().any(|finding| matches!(finding, Finding::Unusable { .. })), "{found:?}");
    assert!(found.iter().any(|finding| finding.to_string().contains("version 0.0.9 of the contract")), "{found:?}");
}

#[test]
fn installers_take_turns_and_do_not_wait_for_ever() {
    let (_directory, registry) = registry();
    thread::scope(|scope| {
        for index in 0..8 {
            let registry = &registry;
            scope.spawn(move || install(registry, &candidate(&format!("plugin{index}"), "1.0.0", DATABASE)));
        }
    });
    assert_eq!(registry.list().expect("it is read").len(), 8);
    assert_eq!(findings(&registry), [""; 0]);
    let file = fs::File::options().write(true).open(registry.directory().join(".installing")).expect("it is there");
    file.lock().expect("it is free");
    let impatient = registry.clone().with_patience(Duration::from_millis(50));
    let late = candidate("late", "1.0.0", "");
    let error = impatient.install(&late, &Consent::to(&late)).expect_err("another has it");
    assert!(matches!(error, RegistryError::Busy { .. }), "{error}");
    assert!(registry.load("plugin0").is_ok(), "reading needs no turn");
    drop(file);
    install(&impatient, &late);
}

#[test]
fn where_it_cannot_write_it_says_so_and_what_was_stays() {
    let (_directory, registry) = registry();
    let first = candidate("looker", "1.0.0", DATABASE);
    install(&registry, &first);
    // The lock cannot be replaced: its place is taken by a directory while the new one is put there.
    let lock = registry.directory().join("hostler.lock");
    let plugins = registry.directory().join("plugins");
    let second = candidate("looker", "1.1.0", DATABASE);
    let name = format!("looker-1.1.0-{}.wasm", &second.digest["sha256:".len()..][..16]);
    fs::create_dir_all(plugins.join(&name).join("taken")).expect("a directory");
    let error = registry.install(&second, &Consent::to(&second)).expect_err("its place is taken");
    assert!(matches!(&error, RegistryError::Io { action: "written", .. }), "{error}");
    assert_eq!(registry.get("looker").expect("the old one stays").digest, first.digest);
    assert!(!fs::read_dir(&plugins).expect("it is read").flatten().any(|entry| is_unfinished(&entry.path())));
    fs::remove_dir_all(plugins.join(&name)).expect("it is removed");
    install(&registry, &second);
    assert!(lock.is_file());
}

fn is_unfinished(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".unfinished-"))
}
