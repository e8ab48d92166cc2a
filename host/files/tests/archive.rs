//! Archives, restored by the real tar.

mod ground;

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, chown, symlink},
    },
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ground::{Ground, directory, names, succeeded};
use hostler_capability::{Limits, Mode};
use hostler_manifest::Access;
use hostler_world::files::{Archived, Archiving, Compression};

/// Kind, mode, owner, time in seconds, and content or target of everything in a tree; files of one inode share a
/// number.
fn told(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut told = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    let mut left = vec![root.to_path_buf()];
    let mut paths = vec![];
    while let Some(path) = left.pop() {
        if fs::symlink_metadata(&path).expect("it is there").is_dir() {
            left.extend(fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()));
        }
        paths.push(path);
    }
    paths.sort();
    for path in paths {
        let stat = fs::symlink_metadata(&path).expect("it is there");
        let content = if stat.is_symlink() {
            format!("-> {:?}", fs::read_link(&path).expect("a link"))
        } else if stat.is_file() {
            let next = inodes.len();
            let shared = *inodes.entry(stat.ino()).or_insert(next);
            format!("{shared} {:?}", fs::read(&path).expect("a file"))
        } else {
            String::new()
        };
        // The time of a link is not kept by every tar that restores it.
        let time = if stat.is_symlink() { 0 } else { stat.mtime() };
        let line = format!("{:o} {}:{} {time} {} {content}", stat.mode(), stat.uid(), stat.gid(), stat.nlink());
        told.insert(path.strip_prefix(root).expect("below it").to_path_buf(), line);
    }
    told
}

fn applied(archiving: Result<Archiving, hostler_capability::Error>) -> Archived {
    let Ok(Archiving::Applied(archived)) = archiving else { panic!("{archiving:?}") };
    archived
}

fn hard_tree(data: &Path) {
    let long = "n".repeat(200);
    fs::create_dir_all(data.join(&long).join(&long)).expect("directories");
    fs::create_dir(data.join("empty")).expect("a directory");
    fs::write(data.join(&long).join(&long).join("file"), "deep").expect("a file");
    fs::write(data.join(OsStr::from_bytes(b"gr\xf6\xdfe")), "latin").expect("a file");
    fs::write(data.join("back\\slash and space\nline"), "x").expect("a file");
    for (name, size) in [
        ("none", 0),
        ("one", 1),
        ("block", 512),
        ("more", 513),
        ("small", 65536),
        ("large", 65537),
        ("larger", 3_000_001),
    ] {
        let content: Vec<u8> = (0..size).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        fs::write(data.join(name), content).expect("a file");
    }
    fs::hard_link(data.join("one"), data.join("empty/one again")).expect("a link");
    fs::hard_link(data.join("larger"), data.join(&long).join("larger again")).expect("a link");
    for (target, name) in
        [("one", "link"), ("./one//", "odd link"), ("/etc/passwd", "absolute"), ("../../nowhere", "dangling")]
    {
        symlink(target, data.join(name)).expect("a link");
    }
    symlink(format!("{long}/../{long}"), data.join("long link")).expect("a link");
    for (name, mode) in [("one", 0o600), ("block", 0o755), ("more", 0o4711), ("empty", 0o1770), ("small", 0o000)] {
        fs::set_permissions(data.join(name), fs::Permissions::from_mode(mode)).expect("its own");
    }
    let time = std::time::UNIX_EPOCH + Duration::from_secs(1_234_567_890);
    fs::File::options().write(true).open(data.join("block")).expect("a file").set_modified(time).expect("its own");
    if rustix::process::geteuid().is_root() {
        chown(data.join("none"), Some(1234), Some(4321)).expect("root may");
        chown(data.join("large"), Some(3_000_000), Some(3_000_000)).expect("root may");
    }
}

