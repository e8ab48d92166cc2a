//! The history, narrowed to the tasks that a run is granted.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use hostler_capability::{
    AuditEntry, AuditLog, Binding, Error, Grant, HistoryPoint, HistoryReader, HistoryRun, HistorySeries, Limits,
    LockError, Locks, Mode, Resource, RunContext, RunInfo, RunParts, ScheduledRun, Severity, StateStore, Stop,
    StoreError, Target,
};
use hostler_history::{History, HistoryCapability};

#[derive(Default)]
struct Stores(Mutex<Vec<String>>);

impl AuditLog for Stores {
    fn append(&self, entry: &AuditEntry<'_>) -> std::io::Result<()> {
        let line = format!("{:?} {} {} [{}]", entry.decision, entry.request, entry.operation, entry.rule);
        self.0.lock().expect("no other test").push(line);
        Ok(())
    }
}

#[async_trait]
impl StateStore for Stores {
    async fn get(&self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }
    async fn set(&self, _: &str, _: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }
    async fn delete(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
    async fn size(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

impl Locks for Stores {
    fn acquire(&self, _: &str) -> Result<Box<dyn Send + Sync>, LockError> {
        Ok(Box::new(()))
    }
    fn held(&self, _: &str) -> Result<bool, LockError> {
        Ok(false)
    }
}

/// Answers with every task, whatever it is asked: the narrowing is not its work.
#[async_trait]
impl HistoryReader for Stores {
    async fn metrics(&self, _: &str, metric: &str, _: u64, _: Option<u64>) -> Result<Vec<HistorySeries>, StoreError> {
        if metric == "broken" {
            return Err(StoreError("the file is damaged".into()));
        }
        let series = |task: &&str| HistorySeries {
            task: (*task).into(),
            metric: metric.into(),
            unit: "B".into(),
            labels: vec![],
            warning: None,
            critical: None,
            points: vec![HistoryPoint { at: 1, value: 2.0 }; 3],
        };
        Ok(TASKS.iter().map(series).collect())
    }
    async fn runs(&self, _: &str, _: u64) -> Result<Vec<HistoryRun>, StoreError> {
        let run = |task: &&str| HistoryRun {
            task: (*task).into(),
            started_at: 1,
            duration_ms: 2,
            verdict: Severity::Warning,
            findings: vec![("code".into(), "subject".into(), Severity::Warning)],
        };
        Ok(TASKS.iter().map(run).collect())
    }
    async fn schedule(&self, _: u64, _: u64) -> Result<Vec<ScheduledRun>, StoreError> {
        let run = |task: &&str| ScheduledRun {
            task: (*task).into(),
            procedure: "daily".into(),
            starts_at: 1,
            window_ends_at: None,
        };
        Ok(TASKS.iter().map(run).collect())
    }
}

const TASKS: [&str; 3] = ["postgres-vacuum", "postgres-index", "redis-memory"];

fn run(patterns: Option<&[&str]>, limits: Limits) -> (History, Arc<RunContext>, Arc<Stores>) {
    let target = Target { name: "history".into(), resource: Resource::History };
    let bindings: Vec<_> = patterns
        .into_iter()
        .map(|patterns| Binding {
            request: "past".into(),
            many: false,
            targets: vec![target.clone()],
            grant: Grant::History(patterns.iter().map(|pattern| (*pattern).to_owned()).collect()),
        })
        .collect();
    let (mode, stop, stores) = (Mode::Check, Stop::default(), Arc::new(Stores::default()));
    let info = RunInfo {
        run_id: "run".into(),
        task: "task".into(),
        procedure: None,
        plugin: "plugin".into(),
        plugin_digest: "00".into(),
        mode,
        time_zone: "UTC".into(),
        planned_at: 1,
        started_at: 1,
        deadline: None,
    };
    let context = RunContext::new(RunParts {
        info,
        limits,
        stop: stop.clone(),
        audit: stores.clone(),
        state: stores.clone(),
        locks: stores.clone(),
        history: stores.clone(),
        settings: "{}".into(),
        progress: None,
        approved: None,
    });
    (History::new(&bindings, &context), context, stores)
}

#[tokio::test]
async fn only_granted_tasks_are_told() {
    let (history, context, stores) = run(Some(&["postgres-*"]), Limits::default());
    let tasks: Vec<_> = history
        .metrics("*", "size", 0, None)
        .await
        .expect("it is told")
        .into_iter()
        .map(|series| series.task)
        .collect();
    assert_eq!(tasks, TASKS[..2]);
    assert_eq!(history.runs("*", 0).await.expect("it is told").len(), 2);
    assert_eq!(history.schedule(0, 9).await.expect("it is told").len(), 2);
    assert!(matches!(history.runs("redis-memory", 0).await, Err(Error::Denied(_))));
    assert!(matches!(history.metrics("redis-memory", "*", 0, None).await, Err(Error::Denied(_))));
    assert!(matches!(history.metrics("*", "*", 0, Some(0)).await, Err(Error::Invalid(_))));
    assert!(matches!(history.schedule(9, 0).await, Err(Error::Invalid(_))));
    assert_eq!(context.usage.read().0, 6 + 4 + 2);
    let lines = stores.0.lock().expect("no other test").clone();
    assert!(lines.contains(&"Allowed past metrics size of * [tasks = [\"postgres-*\"]]".to_owned()), "{lines:?}");
    assert!(lines.contains(&"Denied past runs of redis-memory [tasks = [\"postgres-*\"]]".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn without_a_grant_a_store_or_a_limit_left_there_is_an_error() {
    let (history, ..) = run(None, Limits::default());
    assert!(matches!(history.runs("*", 0).await, Err(Error::Denied(_))));
    let (history, _, stores) = run(Some(&["*"]), Limits { rows: 5, ..Limits::default() });
    assert!(matches!(history.metrics("*", "broken", 0, None).await, Err(Error::Unavailable(_))));
    assert!(matches!(history.metrics("*", "size", 0, None).await, Err(Error::Limit(_))));
    let lines = stores.0.lock().expect("no other test").clone();
    assert_eq!(lines.iter().filter(|line| line.starts_with("Failed")).count(), 2, "{lines:?}");
}

#[test]
fn it_links() {
    use hostler_capability::{Capability, RunState};
    let mut config = wasmtime::Config::new();
    config.wasm_component_model_async(true);
    let engine = wasmtime::Engine::new(&config).expect("an engine");
    let mut linker = wasmtime::component::Linker::<RunState>::new(&engine);
    HistoryCapability.link(&mut linker).expect("it links");
}
