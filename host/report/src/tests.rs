//! A run over real stores, for the tests of this crate.

use std::sync::{Arc, Mutex};

use hostler_capability::{Limits, Mode, RunContext, RunInfo, RunParts, RunState, Stop};
use hostler_record::Record;
use wasmtime::{Config, Engine, component::Linker};

/// What was told of the progress.
type Told = Arc<Mutex<Vec<(u64, Option<u64>, String)>>>;

/// A run of a task, and the state directory behind it.
pub(crate) struct Task {
    pub run: Arc<RunContext>,
    pub progress: Told,
    _directory: tempfile::TempDir,
}

impl Task {
    pub fn new() -> Self {
        Self::limited(Limits::default())
    }

    pub fn limited(limits: Limits) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let record = Record::open(directory.path()).expect("a record");
        let progress = Told::default();
        let told = progress.clone();
        let run = RunContext::new(RunParts {
            info: RunInfo {
                run_id: "r1".into(),
                task: "vacuum".into(),
                procedure: None,
                plugin: "postgres-vacuum".into(),
                plugin_digest: "digest".into(),
                mode: Mode::Check,
                time_zone: "UTC".into(),
                started_at: 1,
                planned_at: 1,
                deadline: None,
            },
            limits,
            stop: Stop::default(),
            audit: record.audit(),
            state: record.state("vacuum", false),
            locks: record.locks(),
            history: record.history().reader(Box::new(|_, _| vec![])),
            settings: "{}".into(),
            progress: Some(Box::new(move |done, total, message| {
                told.lock().expect("no panic").push((done, total, message.to_owned()));
            })),
            approved: None,
        });
        Self { run, progress, _directory: directory }
    }
}

#[test]
fn both_link_beside_each_other() {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    let engine = Engine::new(&config).expect("an engine");
    let mut linker = Linker::<RunState>::new(&engine);
    for capability in crate::capabilities() {
        capability.link(&mut linker).unwrap_or_else(|error| panic!("{}: {error}", capability.interface()));
    }
}
