//! Paths that lead away from what is bound, and what lies there instead of files.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, symlink},
        net::UnixListener,
    },
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use hostler_tests::Hostler;
use rustix::fs::{CWD, FileType, Mode, RenameFlags};
use serde_json::{Value, json};

use crate::puppet::{refused_and_allowed, run, run_in, stopped_and_allowed};

/// A directory that is written, one that is read, and one that is nobody's, with a secret in it.
fn ground(limits: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[directory.data]\npath = \"{{directory}}/data\"\n[directory.looked]\npath = \"{{directory}}/looked\"\n\
         [tasks.puppet]\nplugin = \"test-puppet\"\nbind.data = \"directory.data\"\nbind.looked = \"directory.looked\"\n\
         {limits}\n"
    ));
    for directory in ["data/sub", "looked/sub", "outside/sub"] {
        fs::create_dir_all(host.path().join(directory)).expect("a directory");
        fs::write(host.path().join(directory).join("plain"), "plain").expect("a file");
    }
    fs::write(host.path().join("outside/secret"), "sesame").expect("a file");
    host.install(&["test-puppet"]);
    host
}

fn call(what: &str, path: &str) -> Value {
    json!({ "call": "files", "do": what, "path": path })
}

/// Each call that looks at a path.
fn looks(path: &str) -> Vec<Value> {
    let mut calls: Vec<Value> = ["metadata", "list", "read", "sha256", "usage"].map(|what| call(what, path)).into();
    calls.push(json!({ "call": "files", "do": "read", "path": path, "compression": "zstd" }));
    calls.push(json!({ "call": "files", "do": "copy", "source": path, "destination": "/data/stolen" }));
    calls.push(json!({ "call": "files", "do": "archive", "sources": [path], "destination": "/data/stolen" }));
    calls
}

/// Each call that changes something at a path.
fn changes(path: &str) -> Vec<Value> {
    vec![
        json!({ "call": "files", "do": "write", "path": path, "text": "taken" }),
        json!({ "call": "files", "do": "write", "path": path, "text": "taken", "mode": 0o6777 }),
        json!({ "call": "files", "do": "copy", "source": "/data/sub/plain", "destination": path }),
        json!({ "call": "files", "do": "rename", "source": "/data/sub/plain", "destination": path }),
        json!({ "call": "files", "do": "rename", "source": path, "destination": "/data/stolen" }),
        json!({ "call": "files", "do": "set-permissions", "path": path, "mode": 0o777 }),
        json!({ "call": "files", "do": "archive", "sources": ["/data/sub"], "destination": path }),
        call("create-directory", path),
        call("remove", path),
        call("remove-tree", path),
    ]
}

/// Every path below, with its kind, owner, mode, size, time of change and content.
pub(crate) fn tree(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let of = fs::symlink_metadata(&path).expect("it is there");
        let content = match of.file_type() {
            kind if kind.is_file() => format!("{:?}", fs::read(&path).expect("it may be read")),
            kind if kind.is_symlink() => format!("to {:?}", fs::read_link(&path).expect("a link")),
            kind => format!("{kind:?}"),
        };
        let (modified, changed) = ((of.mtime(), of.mtime_nsec()), (of.ctime(), of.ctime_nsec()));
        let owner = (of.uid(), of.gid(), of.mode(), of.nlink());
        found.push(format!("{} {owner:?} {modified:?} {changed:?} {content}", path.display()));
        if of.is_dir() {
            left.extend(fs::read_dir(&path).expect("it may be listed").map(|entry| entry.expect("an entry").path()));
        }
    }
    found.sort();
    found
}

/// What is outside of the directory that is written.
fn elsewhere(host: &Hostler) -> Vec<String> {
    ["outside", "looked"].iter().flat_map(|part| tree(&host.path().join(part))).collect()
}

fn honest() -> Vec<Value> {
    let mut honest = looks("/looked/sub/plain");
    honest.retain(|call| !["list", "copy"].contains(&call["do"].as_str().unwrap_or_default()));
    honest.retain(|call| call["compression"].is_null());
    honest.push(json!({ "call": "files", "do": "write", "path": "/data/sub/mine", "text": "mine" }));
    honest.push(json!({ "call": "files", "do": "remove", "path": "/data/sub/mine" }));
    honest
}

