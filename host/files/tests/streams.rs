//! Trees and contents, as a plugin is given them.

mod ground;

use std::{fs, io::Write, path::Path, process::Command, time::Duration};

use ground::{Ground, directory, succeeded};
use hostler_capability::{Error, Limits, Mode};
use hostler_files::{ContentStream, FilesCapability};
use hostler_manifest::Access;
use hostler_world::files::{Compression, Entry, Kind, WalkOptions};

const WHOLE: WalkOptions =
    WalkOptions { depth: None, cross_mounts: false, modified_before: None, accessed_before: None };

async fn listed(ground: &Ground, options: WalkOptions) -> Vec<Entry> {
    let mut tree = ground.files.list_tree("/data", options).await.expect("it may be listed");
    let mut entries = vec![];
    while let Some(batch) = tree.entries.recv().await {
        entries.extend(batch);
    }
    assert_eq!(tree.completed.await.expect("no trap").expect("it ended well"), []);
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    entries
}

async fn read(ground: &Ground, path: &str, offset: u64, compression: Compression) -> (Vec<u8>, Result<(), Error>) {
    let mut content = ground.files.read(path, offset, compression).await.expect("it may be opened");
    let mut bytes = vec![];
    while let Some(piece) = content.bytes.recv().await {
        bytes.extend(piece);
    }
    (bytes, content.completed.await.expect("no trap"))
}

fn at(path: &Path, seconds: u64) {
    let time = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
    let times = fs::FileTimes::new().set_modified(time).set_accessed(time + Duration::from_secs(50));
    fs::File::options().write(true).open(path).expect("a file").set_times(times).expect("its own");
}

#[tokio::test]
async fn a_tree_is_listed_by_depth_and_age() {
    let temporary = tempfile::tempdir().expect("a directory");
    let path = temporary.path();
    fs::create_dir_all(path.join("a/b/c")).expect("directories");
    for (name, seconds) in [("old", 1000), ("a/middle", 2000), ("a/b/c/new", 3000)] {
        fs::write(path.join(name), name).expect("a file");
        at(&path.join(name), seconds);
    }
    fs::hard_link(path.join("old"), path.join("a/again")).expect("a link");
    let ground = Ground::new(Mode::Check, path);
    let paths = |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.path).collect::<Vec<_>>();
    let whole = listed(&ground, WHOLE).await;
    let old = whole.iter().find(|entry| entry.path == "/data/old").expect("it is listed").metadata.clone();
    assert_eq!((old.kind, old.links, old.size, old.modified), (Kind::File, 2, 3, 1_000_000_000_000));
    assert_eq!(old.accessed, 1_050_000_000_000);
    if rustix::process::geteuid().is_root() {
        assert_eq!((old.ownership.user.as_deref(), old.ownership.group.as_deref()), (Some("root"), Some("root")));
    }
    assert_eq!(paths(whole).len(), 7);
    assert_eq!(paths(listed(&ground, WalkOptions { depth: Some(1), ..WHOLE }).await), ["/data/a", "/data/old"]);
    assert_eq!(paths(listed(&ground, WalkOptions { depth: Some(2), ..WHOLE }).await).len(), 5);
    assert_eq!(paths(listed(&ground, WalkOptions { depth: Some(0), ..WHOLE }).await), Vec::<String>::new());
    let before = |seconds: i64| Some(seconds * 1_000_000_000);
    let old = WalkOptions { modified_before: before(2000), ..WHOLE };
    assert_eq!(paths(listed(&ground, old).await), ["/data/a/again", "/data/old"]);
    let idle = WalkOptions { accessed_before: before(2051), ..WHOLE };
    assert_eq!(paths(listed(&ground, idle).await), ["/data/a/again", "/data/a/middle", "/data/old"]);
    assert!(
        ground.audit().iter().any(|line| line == "Allowed data list-tree /data [access = \"write\"]"),
        "{:?}",
        ground.audit()
    );
}

#[tokio::test]
async fn many_entries_and_deep_trees() {
    let temporary = tempfile::tempdir().expect("a directory");
    for number in 0..5000 {
        fs::write(temporary.path().join(format!("{number}")), "").expect("a file");
    }
    let ground = Ground::new(Mode::Check, temporary.path());
    assert_eq!(listed(&ground, WHOLE).await.len(), 5000);
    assert_eq!(ground.context.usage.read().0, 5000);

    let deep = tempfile::tempdir().expect("a directory");
    let mut path = deep.path().to_path_buf();
    for _ in 0..250 {
        path.push("d");
    }
    fs::create_dir_all(&path).expect("directories");
    let ground = Ground::new(Mode::Apply, deep.path());
    let mut tree = ground.files.list_tree("/data", WHOLE).await.expect("it may be listed");
    let mut entries = 0;
    while let Some(batch) = tree.entries.recv().await {
        entries += batch.len();
    }
    let unreadable = tree.completed.await.expect("no trap").expect("it ended well");
    assert_eq!((entries, unreadable.len()), (200, 1), "{unreadable:?}");
}

