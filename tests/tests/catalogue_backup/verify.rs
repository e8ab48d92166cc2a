//! backup-verify on what real programs wrote and what then happened to it, beside what `pg_restore -l` says of the same.

use std::{fs, os::unix::fs::FileExt, path::Path, process::Command};

use hostler_tests::{Hostler, Postgres};

use crate::site::{self, VERSIONS, names, program, run, server, task, told};

const PLUGIN: &str = "backup-verify";

/// A host that dumps the shop into its backups and reads them again.
fn host(server: &Postgres, version: u32, settings: &str) -> Hostler {
    let dump = "bind.database = [\"postgres.shop\"]\nbind.destination = \"directory.backups\"";
    let verify = format!("bind.backups = [\"directory.backups\"]\nsettings = {{ {settings} }}");
    let configuration = format!(
        "[postgres.shop]\ndsn = {:?}\n{}{}",
        server.dsn("hostler", "postgres"),
        task("dump", "backup-postgres-dump", version, dump),
        task("task", PLUGIN, version, &verify)
    );
    site::host(&configuration, &["backup-postgres-dump", PLUGIN])
}

/// Changes bytes in the middle of a file.
fn flip(path: &Path) {
    let file = fs::File::options().read(true).write(true).open(path).expect("a file");
    let middle = file.metadata().expect("its size").len() / 2;
    let mut bytes = [0; 16];
    file.read_exact_at(&mut bytes, middle).expect("it is read");
    file.write_all_at(&bytes.map(|byte| !byte), middle).expect("it is written");
}

fn halve(path: &Path) {
    let file = fs::File::options().write(true).open(path).expect("a file");
    file.set_len(file.metadata().expect("its size").len() / 2).expect("it is cut");
}

/// The largest file of a dump: the rows of orders.
fn rows_of(set: &Path) -> std::path::PathBuf {
    let entries = fs::read_dir(set.join("dump")).expect("the dump").flatten().map(|entry| entry.path());
    entries.max_by_key(|path| fs::metadata(path).expect("a file").len()).expect("files")
}

#[test]
fn a_truncated_and_a_corrupted_dump_pass_the_guides_list_and_are_found_on_every_version() {
    for version in VERSIONS {
        let server = server(version, &[]);
        let host = host(&server, version, "every = \"0s\"");
        assert_eq!(run(&host, "dump").0, 0);
        let set = host.path().join("backups").join(&names(&host)[0]);
        assert_eq!(run(&host, "task"), (0, vec![]), "{version}");
        let rows = rows_of(&set);
        let whole = fs::read(&rows).expect("rows");
        let dump = set.join("dump").display().to_string();
        for (how, damage) in [("truncated", halve as fn(&Path)), ("corrupted", flip)] {
            damage(&rows);
            // The guide: pg_restore -l backup.custom
            let list = program(version, "pg_restore", &["-l", &dump]);
            assert!(list.status.success(), "{version}: the guide's check passes what was {how}");
            let findings = told(&host, "task");
            assert!(findings.contains("backup-damaged") && findings.contains("not what was written"), "{findings}");
            fs::write(&rows, &whole).expect("it is mended");
        }
        fs::remove_file(&rows).expect("it is removed");
        assert!(program(version, "pg_restore", &["-l", &dump]).status.success(), "nor does it miss a file");
        assert!(told(&host, "task").contains("is missing"));
        fs::write(&rows, &whole).expect("it is mended");
        assert_eq!(run(&host, "task"), (0, vec![]), "what is mended is good again");
    }
}

#[test]
fn the_guides_custom_archive_is_decoded_whole_with_or_without_a_checksum() {
    for version in VERSIONS {
        let server = server(version, &[]);
        let host = host(&server, version, "every = \"0s\"");
        let archive = host.path().join("backups/backup.custom");
        let file = archive.display().to_string();
        let dsn = server.superuser();
        // The guide: pg_dump -F custom -f backup.custom dbname
        assert!(program(version, "pg_dump", &["-F", "custom", "-f", &file, "-d", &dsn]).status.success());
        assert_eq!(run(&host, "task"), (0, vec![]));
        // It is called incremental there: a second one is as large as the first, since it is whole again.
        let again = host.path().join("second.custom").display().to_string();
        assert!(program(version, "pg_dump", &["-F", "custom", "-f", &again, "-d", &dsn]).status.success());
        let size = |path: &str| fs::metadata(path).expect("an archive").len();
        assert!(size(&again) * 10 > size(&file) * 9, "{} {}", size(&again), size(&file));
        let whole = fs::read(&archive).expect("the archive");
        for (how, damage) in [("truncated", halve as fn(&Path)), ("corrupted", flip)] {
            damage(&archive);
            assert!(
                program(version, "pg_restore", &["-l", &file]).status.success(),
                "{version}: passes what was {how}"
            );
            let findings = told(&host, "task");
            assert!(findings.contains("pg_restore cannot decode it"), "{version} {how}: {findings}");
            fs::write(&archive, &whole).expect("it is mended");
        }
        // Uncompressed, what is changed decodes as well as before: only a checksum tells.
        assert!(program(version, "pg_dump", &["-F", "custom", "-Z", "0", "-f", &file, "-d", &dsn]).status.success());
        let sum = Command::new("sha256sum").arg(&file).output().expect("sha256sum");
        fs::write(host.path().join("backups/backup.custom.sha256"), sum.stdout).expect("a checksum");
        assert_eq!(run(&host, "task"), (0, vec![]));
        let text = fs::read(&archive).expect("the archive");
        let place = text.windows(32).rposition(|word| word.iter().all(u8::is_ascii_hexdigit)).expect("a row");
        fs::File::options().write(true).open(&archive).expect("it").write_all_at(b"x", place as u64).expect("changed");
        assert!(program(version, "pg_restore", &["-f", "/dev/null", &file]).status.success(), "it decodes");
        assert!(told(&host, "task").contains("another SHA-256"));
    }
}