#[test]
fn a_path_that_says_it_leaves_is_refused() {
    let host = ground("");
    let before = elsewhere(&host);
    let outside = host.path().join("outside/secret").display().to_string();
    let paths = [
        "/data/../outside/secret",
        "/data/sub/../../outside/secret",
        "/data/./../outside/secret",
        "/data//../outside/secret",
        "/data/..",
        "/data/sub/..",
        "/looked/../data/sub/plain",
        "/data/\\x2e\\x2e/outside/secret",
        "/data/..\\x2foutside/secret",
        "/data/sub\\x2f..\\x2f..\\x2foutside",
        "/data/plain\\x00",
        "/data/plain\0",
        "/etc/passwd",
        "//etc/passwd",
        "/",
        "",
        ".",
        "..",
        "data/sub/plain",
        "~/secret",
        "/proc/self/environ",
        "/dev/null",
        "/database",
        "/nobody/sub",
        "file:///etc/passwd",
        &outside,
    ];
    let attempts: Vec<Value> = paths.iter().flat_map(|path| [looks(path), changes(path)].concat()).collect();
    refused_and_allowed(&host, &attempts, &honest());
    assert_eq!(elsewhere(&host), before);
    let stolen = fs::read(host.path().join("data/stolen")).expect("the honest archive");
    assert!(!stolen.windows(6).any(|bytes| bytes == b"sesame"));
}

#[test]
fn links_out_lead_nowhere_and_what_is_no_file_is_not_read() {
    let host = ground("");
    let data = host.path().join("data");
    symlink("../outside/secret", data.join("up")).expect("a link");
    symlink(host.path().join("outside"), data.join("out")).expect("a link");
    symlink("/proc/self", data.join("proc")).expect("a link");
    symlink("/proc/self/root", data.join("root")).expect("a link");
    symlink("loop", data.join("loop")).expect("a link");
    symlink("sub", data.join("in")).expect("a link");
    rustix::fs::mknodat(CWD, data.join("fifo"), FileType::Fifo, Mode::RWXU, 0).expect("a FIFO");
    let _socket = UnixListener::bind(data.join("socket")).expect("a socket");
    if rustix::process::geteuid().is_root() {
        let null = rustix::fs::makedev(1, 3);
        let _ = rustix::fs::mknodat(CWD, data.join("null"), FileType::CharacterDevice, Mode::RWXU, null);
    }
    let before = elsewhere(&host);
    let mut attempts = Vec::new();
    for path in ["/data/up", "/data/fifo", "/data/socket", "/data/null", "/data/loop", "/data/proc", "/data/root"] {
        attempts.extend(["read", "sha256"].map(|what| call(what, path)));
        attempts.push(json!({ "call": "files", "do": "copy", "source": path, "destination": "/data/stolen" }));
        attempts.push(json!({ "call": "files", "do": "set-permissions", "path": path, "mode": 0o777 }));
        attempts.push(json!({ "call": "files", "do": "write", "path": format!("{path}/new"), "text": "taken" }));
    }
    for path in ["/data/out/secret", "/data/out/sub", "/data/proc/environ", "/data/root/etc/passwd", "/data/in/plain"] {
        attempts
            .extend(looks(path).into_iter().chain(changes(path)).filter(|call| call["source"] != "/data/sub/plain"));
    }
    // What is made is a link no more than it was before.
    attempts.push(json!({ "call": "files", "do": "rename", "source": "/data/sub", "destination": "/data/out/sub2" }));
    let started = Instant::now();
    stopped_and_allowed(&host, &attempts, &honest());
    assert!(started.elapsed() < Duration::from_secs(60), "nothing waits for a FIFO");
    assert_eq!(elsewhere(&host), before);
    // A link itself can be looked at, listed, replaced and removed: what it leads to stays.
    let on_links = [
        call("metadata", "/data/out"),
        json!({ "call": "files", "do": "write", "path": "/data/up", "text": "mine" }),
        json!({ "call": "files", "do": "read", "path": "/data/up" }),
        call("remove", "/data/out"),
        call("remove", "/data/proc"),
    ];
    let outcomes = run(&host, &on_links);
    assert!(outcomes.iter().all(|outcome| outcome.get("allowed").is_some()), "{outcomes:?}");
    assert_eq!(elsewhere(&host), before);
}

#[test]
fn what_may_be_read_is_not_written() {
    let host = ground("");
    let before = elsewhere(&host);
    let attempts: Vec<Value> = ["/looked/sub/plain", "/looked/new", "/looked/sub"]
        .into_iter()
        .flat_map(changes)
        .filter(|call| call["destination"] != "/data/stolen")
        .collect();
    refused_and_allowed(&host, &attempts, &honest());
    assert_eq!(elsewhere(&host), before);
}

