//! The machine, asked through a run: granted or not, recorded, and without secrets.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use hostler_capability::{
    AuditEntry, AuditLog, Binding, Error, Grant, HistoryReader, HistoryRun, HistorySeries, Limits, LockError, Locks,
    Mode, Resource, RunContext, RunInfo, RunParts, ScheduledRun, StateStore, Stop, StoreError, Target,
};
use hostler_configuration::DirectoryResource;
use hostler_machine::{Machine, MachineCapability};
use hostler_manifest::Access;

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

#[async_trait]
impl HistoryReader for Stores {
    async fn metrics(&self, _: &str, _: &str, _: u64, _: Option<u64>) -> Result<Vec<HistorySeries>, StoreError> {
        Ok(vec![])
    }
    async fn runs(&self, _: &str, _: u64) -> Result<Vec<HistoryRun>, StoreError> {
        Ok(vec![])
    }
    async fn schedule(&self, _: u64, _: u64) -> Result<Vec<ScheduledRun>, StoreError> {
        Ok(vec![])
    }
}

fn run(bindings: &[Binding]) -> (Machine, Arc<RunContext>, Arc<Stores>) {
    let (mode, limits, stop, stores) = (Mode::Check, Limits::default(), Stop::default(), Arc::new(Stores::default()));
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
    (Machine::new(bindings, &context), context, stores)
}

fn machine() -> Binding {
    let target = Target { name: "machine".into(), resource: Resource::Machine };
    Binding { request: "box".into(), many: false, targets: vec![target], grant: Grant::Machine }
}

fn directory(path: &Path) -> Binding {
    let resource = Resource::Directory(DirectoryResource { path: path.to_path_buf(), trust_contents: false });
    let target = Target { name: "shop".into(), resource };
    Binding { request: "data".into(), many: false, targets: vec![target], grant: Grant::Directory(Access::Read) }
}

#[tokio::test]
async fn everything_is_told_and_recorded_where_it_is_bound() {
    let (machine, context, stores) = run(&[machine()]);
    machine.read_memory().await.expect("it is told");
    machine.read_load().await.expect("it is told");
    machine.read_operating_system().await.expect("it is told");
    machine.list_listening_sockets().await.expect("it is told");
    assert!(!machine.list_mounts().await.expect("it is told").is_empty());
    let own = machine
        .list_processes()
        .await
        .expect("it is told")
        .into_iter()
        .find(|process| process.id == std::process::id());
    assert!(!own.expect("it runs").deleted_code);
    let lines = stores.0.lock().expect("no other test").clone();
    assert_eq!(lines.len(), 12, "{lines:?}");
    assert!(lines.contains(&"Allowed box list-processes [machine]".to_owned()), "{lines:?}");
    assert_eq!(context.troubles_and_notes().0, Vec::<String>::new());
    assert!(context.usage.read().0 > 5);
}

#[tokio::test]
async fn nothing_is_told_where_it_is_not_bound() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (machine, _, stores) = run(&[directory(temporary.path())]);
    assert!(matches!(machine.read_memory().await, Err(Error::Denied(_))));
    assert!(matches!(machine.list_mounts().await, Err(Error::Denied(_))));
    assert!(matches!(machine.list_open_paths("/data").await, Err(Error::Denied(_))));
    let lines = stores.0.lock().expect("no other test").clone();
    assert!(lines.len() == 3 && lines.iter().all(|line| line.starts_with("Denied machine ")), "{lines:?}");
}

#[tokio::test]
async fn open_paths_are_those_of_a_bound_directory() {
    let temporary = tempfile::tempdir().expect("a directory");
    let _open = std::fs::File::create(temporary.path().join("open")).expect("a file");
    let (machine, ..) = run(&[machine(), directory(temporary.path())]);
    assert_eq!(machine.list_open_paths("/data").await.expect("it is told"), ["/data/open"]);
    for path in ["/other", "/data/../x", "/etc"] {
        assert!(matches!(machine.list_open_paths(path).await, Err(Error::Denied(_))), "{path}");
    }
    assert!(matches!(machine.list_open_paths("data").await, Err(Error::Invalid(_))));
    let error = machine.list_open_paths("/data/missing").await.expect_err("it is not there");
    assert!(!format!("{error:?}").contains(&*temporary.path().to_string_lossy()), "{error:?}");
}

#[test]
fn it_links() {
    use hostler_capability::{Capability, RunState};
    let mut config = wasmtime::Config::new();
    config.wasm_component_model_async(true);
    let engine = wasmtime::Engine::new(&config).expect("an engine");
    let mut linker = wasmtime::component::Linker::<RunState>::new(&engine);
    MachineCapability::default().link(&mut linker).expect("it links");
}
