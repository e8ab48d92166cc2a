use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use hostler_capability::{Error, Mode};
use hostler_configuration::Confinement;
use hostler_manifest::Effect;
use wasmtime::{
    Engine, Store, StoreContextMut,
    component::{Source, StreamConsumer, StreamReader, StreamResult},
};

use super::support::{Bench, command, eventually, processes_with};
use crate::stream;

/// Takes what a stream has, up to so many bytes, and then drops it.
struct Collector(Arc<Mutex<Vec<u8>>>, usize);

impl<D> StreamConsumer<D> for Collector {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<D>,
        source: Source<'_, u8>,
        _: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        let mut taken = self.0.lock().expect("nobody panicked");
        taken.extend_from_slice(source.remaining());
        let count = source.remaining().len();
        source.mark_read(count);
        Poll::Ready(Ok(if taken.len() >= self.1 { StreamResult::Dropped } else { StreamResult::Completed }))
    }
}

fn store() -> Store<()> {
    let mut configuration = wasmtime::Config::new();
    configuration.wasm_component_model_async(true);
    Store::new(&Engine::new(&configuration).expect("an engine"), ())
}

#[tokio::test]
async fn a_spawned_programs_output_arrives_whole() {
    let run = Bench::new(Mode::Check).script(Confinement::Strict, Effect::Reads).run();
    let (output, completed) =
        run.client.spawn(command("script", &["-c", "seq 1 200000; exit 3"])).await.expect("it starts");
    let taken = Arc::new(Mutex::new(Vec::new()));
    let collector = Collector(taken.clone(), usize::MAX);
    let mut store = store();
    let completed = store
        .run_concurrent(async |accessor| {
            accessor.with(|mut access| StreamReader::new(&mut access, output)?.pipe(&mut access, collector))?;
            let ended = completed.await;
            // The program's end may be told before the last of its output is handed over.
            for _ in 0..1000 {
                if Arc::strong_count(&taken) == 1 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            ended
        })
        .await
        .expect("the store runs")
        .expect("it ends")
        .expect("it ended by itself");
    assert_eq!((completed.exit_code, completed.stdout.len()), (Some(3), 0));
    let taken = taken.lock().expect("nobody panicked");
    let lines: Vec<&[u8]> = taken.split(|byte| *byte == b'\n').collect();
    assert_eq!((lines.len(), lines[199_999]), (200_001, b"200000".as_slice()));
    assert!(run.context.usage.read().1 >= taken.len() as u64);
}

#[tokio::test]
async fn dropping_the_stream_ends_the_program() {
    for (confine, mark) in [(Confinement::Strict, "7654.351"), (Confinement::Off, "7654.352")] {
        let run = Bench::new(Mode::Check).script(confine, Effect::Reads).run();
        let script = format!("sleep {mark} & yes");
        let (output, completed) = run.client.spawn(command("script", &["-c", &script])).await.expect("it starts");
        eventually("it runs", || !processes_with(mark).is_empty()).await;
        drop(output);
        let ended = tokio::time::timeout(Duration::from_secs(8), completed).await.expect("it ends").expect("an end");
        assert!(ended.is_ok_and(|ended| ended.exit_code != Some(0)));
        eventually("all ended", || processes_with(mark).is_empty()).await;
    }
}

#[tokio::test]
async fn an_unread_stream_holds_the_program_back_until_its_time_is_up() {
    let run = Bench::new(Mode::Check).script(Confinement::Strict, Effect::Reads).run();
    let mut call = command("script", &["-c", "yes"]);
    call.timeout_ms = Some(800);
    let (_output, completed) = run.client.spawn(call).await.expect("it starts");
    let ended = tokio::time::timeout(Duration::from_secs(9), completed).await.expect("it ends").expect("an end");
    assert!(matches!(ended, Err(Error::TimedOut(800))), "{ended:?}");
    assert!(run.context.usage.read().1 < 2 << 20, "no more than the queue was read");
}

#[tokio::test]
async fn a_plugins_stream_reaches_the_program() {
    let (input, mut receiver) = stream::input();
    let mut store = store();
    let sent: Vec<u8> = (0..1_000_000u32).map(|number| number as u8).collect();
    let expected = sent.clone();
    let collecting = tokio::spawn(async move {
        let mut got = Vec::new();
        while let Some(chunk) = receiver.recv().await {
            got.extend(chunk);
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        got
    });
    let got = store
        .run_concurrent(async |accessor| {
            accessor.with(|mut access| StreamReader::new(&mut access, sent)?.pipe(&mut access, input))?;
            Ok::<_, wasmtime::Error>(collecting.await.expect("it collects"))
        })
        .await
        .expect("the store runs")
        .expect("it is piped");
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_stream_that_nobody_takes_is_dropped() {
    let (input, receiver) = stream::input();
    drop(receiver);
    let mut store = store();
    store
        .run_concurrent(async |accessor| {
            accessor.with(|mut access| StreamReader::new(&mut access, vec![0u8; 100_000])?.pipe(&mut access, input))
        })
        .await
        .expect("the store runs")
        .expect("it is piped");
}