#[tokio::test]
async fn a_limit_ends_a_stream_and_says_so() {
    let temporary = tempfile::tempdir().expect("a directory");
    fs::write(temporary.path().join("big"), vec![0; 4 << 20]).expect("a file");
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    let ground = Ground::bound(Mode::Check, vec![directory("data", temporary.path(), Access::Read)], limits);
    let (bytes, ended) = read(&ground, "/data/big", 0, Compression::None).await;
    assert!(bytes.len() <= 1 << 20);
    assert!(matches!(ended, Err(Error::Limit(_))), "{ended:?}");
    assert_eq!(ground.context.troubles_and_notes().0, ["the limit bytes is used up"]);
}

#[tokio::test]
async fn a_failure_that_nobody_looked_at_is_a_trouble_and_a_dropped_stream_is_none() {
    let temporary = tempfile::tempdir().expect("a directory");
    fs::write(temporary.path().join("damaged.gz"), b"\x1f\x8b\x08\0not gzip at all").expect("a file");
    fs::write(temporary.path().join("big"), vec![0; 16 << 20]).expect("a file");
    let ground = Ground::new(Mode::Check, temporary.path());
    let ContentStream { mut bytes, completed, .. } =
        ground.files.read("/data/big", 0, Compression::None).await.expect("it may be opened");
    bytes.recv().await.expect("a piece");
    drop((bytes, completed));
    let ContentStream { mut bytes, completed, .. } =
        ground.files.read("/data/damaged.gz", 0, Compression::Gzip).await.expect("it may be opened");
    while bytes.recv().await.is_some() {}
    drop(completed);
    for _ in 0..200 {
        if ground.audit().iter().filter(|line| !line.starts_with("Allowed")).count() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ground.context.troubles_and_notes().0, ["read /data/damaged.gz failed, and the plugin did not look"]);
}

#[tokio::test]
async fn contents_from_an_offset_and_unpacked() {
    let temporary = tempfile::tempdir().expect("a directory");
    let path = temporary.path();
    let text: String = (0..200_000).map(|number| format!("line {number}\n")).collect();
    fs::write(path.join("plain"), &text).expect("a file");
    for tool in ["gzip", "zstd"] {
        let output = Command::new(tool).args(["-k", "-q", "plain"]).current_dir(path).output();
        succeeded(output.expect("gzip and zstd are installed"));
    }
    // Two frames, as what is appended to a rotated log has.
    let mut twice = fs::read(path.join("plain.zst")).expect("a file");
    twice.extend_from_within(..);
    fs::write(path.join("twice.zst"), &twice).expect("a file");
    fs::write(path.join("cut.zst"), &twice[..twice.len() / 4]).expect("a file");
    let ground = Ground::new(Mode::Check, path);
    let text = text.as_bytes();
    for (name, compression) in
        [("plain", Compression::None), ("plain.gz", Compression::Gzip), ("plain.zst", Compression::Zstd)]
    {
        for offset in [0, 1, 1_000_000, text.len() as u64, u64::from(u32::MAX)] {
            let (bytes, ended) = read(&ground, &format!("/data/{name}"), offset, compression).await;
            ended.expect("it ended well");
            let from = text.len().min(offset as usize);
            assert!(bytes == text[from..], "{name} from {offset}: {} bytes", bytes.len());
        }
    }
    let (bytes, ended) = read(&ground, "/data/twice.zst", 0, Compression::Zstd).await;
    ended.expect("it ended well");
    assert_eq!(bytes.len(), 2 * text.len());
    for (name, compression) in
        [("cut.zst", Compression::Zstd), ("plain", Compression::Zstd), ("plain", Compression::Gzip)]
    {
        let (_, ended) = read(&ground, &format!("/data/{name}"), 0, compression).await;
        let error = ended.expect_err(name);
        assert!(matches!(&error, Error::Failed(failure) if failure.code == "damaged"), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn digests_and_usage_are_those_that_the_tools_tell() {
    let temporary = tempfile::tempdir().expect("a directory");
    let mut file = fs::File::create(temporary.path().join("x")).expect("a file");
    for number in 0..300_000 {
        writeln!(file, "{number}").expect("it may be written");
    }
    let ground = Ground::new(Mode::Check, temporary.path());
    let digest = hex::encode(ground.files.sha256("/data/x").await.expect("it may be read"));
    let output = Command::new("sha256sum").arg(temporary.path().join("x")).output().expect("coreutils");
    assert_eq!(Some(digest.as_str()), succeeded(output).split(' ').next());
    let usage = ground.files.read_usage("/data/x").await.expect("it may be looked at");
    let output = Command::new("stat").args(["-f", "-c", "%b %S %c"]).arg(temporary.path()).output().expect("coreutils");
    let told: Vec<u64> = succeeded(output).split_whitespace().map(|word| word.parse().expect("a number")).collect();
    assert_eq!((usage.total_bytes, usage.total_inodes), (told[0] * told[1], told[2]));
    assert!(usage.available_bytes <= usage.total_bytes);
}

#[test]
fn it_links() {
    use hostler_capability::{Capability, RunState};
    let mut config = wasmtime::Config::new();
    config.wasm_component_model_async(true);
    let engine = wasmtime::Engine::new(&config).expect("an engine");
    let mut linker = wasmtime::component::Linker::<RunState>::new(&engine);
    FilesCapability.link(&mut linker).expect("it links");
    assert!(FilesCapability.link(&mut linker).is_err(), "once");
}
