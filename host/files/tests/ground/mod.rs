//! A run on real directories, with its audit kept in memory.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use hostler_capability::{
    AuditEntry, AuditLog, Binding, Grant, HistoryReader, HistoryRun, HistorySeries, Limits, LockError, Locks, Mode,
    Plan, Resource, RunContext, RunInfo, RunParts, ScheduledRun, StateStore, Stop, StoreError, Target,
};
use hostler_configuration::DirectoryResource;
use hostler_files::Files;
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

/// One run with directories bound to it.
pub struct Ground {
    pub files: Files,
    pub context: Arc<RunContext>,
    pub bindings: Vec<Binding>,
    pub stop: Stop,
    stores: Arc<Stores>,
}

impl Ground {
    /// A run in `mode` in which `data` may be written.
    pub fn new(mode: Mode, data: &Path) -> Self {
        Self::bound(mode, vec![directory("data", data, Access::Write)], Limits::default())
    }

    pub fn bound(mode: Mode, bindings: Vec<Binding>, limits: Limits) -> Self {
        let stores = Arc::new(Stores::default());
        let stop = Stop::default();
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
        Self { files: Files::new(&bindings, &context), context, bindings, stop, stores }
    }

    pub fn audit(&self) -> Vec<String> {
        self.stores.0.lock().expect("no other test").clone()
    }

    /// Operation, object and outcome of each effect.
    pub fn effects(&self) -> Vec<(String, String, String)> {
        effects(&self.context.plan())
    }
}

fn effects(plan: &Plan) -> Vec<(String, String, String)> {
    let told = plan
        .effects()
        .map(|planned| (planned.effect.operation.clone(), planned.effect.object.clone(), planned.outcome.clone()));
    told.collect()
}

pub fn directory(request: &str, path: &Path, access: Access) -> Binding {
    bound(request, false, &[("shop", path)], access)
}

pub fn bound(request: &str, many: bool, targets: &[(&str, &Path)], access: Access) -> Binding {
    let target = |(name, path): &(&str, &Path)| Target {
        name: (*name).into(),
        resource: Resource::Directory(DirectoryResource { path: path.to_path_buf(), trust_contents: false }),
    };
    Binding {
        request: request.into(),
        many,
        targets: targets.iter().map(target).collect(),
        grant: Grant::Directory(access),
    }
}

/// Names of a directory's entries, sorted.
pub fn names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// Runs a test of this file in a process of its own, with `directory` in its environment.
pub fn child(test: &str, directory: &Path, before: &[&str]) -> Command {
    let own = std::env::current_exe().expect("a test");
    let mut words: Vec<PathBuf> = before.iter().map(PathBuf::from).collect();
    words.push(own);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(["--exact", test, "--ignored", "--nocapture"]).env("DIRECTORY", directory);
    command
}

pub fn given() -> PathBuf {
    std::env::var_os("DIRECTORY").expect("run by another test").into()
}

/// What a command printed, where it went well.
pub fn succeeded(output: Output) -> String {
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    printed
}
