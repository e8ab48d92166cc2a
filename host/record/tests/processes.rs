//! What holds across processes: kills at any moment, several hosts at once, a full disk, a directory that is not ours.
//!
//! A process is this test binary again, asked by a variable to play one part.

use std::{
    fs::{self, Permissions},
    hash::{BuildHasher, RandomState},
    io::{BufRead, BufReader, Read, Write},
    os::unix::{
        fs::PermissionsExt,
        process::{CommandExt, ExitStatusExt},
    },
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use hostler_capability::{AuditEntry, Decision, LockError, Severity};
use hostler_record::{Record, RecordError, RunEnd, RunFilter, RunStart};

const PART: &str = "HOSTLER_RECORD_PART";
const DIRECTORY: &str = "HOSTLER_RECORD_DIRECTORY";

fn part(program: &Path, part: &str, directory: &Path) -> Command {
    let mut command = Command::new(program);
    arguments(&mut command, part, directory);
    command
}

fn arguments(command: &mut Command, part: &str, directory: &Path) {
    command.args(["--exact", "as_a_process", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(PART, part).env(DIRECTORY, directory).stdout(Stdio::piped());
}

fn start(name: &str, directory: &Path) -> Child {
    part(&std::env::current_exe().expect("this binary"), name, directory).spawn().expect("a process")
}

#[test]
#[ignore = "the other tests start it, as a process of its own"]
fn as_a_process() {
    let (Ok(part), Some(directory)) = (std::env::var(PART), std::env::var_os(DIRECTORY)) else { return };
    let directory = Path::new(&directory);
    match part.as_str() {
        "open" => match Record::open(directory) {
            Ok(_) => println!("\nopened"),
            Err(error) => println!("\n{error}"),
        },
        "lock" => {
            let record = Record::open(directory).expect("a record");
            let _guard = record.locks_of("r1", "vacuum").acquire("one").expect("nobody has it");
            println!("\nheld");
            std::thread::sleep(Duration::from_secs(60));
        }
        "twenty runs" => runs(&Record::open(directory).expect("a record"), 20),
        "runs" => runs(&Record::open(directory).expect("a record"), u64::MAX),
        "full disk" => full_disk(directory),
        other => panic!("there is no part {other}"),
    }
}

fn entry<'a>(run: &'a str, operation: &'a str) -> AuditEntry<'a> {
    AuditEntry {
        run,
        plugin: "digest",
        call: 1,
        request: "database",
        operation,
        decision: Decision::Allowed,
        rule: "read",
        duration_us: None,
        rows: None,
        bytes: None,
    }
}

fn begin(record: &Record, id: &str) -> Result<(), RecordError> {
    let started_at = u64::try_from(std::time::UNIX_EPOCH.elapsed().expect("a clock").as_millis()).expect("a time");
    record.history().begin(&RunStart {
        id,
        task: "vacuum",
        procedure: None,
        plugin: "postgres-vacuum",
        version: "0.1.0",
        digest: "digest",
        mode: "apply",
        started_at,
    })
}

fn end(record: &Record, id: &str, document: &str) -> Result<(), RecordError> {
    record.history().end(&RunEnd {
        id,
        course: "done",
        verdict: Severity::Ok,
        duration_ms: 1,
        summary: "done",
        document,
        metrics: &[],
        findings: &[],
        audit: record.audit_file().head().expect("a head"),
    })
}

/// Runs, each told on a line of its own when everything about it was kept.
fn runs(record: &Record, count: u64) {
    let process = std::process::id();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let state = record.state(&format!("task of {process}"), true);
    for number in 0..count {
        let id = format!("{process}-{number}");
        begin(record, &id).expect("it is kept");
        for operation in ["query", "a longer operation ".repeat(50).as_str(), "execute"] {
            record.audit().append(&entry(&id, operation)).expect("it is written");
        }
        runtime.block_on(state.set("number", &number.to_le_bytes())).expect("it is kept");
        end(record, &id, "{}").expect("it is kept");
        println!("\nrun {number}");
    }
}

/// The number of the last run that the process told, once it is gone.
fn last_told(child: &mut Child) -> Option<u64> {
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).split(b'\n');
    let numbers =
        lines.map_while(Result::ok).filter_map(|line| String::from_utf8(line).ok()?.strip_prefix("run ")?.parse().ok());
    let last = numbers.last();
    child.wait().expect("it is gone");
    last
}

fn all_runs(record: &Record) -> Vec<hostler_record::KeptRun> {
    record.history().runs(&RunFilter { name: None, limit: u32::MAX }).expect("the history is read")
}

#[tokio::test]
async fn a_kill_at_any_moment_loses_nothing_that_was_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut interrupted = 0;
    for _ in 0..20 {
        let mut children = [start("runs", directory.path()), start("runs", directory.path())];
        std::thread::sleep(Duration::from_millis(20 + RandomState::new().hash_one(1) % 120));
        let numbers = children.each_mut().map(|child| {
            child.kill().expect("it is killed");
            let number = last_told(child);
            assert_eq!(child.wait().expect("it is gone").signal(), Some(9), "nothing but the kill ended it");
            number
        });
        let record = Record::open(directory.path()).expect("a record");
        let marked = record.history().mark_interrupted().expect("they are marked");
        interrupted += marked.len();
        assert!(record.history().mark_interrupted().expect("they are marked").is_empty(), "each is told once");
        let kept = all_runs(&record);
        assert!(kept.iter().all(|run| matches!(run.course.as_str(), "done" | "interrupted")), "none runs for ever");
        for (id, task) in &marked {
            assert_eq!(task, "vacuum");
            assert!(
                kept.iter()
                    .any(|run| run.id == *id && run.course == "interrupted" && run.verdict == Some(Severity::Unknown))
            );
        }
        for (child, number) in children.iter().zip(numbers) {
            let Some(number) = number else { continue };
            for number in 0..=number {
                let id = format!("{}-{number}", child.id());
                assert!(kept.iter().any(|run| run.id == id && run.course == "done"), "{id} was told");
            }
            let state = record.state(&format!("task of {}", child.id()), true);
            let value = state.get("number").await.expect("it is read").expect("it was set");
            assert!(u64::from_le_bytes(value.try_into().expect("a number")) >= number);
        }
        record.verify_audit().expect("the audit fits");
    }
    assert!(interrupted > 0, "no kill met a run");
    let hosts = fs::read_dir(directory.path().join("locks/hosts")).expect("listed").count();
    assert_eq!(hosts, 0, "what dead hosts left is taken away");
}

#[test]
fn hosts_that_begin_at_once_on_a_new_directory_all_work() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().join("state");
    let mut children: Vec<Child> = (0..6).map(|_| start("twenty runs", &place)).collect();
    for child in &mut children {
        assert_eq!(last_told(child), Some(19));
    }
    let record = Record::open(&place).expect("a record");
    assert!(record.history().mark_interrupted().expect("looked").is_empty());
    let runs = all_runs(&record);
    assert_eq!((runs.len(), runs.iter().filter(|run| run.course == "done").count()), (120, 120));
    let verified = record.verify_audit().expect("the audit fits");
    assert_eq!((verified.lines, verified.torn, verified.heads), (360, 0, 120));
}