#[test]
fn a_directory_that_is_swapped_for_a_link_during_the_calls_leads_nowhere() {
    let host = ground("");
    let data = host.path().join("data");
    symlink("../outside", data.join("link")).expect("a link");
    fs::write(host.path().join("outside/plain"), "sesame").expect("a file");
    let before = elsewhere(&host);
    let over = Arc::new(AtomicBool::new(false));
    let (swapping, place) = (over.clone(), data.clone());
    let swapper = std::thread::spawn(move || {
        let handle = fs::File::open(&place).expect("a directory");
        while !swapping.load(Ordering::Relaxed) {
            rustix::fs::renameat_with(&handle, "sub", &handle, "link", RenameFlags::EXCHANGE).expect("both are there");
        }
    });
    let mut steps = Vec::new();
    for number in 0..150 {
        steps.push(call("read", "/data/sub/plain"));
        steps.push(call("list", "/data/sub"));
        steps.push(json!({ "call": "files", "do": "write", "path": format!("/data/sub/{number}"), "text": "taken" }));
        steps.push(
            json!({ "call": "files", "do": "copy", "source": "/data/sub/plain", "destination": "/data/sub/copy" }),
        );
        steps.push(call("remove", "/data/sub/secret"));
        steps.push(
            json!({ "call": "files", "do": "archive", "sources": ["/data/sub"], "destination": "/data/archive" }),
        );
    }
    let outcomes = run(&host, &steps);
    over.store(true, Ordering::Relaxed);
    swapper.join().expect("no panic");
    let archive = fs::read(data.join("archive")).unwrap_or_default();
    assert!(!archive.windows(6).any(|bytes| bytes == b"sesame"), "the archive");
    let reads: Vec<&Value> = outcomes.iter().step_by(6).collect();
    assert!(reads.iter().any(|read| read["allowed"]["text"] == "plain"), "it was read at times: {reads:?}");
    assert!(reads.iter().any(|read| read.get("allowed").is_none()), "and refused at times: {reads:?}");
    assert!(outcomes.iter().all(|outcome| !outcome.to_string().contains("sesame")), "the secret was read");
    assert!(outcomes.iter().all(|outcome| !outcome.to_string().contains("/secret\"")), "the secret was listed");
    assert_eq!(elsewhere(&host), before);
}

#[test]
fn names_of_any_bytes_come_and_go_and_are_no_paths() {
    let host = ground("");
    let data = host.path().join("data");
    for name in [&b"gr\xf6\xdfe"[..], b"two\nlines", b"\x1b[31mred", b"back\\slash", b"-rf", b" ", b"..."] {
        fs::write(data.join(OsStr::from_bytes(name)), "x").expect("a file");
    }
    let listed = run(&host, &[call("list", "/data")]);
    let paths: Vec<String> = listed[0]["allowed"]
        .as_array()
        .unwrap_or_else(|| panic!("{listed:?}"))
        .iter()
        .filter_map(|path| path.as_str().map(str::to_owned))
        .filter(|path| path != "/data/sub")
        .collect();
    assert_eq!(paths.len(), 8, "{paths:?}");
    let calls: Vec<Value> = paths.iter().flat_map(|path| [call("read", path), call("remove", path)]).collect();
    let outcomes = run(&host, &calls);
    assert!(outcomes.iter().all(|outcome| outcome.get("allowed").is_some()), "{outcomes:?}");
    assert_eq!(fs::read_dir(&data).expect("it is there").count(), 1, "all but the directory");
}

#[test]
fn a_file_is_removed_only_while_it_is_the_one_that_was_looked_at() {
    let host = ground("");
    let path = host.path().join("data/sub/plain");
    let number = fs::metadata(&path).expect("it is there").ino();
    let this = |inode| json!({ "call": "files", "do": "remove-this", "path": "/data/sub/plain", "inode": inode });
    let outcomes = run(&host, &[this(number + 1)]);
    assert!(outcomes[0].get("failed").is_some() && path.exists(), "{outcomes:?}");
    let outcomes = run(&host, &[this(number)]);
    assert!(outcomes[0].get("allowed").is_some() && !path.exists(), "{outcomes:?}");
}

#[test]
fn a_hard_link_is_the_file_that_the_operator_bound_and_its_permissions_stay_the_owners() {
    let host = ground("");
    let (inside, outside) = (host.path().join("data/linked"), host.path().join("outside/secret"));
    fs::hard_link(&outside, &inside).expect("a hard link");
    let before = fs::read(&outside).expect("it is there");
    // Writing replaces the name; the other file is never written through it.
    let outcomes = run(&host, &[json!({ "call": "files", "do": "write", "path": "/data/linked", "text": "mine" })]);
    assert!(outcomes[0].get("allowed").is_some(), "{outcomes:?}");
    assert_eq!(fs::read(&outside).expect("it is there"), before);
    assert_ne!(fs::metadata(&outside).expect("it is there").ino(), fs::metadata(&inside).expect("it is there").ino());
    // No mode makes a file that runs as its owner.
    let outcomes = run(
        &host,
        &[
            json!({ "call": "files", "do": "set-permissions", "path": "/data/linked", "mode": 0o6755 }),
            json!({ "call": "files", "do": "write", "path": "/data/raised", "text": "x", "mode": 0o4755 }),
            json!({ "call": "files", "do": "set-permissions", "path": "/data/linked", "mode": 0o640 }),
        ],
    );
    assert!(outcomes[0].get("allowed").is_none() && outcomes[1].get("allowed").is_none(), "{outcomes:?}");
    assert!(outcomes[2].get("allowed").is_some(), "{outcomes:?}");
    let mode = fs::metadata(&inside).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
}

