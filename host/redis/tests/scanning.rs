//! Scans: whole, held to the grant, and ended when nobody reads.

mod support;

use std::{
    collections::BTreeSet,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use hostler_capability::{Error, Limits, Mode};
use hostler_redis::{Pages, RedisCapability, Session};
use hostler_world::redis::Page;
use support::*;
use wasmtime::{
    Config, Engine, Store, StoreContextMut,
    component::{FutureReader, Source, StreamConsumer, StreamReader, StreamResult},
};

fn populated() -> Server {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("DEBUG POPULATE 5000 cache 1");
    client.ask("DEBUG POPULATE 3000 user 1");
    client.ask("RPUSH cache:list a");
    client.bytes(&[b"SET", b"cache:\xff\x00", b"1"]);
    server
}

async fn all(mut pages: Pages) -> BTreeSet<Vec<u8>> {
    let mut keys = BTreeSet::new();
    while let Some(page) = pages.next().await {
        assert!(!page.keys.is_empty());
        keys.extend(page.keys);
    }
    keys
}

async fn scanned(session: &Arc<Session>, pattern: &str, key_type: Option<&str>) -> BTreeSet<Vec<u8>> {
    let (pages, completed) = session.scan(pattern, key_type.map(str::to_owned)).expect("it is granted");
    let keys = all(pages).await;
    assert!(completed.await.expect("no trap").is_ok());
    keys
}

#[tokio::test]
async fn every_key_comes_and_none_beyond_the_grant() {
    let server = populated();
    let open = async |words: &str| open(&server.resource(), words).await;
    let every = open("+scan %R~*").await;
    assert_eq!(scanned(&every, "*", None).await.len(), 8002);
    assert_eq!(scanned(&every, "user:*", None).await.len(), 3000);
    assert_eq!(scanned(&every, "cache:*", Some("list")).await, BTreeSet::from([b"cache:list".to_vec()]));
    assert!(scanned(&every, "*", Some("stream")).await.is_empty());

    for words in ["+scan ~cache:*", "+@read %R~cache:* %W~user:*", "+scan ~cache:[0-9]* ~cache:l* ~cache:?\u{0}"] {
        let cache = open(words).await;
        for pattern in ["*", "[cu]*", "user:*", "cache:*"] {
            let keys = scanned(&cache, pattern, None).await;
            assert!(keys.iter().all(|key| key.starts_with(b"cache:")), "{words} {pattern}");
            assert_eq!(keys.is_empty(), pattern == "user:*", "{words} {pattern}");
        }
    }
    let cache = open("+scan ~cache:*").await;
    assert_eq!(scanned(&cache, "*", None).await.len(), 5002);
    let refused = |session: &Arc<Session>| session.scan("*", None).map(drop);
    assert!(matches!(refused(&open("+ping ~*").await), Err(Error::Denied(_))));
    assert!(matches!(refused(&open("+scan").await), Err(Error::Denied(_))));
    assert!(matches!(refused(&open("+scan %W~*").await), Err(Error::Denied(_))));
    assert!(matches!(cache.scan("*", Some("a b".into())).map(drop), Err(Error::Invalid(_))));
    assert!(matches!(cache.query(command("scan 0")).await, Err(Error::Denied(_))), "only the host filters");
}

#[tokio::test]
async fn a_scan_that_is_dropped_ends() {
    let server = populated();
    let run = run(Mode::Check);
    let session =
        open_on(&RedisCapability::default(), &run, &server.resource(), "+scan +ping ~*").await.expect("it opens");
    let (mut pages, completed) = session.scan("*", None).expect("it is granted");
    assert!(pages.next().await.is_some());
    drop(pages);
    assert!(matches!(completed.await.expect("no trap"), Err(Error::Stopped)));
    let lines = run.lines();
    assert!(lines.iter().any(|line| line.starts_with("scan * | Cancelled")), "{lines:?}");
    assert!(session.query(command("ping")).await.is_ok());
}

#[tokio::test]
async fn a_scan_that_fails_says_so_and_is_missed_where_nobody_looks() {
    let mut server = populated();
    let run = run_with(Mode::Check, Limits { rows: 2500, ..Limits::default() }, None);
    let session = open_on(&RedisCapability::default(), &run, &server.resource(), "+scan ~*").await.expect("it opens");
    let (pages, completed) = session.scan("*", None).expect("it is granted");
    assert!(all(pages).await.len() <= 2500);
    assert!(matches!(completed.await.expect("no trap"), Err(Error::Limit(limit)) if limit == "rows"));

    server.stop();
    let (pages, completed) = session.scan("*", None).expect("it is granted");
    assert!(all(pages).await.is_empty());
    drop(completed);
    let troubles = run.context.troubles_and_notes().0;
    assert!(troubles.iter().any(|trouble| trouble.contains("cache: scan * failed")), "{troubles:?}");
}

/// Reads a stream as a plugin would: through the engine.
#[derive(Clone, Default)]
struct Reader(Arc<Mutex<(Vec<usize>, bool)>>);

impl StreamConsumer<()> for Reader {
    type Item = Page;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<'_, ()>,
        mut source: Source<'_, Page>,
        _: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut pages: Vec<Page> = Vec::with_capacity(4);
        source.read(&mut store, &mut pages)?;
        self.0.lock().expect("nobody panicked").0.extend(pages.iter().map(|page| page.keys.len()));
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.lock().expect("nobody panicked").1 = true;
    }
}

#[tokio::test]
async fn pages_pass_through_the_engine() {
    let server = populated();
    let session = open(&server.resource(), "+scan ~*").await;
    let engine = Engine::new(&Config::new()).expect("an engine");
    let mut store = Store::new(&engine, ());
    let (pages, completed) = session.scan("*", None).expect("it is granted");
    let stream = StreamReader::new(&mut store, pages).expect("a stream");
    let _completed: FutureReader<Result<(), Error>> = FutureReader::new(&mut store, completed).expect("a future");
    let read = Arc::new(Mutex::new((vec![], false)));
    stream.pipe(&mut store, Reader(read.clone())).expect("it is piped");
    let waiting = store.run_concurrent(async |_| {
        while !read.lock().expect("nobody panicked").1 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    tokio::time::timeout(std::time::Duration::from_secs(20), waiting).await.expect("it ends").expect("no trap");
    let counts = read.lock().expect("nobody panicked").0.clone();
    assert!(counts.len() >= 8 && counts.iter().sum::<usize>() >= 8002, "{counts:?}");
}
