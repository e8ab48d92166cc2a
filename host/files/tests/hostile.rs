//! Trees and paths that mean harm.

mod ground;

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ground::{Ground, bound, child, directory, given, succeeded};
use hostler_capability::{Error, Limits, Mode};
use hostler_manifest::Access;
use hostler_world::files::{Compression, Kind, WalkOptions};
use rustix::fs::{CWD, FileType, Mode as Bits, mknodat};

const WHOLE: WalkOptions =
    WalkOptions { depth: None, cross_mounts: false, modified_before: None, accessed_before: None };

async fn content(ground: &Ground, path: &str) -> Result<Vec<u8>, Error> {
    let mut content = ground.files.read(path, 0, Compression::None).await?;
    let mut bytes = vec![];
    while let Some(piece) = content.bytes.recv().await {
        bytes.extend(piece);
    }
    content.completed.await.expect("no trap").map(|()| bytes)
}

async fn listed(ground: &Ground, path: &str, options: WalkOptions) -> (Vec<String>, Vec<(String, String)>) {
    let mut tree = ground.files.list_tree(path, options).await.expect("it may be listed");
    let mut paths = vec![];
    while let Some(batch) = tree.entries.recv().await {
        paths.extend(batch.into_iter().map(|entry| entry.path));
    }
    paths.sort();
    (paths, tree.completed.await.expect("no trap").expect("it ended well"))
}

fn code(error: &Error) -> &str {
    match error {
        Error::Failed(failure) => &failure.code,
        Error::Denied(_) => "denied",
        Error::Invalid(_) => "invalid",
        Error::Unavailable(_) => "unavailable",
        _ => "other",
    }
}

/// A directory `data` with a secret beside it.
fn prepared() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::create_dir_all(directory.path().join("data/sub")).expect("directories");
    fs::write(directory.path().join("secret"), "secret").expect("a file");
    fs::write(directory.path().join("data/sub/plain"), "plain").expect("a file");
    directory
}

#[tokio::test]
async fn no_path_leaves_its_directory() {
    let directory = prepared();
    let data = directory.path().join("data");
    symlink("../secret", data.join("up")).expect("a link");
    symlink(directory.path(), data.join("out")).expect("a link");
    symlink("sub", data.join("in")).expect("a link");
    let ground = Ground::new(Mode::Apply, &data);
    for (path, expected) in [
        ("/data/../secret", "denied"),
        ("/data/sub/../../secret", "denied"),
        ("/data/\\x2e\\x2e/secret", "denied"),
        ("/etc/passwd", "denied"),
        ("//etc/passwd", "denied"),
        ("etc/passwd", "invalid"),
        ("/data/sub\\x2f..\\x2f..\\x2fsecret", "invalid"),
        ("/data/up", "not-regular"),
        ("/data/out/secret", "ELOOP"),
        ("/data/in/plain", "ELOOP"),
        ("/data/missing", "ENOENT"),
        ("/data/sub/plain/x", "ENOTDIR"),
        ("/data/sub", "not-regular"),
    ] {
        let error = content(&ground, path).await.expect_err(path);
        assert_eq!(code(&error), expected, "{path}: {error:?}");
        assert!(!format!("{error:?}").contains(&*directory.path().to_string_lossy()), "{error:?}");
    }
    assert_eq!(content(&ground, "/data//sub/./plain").await.expect("it may be read"), b"plain");
    let denied = ground.audit().into_iter().filter(|line| line.starts_with("Denied")).count();
    assert_eq!(denied, 5, "{:?}", ground.audit());
}