#[tokio::test]
async fn what_tar_restores_is_what_was_there() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (data, backups) = (temporary.path().join("data"), temporary.path().join("backups"));
    fs::create_dir(&data).expect("a directory");
    fs::create_dir(&backups).expect("a directory");
    hard_tree(&data);
    let bindings = vec![directory("data", &data, Access::Read), directory("backups", &backups, Access::Write)];
    let ground = Ground::bound(Mode::Apply, bindings, Limits::default());
    for (compression, name, option) in [
        (Compression::Zstd, "all.tar.zst", "--zstd"),
        (Compression::Gzip, "all.tar.gz", "--gzip"),
        (Compression::None, "all.tar", "--no-auto-compress"),
    ] {
        let path = format!("/backups/{name}");
        let archived = applied(ground.files.archive(&["/data".into()], &path, compression, 0o640).await);
        assert_eq!(archived.skipped, []);
        let stat = fs::metadata(backups.join(name)).expect("it is there");
        assert_eq!((stat.mode() & 0o7777, stat.len()), (0o640, archived.bytes_written));
        let output = Command::new("sha256sum").arg(backups.join(name)).output().expect("coreutils");
        assert_eq!(Some(hex::encode(&archived.sha256).as_str()), succeeded(output).split(' ').next());
        let restored = temporary.path().join("restored");
        fs::create_dir(&restored).expect("a directory");
        let mut tar = Command::new("tar");
        tar.args([option, "-xpf"]).arg(backups.join(name)).arg("-C").arg(&restored);
        let output = tar.output().expect("tar");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "tar has nothing to say");
        succeeded(output);
        let (was, is) = (told(&data), told(&restored.join("data")));
        assert_eq!(was.keys().collect::<Vec<_>>(), is.keys().collect::<Vec<_>>());
        for (path, line) in &was {
            assert!(is[path] == *line, "{path:?}\n{:.200}\n{:.200}", line, is[path]);
        }
        let content: u64 = 4 + 5 + 1 + 1 + 512 + 513 + 65536 + 65537 + 3_000_001;
        assert_eq!((archived.files, archived.bytes_read), (10, content));
        fs::remove_dir_all(&restored).expect("its own");
    }
    assert_eq!(names(&backups), ["all.tar", "all.tar.gz", "all.tar.zst"]);
    let output = Command::new("zstd").args(["-lv"]).arg(backups.join("all.tar.zst")).output().expect("zstd");
    assert!(succeeded(output).contains("XXH64"), "with a checksum");
}

#[tokio::test]
async fn several_sources_single_files_and_what_is_left_out() {
    let temporary = tempfile::tempdir().expect("a directory");
    let data = temporary.path().join("data");
    fs::create_dir_all(data.join("sub")).expect("directories");
    fs::write(data.join("sub/a"), "a").expect("a file");
    fs::write(data.join("b"), "b").expect("a file");
    fs::write(data.join("sub/old.tar"), "the one before").expect("a file");
    let _socket = std::os::unix::net::UnixListener::bind(data.join("sub/socket")).expect("a socket");
    let ground = Ground::new(Mode::Apply, &data);
    let sources = ["/data/sub".to_owned(), "/data/b".to_owned()];
    let archived = applied(ground.files.archive(&sources, "/data/sub/old.tar", Compression::None, 0o600).await);
    assert_eq!(archived.files, 2, "the archive is not in itself");
    assert_eq!(archived.skipped.len(), 1, "{archived:?}");
    assert_eq!(archived.skipped[0].0, "/data/sub/socket");
    assert!(archived.skipped[0].1.contains("a socket"), "{archived:?}");
    let output = Command::new("tar").arg("-tf").arg(data.join("sub/old.tar")).output().expect("tar");
    assert_eq!(succeeded(output), "data/sub/\ndata/sub/a\ndata/b\n");
    for sources in [vec![], vec!["/data/missing".to_owned()], vec!["/data/b".to_owned(), "/other".to_owned()]] {
        ground.files.archive(&sources, "/data/new.tar", Compression::None, 0o600).await.expect_err("not a source");
        assert_eq!(names(&data), ["b", "sub"]);
    }
    let error = ground.files.archive(&sources, "/data/nowhere/x.tar", Compression::None, 0o600).await;
    assert!(error.is_err());
}

