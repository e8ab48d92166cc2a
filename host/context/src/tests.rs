//! A run over real stores, for the tests of this crate.

use std::sync::Arc;

use hostler_capability::{Capability, Effect, Limits, Mode, RunContext, RunInfo, RunParts, RunState, Stop};
use hostler_record::Record;
use wasmtime::{Config, Engine, component::Linker};

/// A run of a task, and the state directory behind it.
pub(crate) struct Task {
    pub run: Arc<RunContext>,
    pub record: Record,
    pub stop: Stop,
    directory: tempfile::TempDir,
}

impl Task {
    pub fn new(mode: Mode) -> Self {
        Self::limited(mode, Limits::default())
    }

    pub fn limited(mode: Mode, limits: Limits) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let record = Record::open(directory.path()).expect("a record");
        let stop = Stop::default();
        let run = run(&record, mode, limits, &stop, "r1");
        Self { run, record, stop, directory }
    }

    /// Another run of the task.
    pub fn again(&self, mode: Mode) -> Arc<RunContext> {
        run(&self.record, mode, Limits::default(), &Stop::default(), "r2")
    }

    /// Where the stores are, as no plugin may know it.
    pub fn place(&self) -> &str {
        self.directory.path().to_str().expect("a path")
    }

    /// The audit's text.
    pub fn audit(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("audit/audit.jsonl")).expect("the audit")
    }

    /// Makes a store's file one that cannot be read.
    pub fn damage(&self, file: &str) {
        std::fs::write(self.directory.path().join(file), "rubbish".repeat(1_000)).expect("written");
    }
}

fn run(record: &Record, mode: Mode, limits: Limits, stop: &Stop, run_id: &str) -> Arc<RunContext> {
    RunContext::new(RunParts {
        info: RunInfo {
            run_id: run_id.into(),
            task: "vacuum".into(),
            procedure: Some("weekly".into()),
            plugin: "postgres-vacuum".into(),
            plugin_digest: "digest".into(),
            mode,
            time_zone: "Europe/Berlin".into(),
            started_at: 7,
            planned_at: 6,
            deadline: Some(9),
        },
        limits,
        stop: stop.child(),
        audit: record.audit(),
        state: record.state("vacuum", mode == Mode::Apply),
        locks: record.locks_of(run_id, "vacuum"),
        history: record.history().reader(Box::new(|_, _| vec![])),
        settings: "{}".into(),
        progress: None,
        approved: None,
    })
}

/// A change.
pub(crate) fn change(object: &str) -> Effect {
    Effect { request: "database".into(), operation: "VACUUM".into(), object: object.into() }
}

#[test]
fn all_link_beside_each_other() {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    let engine = Engine::new(&config).expect("an engine");
    let mut linker = Linker::<RunState>::new(&engine);
    for capability in crate::capabilities() {
        capability.link(&mut linker).unwrap_or_else(|error| panic!("{}: {error}", capability.interface()));
    }
}

#[test]
fn settings_are_handed_on_as_they_are() {
    let task = Task::new(Mode::Check);
    let slot = crate::SettingsCapability.prepare(&[], &task.run).expect("it is prepared");
    let mut settings = slot.downcast::<crate::settings::SettingsRun>().expect("its own part");
    assert_eq!(hostler_world::settings::Host::get(&mut *settings).expect("text"), "{}");
}