#[tokio::test]
async fn no_change_leaves_its_directory_either() {
    let directory = prepared();
    let data = directory.path().join("data");
    symlink(directory.path(), data.join("out")).expect("a link");
    symlink(directory.path().join("secret"), data.join("link")).expect("a link");
    let ground = Ground::new(Mode::Apply, &data);
    let files = &ground.files;
    for path in ["/data/out/secret", "/data/../secret", "/data/out/sub/x"] {
        files.remove(path, None).await.expect_err(path);
        files.remove_tree(path).await.expect_err(path);
        files.set_permissions(path, 0o777).await.expect_err(path);
        files.create_directory(path, 0o700).await.expect_err(path);
        files.copy("/data/sub/plain", path).await.expect_err(path);
        files.rename("/data/sub/plain", path).await.expect_err(path);
        files.rename(path, "/data/stolen").await.expect_err(path);
        files.archive(&["/data/sub".into()], path, Compression::None, 0o600).await.expect_err(path);
        files.archive(&[path.into()], "/data/stolen", Compression::None, 0o600).await.expect_err(path);
        assert!(files.create_writer(path, 0o600).await.is_err(), "{path}");
    }
    files.set_permissions("/data/link", 0o777).await.expect_err("a link has no permissions");
    // The link itself is replaced and removed, and what it leads to is not touched.
    let writer = files.create_writer("/data/link", 0o640).await.expect("it may be written");
    writer.append(b"new".to_vec()).await.expect("it may be written");
    writer.finish().await.expect("it may be written");
    assert_eq!(fs::read_to_string(data.join("link")).expect("a file"), "new");
    assert!(fs::symlink_metadata(data.join("link")).expect("a file").is_file());
    files.remove("/data/out", None).await.expect("the link itself");
    assert_eq!(fs::read_to_string(directory.path().join("secret")).expect("it is there"), "secret");
    assert_eq!(fs::metadata(directory.path().join("secret")).expect("it is there").permissions().mode() & 0o777, 0o644);
    assert_eq!(ground::names(directory.path()), ["data", "secret"]);
    for path in ["/data", "/data/"] {
        files.remove_tree(path).await.expect_err("the bound directory itself");
        files.rename(path, "/data/sub/x").await.expect_err("the bound directory itself");
        files.set_permissions(path, 0o700).await.expect_err("the bound directory itself");
    }
}

#[tokio::test]
async fn a_directory_that_is_swapped_for_a_link_leads_nowhere() {
    let directory = prepared();
    let data = directory.path().join("data");
    let outside = directory.path().join("outside");
    fs::create_dir(&outside).expect("a directory");
    fs::write(outside.join("plain"), "outside").expect("a file");
    symlink(&outside, data.join("link")).expect("a link");
    let over = Arc::new(AtomicBool::new(false));
    let (swapping, swapped) = (over.clone(), data.clone());
    let swapper = std::thread::spawn(move || {
        let handle = fs::File::open(&swapped).expect("a directory");
        while !swapping.load(Ordering::Relaxed) {
            let exchange = rustix::fs::RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(&handle, "sub", &handle, "link", exchange).expect("both are there");
        }
    });
    let ground = Ground::new(Mode::Apply, &data);
    let (mut read, mut refused) = (0, 0);
    let until = Instant::now() + Duration::from_secs(20);
    while (read < 100 || refused < 100) && Instant::now() < until {
        match content(&ground, "/data/sub/plain").await {
            Ok(bytes) => {
                assert_eq!(bytes, b"plain");
                read += 1;
            }
            Err(_) => refused += 1,
        }
        let (paths, _) = listed(&ground, "/data", WHOLE).await;
        assert!(paths.iter().all(|path| !path.ends_with("/outside")), "{paths:?}");
        let _ = ground.files.copy("/data/sub/plain", "/data/sub/copy").await;
        let _ = ground.files.remove("/data/sub/copy", None).await;
    }
    let _ = ground.files.remove_tree("/data/sub").await;
    over.store(true, Ordering::Relaxed);
    let _ = swapper.join();
    assert!(read > 0 && refused > 0, "both happened: {read} {refused}");
    assert_eq!(ground::names(&outside), ["plain"]);
    assert_eq!(fs::read_to_string(outside.join("plain")).expect("it is there"), "outside");
}