#[test]
fn a_lock_is_let_go_when_its_holder_is_killed() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut child = start("lock", directory.path());
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line == "held")));
    let record = Record::open(directory.path()).expect("a record");
    let locks = record.locks_of("r2", "vacuum");
    let Err(LockError::Held(holder)) = locks.acquire("one") else { panic!("it is held") };
    assert!(holder.starts_with(&format!("run r1 of task vacuum, process {}", child.id())), "{holder}");
    child.kill().expect("it is killed");
    child.wait().expect("it is gone");
    assert!(!locks.held("one").expect("looked"));
    drop(locks.acquire("one").expect("nobody has it"));
}

/// On a file system of half a megabyte that is this process's alone.
fn full_disk(directory: &Path) {
    let state = directory.join("state");
    let record = Record::open(&state).expect("a record");
    begin(&record, "before").expect("there is room");
    record.audit().append(&entry("before", "query")).expect("there is room");
    end(&record, "before", "{}").expect("there is room");
    for round in 0..5 {
        let filler = directory.join("filler");
        let mut file = fs::File::create(&filler).expect("a file");
        while file.write(&[0; 1024]).is_ok_and(|written| written > 0) {}
        let refused =
            (0..100).find_map(|_| record.audit().append(&entry("before", &"x".repeat(700 + round * 13))).err());
        assert_eq!(refused.expect("there is no room").kind(), std::io::ErrorKind::StorageFull);
        let full = (0..100).find_map(|number| begin(&record, &format!("full-{round}-{number}")).err());
        assert!(matches!(full, Some(RecordError::Full { .. })), "{full:?}");
        record.verify_audit().expect("no line was cut");
        assert!(all_runs(&record).iter().any(|run| run.id == "before" && run.course == "done"));
        drop(file);
        fs::remove_file(&filler).expect("it is there");
        record.audit().append(&entry("after", "query")).expect("there is room again");
        let id = format!("after-{round}");
        begin(&record, &id).expect("there is room again");
        end(&record, &id, "{}").expect("there is room again");
    }
    assert_eq!(record.verify_audit().expect("the audit fits").torn, 0);
    println!("\nall was as it should be");
}