#[tokio::test]
async fn a_file_that_changes_meanwhile_is_reported_and_the_archive_is_whole() {
    let temporary = tempfile::tempdir().expect("a directory");
    let data = temporary.path().join("data");
    fs::create_dir(&data).expect("a directory");
    fs::write(data.join("steady"), "steady").expect("a file");
    let changing = fs::File::create(data.join("changing")).expect("a file");
    let over = Arc::new(AtomicBool::new(false));
    let asked = over.clone();
    let changer = std::thread::spawn(move || {
        while !asked.load(Ordering::Relaxed) {
            changing.set_len(48 << 20).expect("its own");
            changing.set_len(1 << 20).expect("its own");
        }
    });
    let bindings = vec![directory("data", &data, Access::Read), directory("backups", temporary.path(), Access::Write)];
    let ground = Ground::bound(Mode::Apply, bindings, Limits::default());
    let until = Instant::now() + Duration::from_secs(30);
    let mut reported = 0;
    while reported < 3 && Instant::now() < until {
        let archived =
            applied(ground.files.archive(&["/data".into()], "/backups/x.tar.zst", Compression::Zstd, 0o600).await);
        reported += usize::from(
            archived.skipped.iter().any(|(path, reason)| path == "/data/changing" && reason.contains("changed")),
        );
        let output = Command::new("tar")
            .args(["--zstd", "-xOf"])
            .arg(temporary.path().join("x.tar.zst"))
            .arg("data/steady")
            .output();
        assert_eq!(succeeded(output.expect("tar")), "steady");
    }
    over.store(true, Ordering::Relaxed);
    changer.join().expect("it changed");
    assert_eq!(reported, 3);
}

/// Seconds and peak memory of an archive as backups are: half small text files, half what does not compress. Run by
/// hand, with `SPEED_MEGABYTES` of data.
#[tokio::test]
#[ignore = "a measurement"]
async fn speed() {
    let megabytes: usize = std::env::var("SPEED_MEGABYTES").ok().and_then(|text| text.parse().ok()).unwrap_or(256);
    let temporary = tempfile::tempdir().expect("a directory");
    let data = temporary.path().join("data");
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for directory in 0..megabytes / 2 {
        let directory = data.join(format!("text/{directory}"));
        fs::create_dir_all(&directory).expect("a directory");
        for file in 0..64 {
            let mut text = String::with_capacity(17 << 10);
            while text.len() < 16 << 10 {
                let (id, user, status) =
                    (random() % 1_000_000, random() % 5000, [200, 404, 500][(random() % 3) as usize]);
                text.push_str(&format!(
                    "2024-05-01T12:00:00Z request id={id} user=u{user} status={status} path=/shop/item\n"
                ));
            }
            fs::write(directory.join(format!("{file}.log")), text).expect("a file");
        }
    }
    fs::create_dir_all(data.join("noise")).expect("a directory");
    for file in 0..(megabytes / 2).div_ceil(64) {
        let noise: Vec<u8> = (0..(64 << 20) / 8).flat_map(|_| random().to_le_bytes()).collect();
        fs::write(data.join(format!("noise/{file}")), noise).expect("a file");
    }
    let bindings = vec![directory("data", &data, Access::Read), directory("backups", temporary.path(), Access::Write)];
    let ground = Ground::bound(Mode::Apply, bindings, Limits::default());
    let out = temporary.path().join("t.tar.zst");
    for _ in 0..2 {
        let started = Instant::now();
        let script = "tar -C \"$1\" -cf - . | zstd -q -T0 -3 > \"$2\" && sha256sum \"$2\"";
        succeeded(Command::new("sh").args(["-c", script, "sh"]).arg(&data).arg(&out).output().expect("sh"));
        let pipeline = started.elapsed();
        let started = Instant::now();
        let archived =
            applied(ground.files.archive(&["/data".into()], "/backups/h.tar.zst", Compression::Zstd, 0o600).await);
        let own = started.elapsed();
        let status = fs::read_to_string("/proc/self/status").expect("every Linux has it");
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
        println!(
            "{} files, pipeline {pipeline:?}, archive {own:?}, ratio {:.2}, {peak}",
            archived.files,
            own.as_secs_f64() / pipeline.as_secs_f64()
        );
    }
}