#[tokio::test]
async fn a_fifo_or_a_device_blocks_nobody_and_is_not_read() {
    let directory = prepared();
    let data = directory.path().join("data");
    mknodat(CWD, data.join("fifo"), FileType::Fifo, Bits::RWXU, 0).expect("a FIFO");
    let _socket = std::os::unix::net::UnixListener::bind(data.join("socket")).expect("a socket");
    let ground = Ground::new(Mode::Apply, &data);
    let started = Instant::now();
    for path in ["/data/fifo", "/data/socket"] {
        for error in [
            content(&ground, path).await.expect_err(path),
            ground.files.sha256(path).await.expect_err(path),
            ground.files.copy(path, "/data/copy").await.expect_err(path),
        ] {
            assert_eq!(code(&error), "not-regular", "{error:?}");
        }
        assert_eq!(ground.files.read_metadata(path).await.expect("it may be looked at").kind, Kind::Other);
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn names_that_are_not_utf8_come_and_go() {
    let directory = prepared();
    let data = directory.path().join("data");
    let name = OsStr::from_bytes(b"gr\xf6\xdfe\\n");
    fs::write(data.join(name), "x").expect("a file");
    let ground = Ground::new(Mode::Apply, &data);
    let (paths, _) = listed(&ground, "/data", WHOLE).await;
    assert_eq!(paths, ["/data/gr\\xf6\\xdfe\\x5cn", "/data/sub", "/data/sub/plain"]);
    assert_eq!(content(&ground, &paths[0]).await.expect("it may be read"), b"x");
    ground.files.remove(&paths[0], None).await.expect("it may be removed");
    assert!(!data.join(name).exists());
}

#[tokio::test]
async fn the_kernels_own_file_systems_are_not_bound() {
    for path in ["/proc", "/sys", "/proc/self", "/dev"] {
        // A container's /dev may be a tmpfs of its own, which holds files.
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("every Linux has it");
        if path == "/dev" && !mounts.contains(" /dev rw") && !mounts.contains("- devtmpfs") {
            continue;
        }
        let ground = Ground::new(Mode::Apply, Path::new(path));
        let error = ground.files.read_metadata("/data").await.expect_err(path);
        assert_eq!(code(&error), "pseudo-filesystem", "{path}: {error:?}");
        assert!(content(&ground, "/data/environ").await.is_err());
    }
    let ground = Ground::new(Mode::Apply, Path::new("/nowhere/at/all"));
    let error = ground.files.read_metadata("/data").await.expect_err("it is not there");
    assert_eq!(code(&error), "unavailable");
    assert!(format!("{error:?}").contains("directory.shop") && !format!("{error:?}").contains("/nowhere"), "{error:?}");
}

#[tokio::test]
async fn a_grant_to_read_does_not_write_and_targets_are_apart() {
    let temporary = prepared();
    let data = temporary.path().join("data");
    let bindings = vec![
        directory("data", &data, Access::Read),
        bound("logs", true, &[("a", temporary.path()), ("b", &data)], Access::Write),
    ];
    let ground = Ground::bound(Mode::Check, bindings, Limits::default());
    assert_eq!(ground.files.targets("logs"), ["a", "b"]);
    assert_eq!(ground.files.targets("data"), Vec::<String>::new());
    let error = ground.files.remove("/data/sub/plain", None).await.expect_err("it is granted to read");
    let Error::Denied(denial) = error else { panic!("{error:?}") };
    assert_eq!((denial.request.as_str(), denial.rule.as_str()), ("data", "access = \"read\""));
    assert_eq!(content(&ground, "/logs/b/sub/plain").await.expect("it may be read"), b"plain");
    assert_eq!(content(&ground, "/logs/a/secret").await.expect("it may be read"), b"secret");
    assert_eq!(code(&content(&ground, "/logs/c/secret").await.expect_err("no such target")), "denied");
    assert_eq!(ground.audit().last().map(|line| line.starts_with("Denied logs")), Some(true));
}

#[test]
fn what_another_user_may_not_read_is_listed_with_the_reason() {
    let temporary = tempfile::tempdir().expect("a directory");
    let path = temporary.path();
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("its own");
    fs::create_dir(path.join("data")).expect("a directory");
    fs::create_dir(path.join("data/closed")).expect("a directory");
    fs::write(path.join("data/closed/x"), "x").expect("a file");
    fs::write(path.join("data/mine"), "x").expect("a file");
    fs::write(path.join("data/open"), "open").expect("a file");
    for (name, mode) in [("data/closed", 0o700), ("data/mine", 0o600), ("data", 0o755), ("data/open", 0o644)] {
        fs::set_permissions(path.join(name), fs::Permissions::from_mode(mode)).expect("its own");
    }
    fs::create_dir(path.join("backups")).expect("a directory");
    fs::set_permissions(path.join("backups"), fs::Permissions::from_mode(0o777)).expect("its own");
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: only root can become another user");
        return;
    }
    let before = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    succeeded(child("as_another_user", path, &before).output().expect("setpriv is part of util-linux"));
}

#[tokio::test]
#[ignore = "run by what_another_user_may_not_read_is_listed_with_the_reason"]
async fn as_another_user() {
    let path = given();
    let bindings = vec![
        directory("data", &path.join("data"), Access::Write),
        directory("backups", &path.join("backups"), Access::Write),
    ];
    let ground = Ground::bound(Mode::Apply, bindings, Limits::default());
    let (paths, unreadable) = listed(&ground, "/data", WHOLE).await;
    assert_eq!(paths, ["/data/closed", "/data/mine", "/data/open"]);
    assert_eq!(unreadable, [("/data/closed".to_owned(), "permission denied".to_owned())]);
    let error = content(&ground, "/data/mine").await.expect_err("it is another's");
    assert_eq!(code(&error), "EACCES");
    assert_eq!(code(&ground.files.remove("/data/open", None).await.expect_err("another's")), "EACCES");
    let archived = ground.files.archive(&["/data".into()], "/backups/a.tar", Compression::None, 0o640).await;
    let Ok(hostler_world::files::Archiving::Applied(archived)) = archived else { panic!("{archived:?}") };
    let mut skipped = archived.skipped;
    skipped.sort();
    let reason = || "permission denied".to_owned();
    assert_eq!(skipped, [("/data/closed".to_owned(), reason()), ("/data/mine".to_owned(), reason())]);
    assert_eq!(archived.files, 1);
}

#[test]
fn mounts_below_a_directory_are_seen_and_not_entered() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: only root can mount");
        return;
    }
    let temporary = prepared();
    let data = temporary.path().join("data");
    for name in ["proc", "tmpfs", "bound"] {
        fs::create_dir(data.join(name)).expect("a directory");
    }
    fs::create_dir(temporary.path().join("beside")).expect("a directory");
    fs::write(temporary.path().join("beside/kept"), "kept").expect("a file");
    succeeded(child("in_a_mount_namespace", temporary.path(), &["unshare", "--mount"]).output().expect("util-linux"));
    assert_eq!(ground::names(&temporary.path().join("beside")), ["kept"]);
}

