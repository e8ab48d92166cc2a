//! What a run costs that does nothing: the bare engine, the host's runtime around it, and the whole with its record.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use hostler_capability::{AuditLog, Capability, Limits, Mode, RunContext, RunInfo, RunParts, RunState, Stop};
use hostler_manifest::extract;
use hostler_record::Record;
use hostler_runtime::Runtime;
use hostler_tests::component;
use hostler_world::PluginPre;
use tempfile::TempDir;
use wasmtime::{
    Engine, Store,
    component::{Component, Linker},
};

use crate::{
    measure::{medians, shown},
    setting::Setting,
    table::{Goal, Line},
};

const RUNS: u32 = 2000;

pub(crate) fn compare() -> anyhow::Result<Vec<Line>> {
    let bytes = std::fs::read(component("example-empty"))?;
    let manifest = extract(&bytes)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let record = Recorded::new()?;
    let bare = Bare::new(&bytes).map_err(plain)?;
    let host = Runtime::new(capabilities(), None, 4);
    let prepared = host.prepare("empty", &manifest, || Ok(bytes.clone()))?;
    let setting = Setting::new("[tasks.empty]\nplugin = \"example-empty\"\n", &["example-empty"])?;
    let job = setting.job("empty")?;
    let [instantiated, bare_run, run, recorded] = medians(
        9,
        [
            &mut || {
                each(RUNS, || {
                    let mut store = bare.store(&record);
                    runtime.block_on(bare.instance.instantiate_async(&mut store)).map(drop).map_err(plain)
                })
            },
            &mut || each(RUNS, || runtime.block_on(bare.run(&record)).map_err(plain)),
            &mut || {
                each(RUNS, || {
                    let context = record.context();
                    let outcome = runtime.block_on(host.run(&prepared, &[], &context));
                    outcome.result.map(drop).context("the empty plugin")
                })
            },
            &mut || each(RUNS / 10, || setting.run(&job).map(drop)),
        ],
    )?;
    let microseconds = |taken: Duration| taken.as_secs_f64() * 1e6;
    Ok(vec![
        Line::figure("instantiate", "the bare engine".into(), microseconds(instantiated), "µs", Goal::AtMost(30.0)),
        Line::figure(
            "an empty run: context, sandbox, limits, WASI",
            format!("the bare engine, instantiated and called: {}", shown(bare_run)),
            microseconds(run),
            "µs",
            Goal::AtMost(80.0),
        ),
        Line::figure(
            "an empty run with its lock, history and audit",
            format!("without them {}", shown(run)),
            microseconds(recorded),
            "µs",
            Goal::Told,
        ),
    ])
}

fn plain(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

/// The mean of many, which are too short to be measured one by one.
fn each(count: u32, mut once: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let started = Instant::now();
    for _ in 0..count {
        once()?;
    }
    Ok(started.elapsed() / count)
}

fn capabilities() -> Vec<Arc<dyn Capability>> {
    hostler_context::capabilities().into_iter().chain(hostler_report::capabilities()).collect()
}

/// A record of runs in a directory of its own.
pub(crate) struct Recorded {
    record: Record,
    _directory: TempDir,
}

impl Recorded {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        Ok(Self { record: Record::open(&directory.path().join("state"))?, _directory: directory })
    }

    pub(crate) fn context(&self) -> Arc<RunContext> {
        self.context_with(self.record.audit())
    }

    /// As [`Recorded::context`], with another audit.
    pub(crate) fn context_with(&self, audit: Arc<dyn AuditLog>) -> Arc<RunContext> {
        RunContext::new(RunParts {
            info: RunInfo {
                run_id: "20260101T000000-00000000".into(),
                task: "empty".into(),
                procedure: None,
                plugin: "example-empty".into(),
                plugin_digest: "empty".into(),
                mode: Mode::Apply,
                time_zone: "UTC".into(),
                started_at: 0,
                planned_at: 0,
                deadline: None,
            },
            limits: Limits::default(),
            stop: Stop::default(),
            audit,
            state: self.record.state("empty", true),
            locks: self.record.locks(),
            history: self.record.history().reader(Box::new(|_, _| vec![])),
            settings: "{}".into(),
            progress: None,
            approved: None,
        })
    }
}

/// The engine with nothing of the host's around it: no epochs, no limits, no clocks.
struct Bare {
    engine: Engine,
    instance: PluginPre<RunState>,
}

impl Bare {
    fn new(bytes: &[u8]) -> wasmtime::Result<Self> {
        let mut configuration = wasmtime::Config::new();
        let mut pool = wasmtime::PoolingAllocationConfig::default();
        pool.total_component_instances(64).max_unused_warm_slots(8);
        configuration
            .allocation_strategy(wasmtime::InstanceAllocationStrategy::Pooling(pool))
            .wasm_component_model_async(true);
        let engine = Engine::new(&configuration)?;
        let mut linker = Linker::<RunState>::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        for capability in capabilities() {
            capability.link(&mut linker)?;
        }
        let component = Component::new(&engine, bytes)?;
        let instance = PluginPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, instance })
    }

    fn store(&self, record: &Recorded) -> Store<RunState> {
        let context = record.context();
        Store::new(&self.engine, RunState::new(context, wasmtime_wasi::WasiCtx::builder().build()))
    }

    async fn run(&self, record: &Recorded) -> wasmtime::Result<()> {
        let context = record.context();
        let mut state = RunState::new(context.clone(), wasmtime_wasi::WasiCtx::builder().build());
        for capability in capabilities() {
            state.insert(capability.prepare(&[], &context).map_err(wasmtime::Error::msg)?);
        }
        let mut store = Store::new(&self.engine, state);
        let instance = self.instance.instantiate_async(&mut store).await?;
        let ended = store
            .run_concurrent(async |accessor| instance.hostler_plugin_task().call_run(accessor, Mode::Apply).await)
            .await??;
        ended.map(drop).map_err(wasmtime::Error::msg)
    }
}