#[test]
fn an_archive_holds_links_as_links_and_says_what_it_left_out() {
    let host = ground("");
    let data = host.path().join("data");
    symlink("../../outside/secret", data.join("sub/up")).expect("a link");
    symlink(host.path().join("outside"), data.join("sub/out")).expect("a link");
    rustix::fs::mknodat(CWD, data.join("sub/fifo"), FileType::Fifo, Mode::RWXU, 0).expect("a FIFO");
    let growing = Arc::new(AtomicBool::new(true));
    let (goes_on, file) = (growing.clone(), data.join("sub/grows"));
    let writer = std::thread::spawn(move || {
        let mut file = fs::File::create(file).expect("a file");
        while goes_on.load(Ordering::Relaxed) {
            std::io::Write::write_all(&mut file, &[b'g'; 64 << 10]).expect("room");
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    std::thread::sleep(Duration::from_millis(50));
    let archive =
        json!({ "call": "files", "do": "archive", "sources": ["/data/sub"], "destination": "/data/made.tar" });
    let outcomes = run(&host, &[archive]);
    growing.store(false, Ordering::Relaxed);
    writer.join().expect("no panic");
    let said = outcomes[0]["allowed"].as_str().unwrap_or_else(|| panic!("{outcomes:?}"));
    assert!(said.contains("fifo"), "{said}");
    let archive = fs::read(data.join("made.tar")).expect("it was made");
    assert!(!archive.windows(6).any(|bytes| bytes == b"sesame"), "no content of what a link leads to");
    assert!(archive.windows(9).any(|bytes| bytes == b"sub/plain"), "and the files themselves");
}

#[test]
fn a_file_larger_than_the_disk_is_not_left_half() {
    if !rustix::process::geteuid().is_root() {
        // Others mount in a namespace of their own, which tests/state_directory.rs does.
        return;
    }
    let host = ground("");
    let data = host.path().join("data/small");
    fs::create_dir(&data).expect("a directory");
    let run_small = format!(
        "mount -t tmpfs -o size=4m none {0} && {1} --config {2} run puppet --format json; find {0} -type f -size +1k",
        data.display(),
        hostler_tests::binary().display(),
        host.configuration().display()
    );
    crate::puppet::write(
        &host,
        &[
            json!({ "call": "files", "do": "fill", "path": "/data/small/fits", "bytes": 1 << 20 }),
            json!({ "call": "files", "do": "fill", "path": "/data/small/large", "bytes": 64 << 20 }),
        ],
    );
    let output = std::process::Command::new("unshare").args(["-m", "sh", "-c", &run_small]).output().expect("unshare");
    let said = String::from_utf8_lossy(&output.stdout);
    let (document, left) = said.rsplit_once('}').expect("a document");
    assert_eq!(left.trim(), data.join("fits").display().to_string(), "{document}");
    assert!(!document.is_empty());
}

#[test]
fn handles_files_and_bytes_are_counted() {
    let host = ground("limits = { handles = 20, bytes = \"4MiB\", rows = 1000 }");
    fs::write(host.path().join("looked/large"), vec![b'x'; 8 << 20]).expect("a file");
    for number in 0..2000 {
        fs::write(host.path().join(format!("looked/sub/{number}")), "").expect("a file");
    }
    let flood =
        |what: &str, path: &str, count: u64| json!({ "call": "flood", "do": what, "path": path, "count": count });
    let cases = [
        (flood("streams", "/looked/sub/plain", 10), flood("streams", "/looked/sub/plain", 100)),
        (flood("streams", "/looked/large", 1), flood("streams", "/looked/large", 100)),
        (flood("writers", "/data/sub", 10), flood("writers", "/data/sub", 100)),
        (call("read", "/looked/sub/plain"), call("read", "/looked/large")),
        (call("list", "/data"), call("list", "/looked")),
    ];
    for (honest, attempt) in cases {
        let (output, outcomes) = run_in(&host, "run", &[honest, attempt.clone()]);
        assert!(outcomes[0].get("allowed").is_some(), "{attempt}: {outcomes:?}");
        assert!(outcomes[1].get("limit").is_some(), "{attempt}: {outcomes:?}");
        assert_eq!(output.code, 3, "a run over its limit is not believed: {attempt}: {output:?}");
    }
    assert_eq!(fs::read_dir(host.path().join("data/sub")).expect("it is there").count(), 1, "no file half written");
}