#[test]
fn a_full_disk_is_said_and_cuts_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = "mount -t tmpfs -o size=512k none \"$0\" && exec \"$@\"";
    let ways: [&[&str]; 2] = [&["--user", "--map-root-user", "--mount"], &["--mount"]];
    let mut said = String::new();
    for way in ways {
        let mut command = Command::new("unshare");
        command
            .args(way)
            .args(["sh", "-c", script])
            .arg(directory.path())
            .arg(std::env::current_exe().expect("this binary"));
        arguments(&mut command, "full disk", directory.path());
        let output = command.stderr(Stdio::piped()).output().expect("unshare of util-linux");
        said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() && said.contains("all was as it should be") {
            return;
        }
        if said.contains("running 1 test") {
            break;
        }
    }
    panic!("{said}");
}

#[test]
fn a_directory_that_is_not_ours_or_not_writable_is_said() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("permissions");
    let said = |path: &Path| Record::open(path).map(|_| ()).expect_err("it is refused").to_string();

    let file = directory.path().join("file");
    fs::write(&file, "text").expect("written");
    assert!(said(&file).contains("is not a directory"), "{}", said(&file));
    assert!(said(&file.join("below")).contains("is not a directory"), "{}", said(&file.join("below")));

    let open = directory.path().join("open");
    fs::create_dir(&open).expect("a directory");
    fs::set_permissions(&open, Permissions::from_mode(0o777)).expect("permissions");
    assert!(said(&open).contains("others may write"), "{}", said(&open));

    let closed = directory.path().join("closed");
    fs::create_dir(&closed).expect("a directory");
    fs::set_permissions(&closed, Permissions::from_mode(0o500)).expect("permissions");
    if !rustix::process::geteuid().is_root() {
        assert!(said(&closed).contains("Permission denied"), "{}", said(&closed));
        return;
    }
    const NOBODY: u32 = 65_534;
    std::os::unix::fs::chown(&closed, Some(NOBODY), Some(NOBODY)).expect("its owner");
    assert!(said(&closed).contains("belongs to user 65534, and this is user 0"), "{}", said(&closed));
    let program = directory.path().join("program");
    // By a process of its own: where this one wrote the copy, a child that another test begins meanwhile could hold it
    // open for writing, and a file that is written is not run.
    let this = std::env::current_exe().expect("this binary");
    let copied = Command::new("cp").arg(this).arg(&program).status().expect("cp");
    assert!(copied.success(), "a copy that anybody can run");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("permissions");
    let mut child = part(&program, "open", &closed).uid(NOBODY).gid(NOBODY).spawn().expect("a process");
    let mut words = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut words).expect("words");
    child.wait().expect("it ends");
    assert!(words.contains("cannot be made or written") || words.contains("Permission denied"), "{words}");
}