#[test]
fn archives_of_directories_and_plain_dumps_are_read_to_their_end() {
    let server = server(15, &[]);
    let host = host(&server, 15, "every = \"0s\"");
    let backups = host.path().join("backups");
    let file = |name: &str| backups.join(name);
    let files = host.path().join("files");
    fs::create_dir(&files).expect("a directory");
    fs::write(files.join("one"), "contents ".repeat(40_000)).expect("a file");
    for (name, how) in [("app.tar.zst", "--zstd"), ("app.tar.gz", "--gzip"), ("app.tar", "--no-auto-compress")] {
        let packed = Command::new("tar").args([how, "-cf"]).arg(file(name)).arg("-C").arg(&files).arg(".").status();
        assert!(packed.expect("tar").success());
    }
    let dump = program(15, "pg_dump", &["-f", &file("shop.sql").display().to_string(), "-d", &server.superuser()]);
    assert!(dump.status.success());
    assert_eq!(run(&host, "task"), (0, vec![]));
    for name in ["app.tar.zst", "app.tar.gz", "app.tar", "shop.sql"] {
        let whole = fs::read(file(name)).expect("a backup");
        halve(&file(name));
        assert_eq!(run(&host, "task"), (2, vec![format!("critical backup-damaged backups/{name}")]));
        fs::write(file(name), whole).expect("it is mended");
    }
    fs::write(file("shop.sql"), "").expect("emptied");
    fs::write(file("notes.bin"), "nobody knows what").expect("a file");
    let (code, findings) = run(&host, "task");
    let expected = ["critical backup-damaged backups/shop.sql", "unknown not-verified backups/notes.bin"];
    assert!(code == 2 && expected.iter().all(|one| findings.contains(&(*one).to_owned())), "{findings:?}");
}

#[test]
fn the_cycle_goes_round_and_damage_is_told_until_it_is_gone() {
    let server = server(15, &[]);
    let host = host(&server, 15, "time = \"1s\"");
    let empty = run(&host, "task");
    assert_eq!(empty, (3, vec!["unknown nothing-to-verify backups".into()]));
    assert_eq!(run(&host, "dump").0, 0);
    let good = host.run(&["run", "task", "--format", "json"]);
    assert!(good.task("task")["summary"].as_str().is_some_and(|text| text.starts_with("1 of 1 backup read and good")));
    let set = host.path().join("backups").join(&names(&host)[0]);
    flip(&rows_of(&set));
    let trusted = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(trusted.findings("task"), [""; 0], "it was read a moment ago, and its turn is in a week");
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    host.configure(&text.replace("time = \"1s\"", "every = \"0s\""));
    assert_eq!(run(&host, "task").0, 2);
    host.configure(&text);
    assert_eq!(run(&host, "task").0, 2, "what is damaged is read in every run");
    fs::remove_file(set.join("manifest.json")).expect("it is removed");
    let (code, findings) = run(&host, "task");
    assert!(code == 2 && findings[0].starts_with("critical manifest-missing"), "{findings:?}");
    fs::remove_dir_all(&set).expect("it is removed");
    assert_eq!(run(&host, "task").0, 3);
}

#[test]
fn without_pg_restore_or_with_one_that_is_too_old_nobody_knows() {
    let server = server(18, &[]);
    let host = host(&server, 18, "");
    assert_eq!(run(&host, "dump").0, 0);
    let text = fs::read_to_string(host.configuration()).expect("a configuration");
    let unbound: Vec<&str> = text.lines().filter(|line| !line.contains("bind.pg_restore")).collect();
    host.configure(&unbound.join("\n"));
    let findings = told(&host, "task");
    assert!(findings.contains("not-verified") && findings.contains("bind.pg_restore"), "{findings}");
    let (new, old) = (site::path_of(18, "pg_restore"), site::path_of(15, "pg_restore"));
    host.configure(&text.replace(&new.display().to_string(), &old.display().to_string()));
    let findings = told(&host, "task");
    assert!(findings.contains("not-verified") && findings.contains("version that wrote it"), "{findings}");
}