#[tokio::test]
#[ignore = "run by mounts_below_a_directory_are_seen_and_not_entered"]
async fn in_a_mount_namespace() {
    let path = given();
    let data = path.join("data");
    let mount = |words: &[&str]| {
        succeeded(std::process::Command::new("mount").args(words).current_dir(&data).output().expect("mount"));
    };
    mount(&["-t", "proc", "proc", "proc"]);
    mount(&["-t", "tmpfs", "tmpfs", "tmpfs"]);
    mount(&["--bind", "../beside", "bound"]);
    fs::write(data.join("tmpfs/inside"), "x").expect("a file");
    let ground = Ground::new(Mode::Apply, &data);
    let (paths, unreadable) = listed(&ground, "/data", WHOLE).await;
    assert_eq!(paths, ["/data/bound", "/data/proc", "/data/sub", "/data/sub/plain", "/data/tmpfs"]);
    assert_eq!(unreadable, []);
    let (paths, unreadable) = listed(&ground, "/data", WalkOptions { cross_mounts: true, ..WHOLE }).await;
    assert!(paths.contains(&"/data/tmpfs/inside".to_owned()) && paths.contains(&"/data/bound/kept".to_owned()));
    assert!(!paths.iter().any(|path| path.starts_with("/data/proc/")), "{paths:?}");
    assert_eq!(unreadable.len(), 1, "{unreadable:?}");
    for path in ["/data/proc/self/environ", "/data/proc/1/status", "/data/proc"] {
        assert!(content(&ground, path).await.is_err(), "{path}");
    }
    assert_eq!(code(&ground.files.read_metadata("/data/proc/self/environ").await.expect_err("procfs")), "ELOOP");
    assert_eq!(
        code(&ground.files.read_metadata("/data/proc/1/environ").await.expect_err("procfs")),
        "pseudo-filesystem"
    );
    // A bind mount of the same device is a mount too.
    assert_eq!(code(&ground.files.remove_tree("/data/bound").await.expect_err("a mount")), "EXDEV");
    fs::create_dir(data.join("sub/deep")).expect("a directory");
    mount(&["--bind", "../beside", "sub/deep"]);
    assert_eq!(code(&ground.files.remove_tree("/data/sub").await.expect_err("a mount in it")), "EXDEV");
    assert!(data.join("bound/kept").exists());
    let archived = ground.files.archive(&["/data".into()], "/data/a.tar", Compression::None, 0o600).await;
    let Ok(hostler_world::files::Archiving::Applied(archived)) = archived else { panic!("{archived:?}") };
    assert!(archived.skipped.iter().all(|(_, reason)| reason.contains("another file system")), "{archived:?}");
    assert_eq!(archived.skipped.len(), 4, "{archived:?}");
    let (rename, copy) = ("/data/a.tar", "/data/tmpfs/b.tar");
    assert_eq!(code(&ground.files.rename(rename, copy).await.expect_err("another file system")), "EXDEV");
    ground.files.copy(rename, copy).await.expect("it may be copied");
    assert_eq!(fs::read(data.join("tmpfs/b.tar")).expect("a file"), fs::read(data.join("a.tar")).expect("a file"));
    // A file system that is full leaves no half file.
    mount(&["-o", "remount,size=64k", "tmpfs", "tmpfs"]);
    let writer = ground.files.create_writer("/data/tmpfs/big", 0o600).await.expect("it may be written");
    let mut ended = Ok(());
    for _ in 0..8 {
        ended = ended.and(writer.append(vec![7; 100_000]).await);
    }
    assert_eq!(code(&ended.expect_err("it is full")), "ENOSPC");
    assert_eq!(code(&writer.finish().await.expect_err("it was given up")), "ENOSPC");
    assert!(!ground::names(&data.join("tmpfs")).iter().any(|name| name.contains("big")));
}
