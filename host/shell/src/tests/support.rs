//! A run, with directories and programs bound to it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use hostler_capability::{
    AuditEntry, AuditLog, Binding, Error, Grant, HistoryPoint, HistoryReader, HistoryRun, HistorySeries, Limits,
    LockError, Locks, Mode, Resource, RunContext, RunInfo, RunParts, ScheduledRun, StateStore, Stop, StoreError,
    Target,
};
use hostler_configuration::{Confinement, DirectoryResource, ProgramForm, ProgramResource};
use hostler_manifest::{Access, Effect};
use hostler_world::shell::{Argument, Command, Completed, Outcome, OutputTarget};

use crate::{
    client::Client,
    wall::{BUBBLEWRAP, Walls},
};

/// Keeps the lines of a run's record.
#[derive(Default)]
pub(super) struct Lines(pub(super) Mutex<Vec<String>>);

impl AuditLog for Lines {
    fn append(&self, entry: &AuditEntry<'_>) -> std::io::Result<()> {
        let line = format!("{:?} {} | {} | {}", entry.decision, entry.request, entry.operation, entry.rule);
        self.0.lock().expect("nobody panicked").push(line);
        Ok(())
    }
}

/// The stores of a run that keeps nothing.
struct Nothing;

#[async_trait]
impl StateStore for Nothing {
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

impl Locks for Nothing {
    fn acquire(&self, _: &str) -> Result<Box<dyn Send + Sync>, LockError> {
        Ok(Box::new(()))
    }
    fn held(&self, _: &str) -> Result<bool, LockError> {
        Ok(false)
    }
}

#[async_trait]
impl HistoryReader for Nothing {
    async fn metrics(&self, _: &str, _: &str, _: u64, _: Option<u64>) -> Result<Vec<HistorySeries>, StoreError> {
        let _: Option<HistoryPoint> = None;
        Ok(vec![])
    }
    async fn runs(&self, _: &str, _: u64) -> Result<Vec<HistoryRun>, StoreError> {
        Ok(vec![])
    }
    async fn schedule(&self, _: u64, _: u64) -> Result<Vec<ScheduledRun>, StoreError> {
        Ok(vec![])
    }
}

pub(super) fn context(mode: Mode, lines: &Arc<Lines>) -> Arc<RunContext> {
    RunContext::new(RunParts {
        info: RunInfo {
            run_id: "run".into(),
            task: "task".into(),
            procedure: None,
            plugin: "plugin".into(),
            plugin_digest: "00".into(),
            mode,
            time_zone: "UTC".into(),
            planned_at: 0,
            started_at: 0,
            deadline: None,
        },
        limits: Limits::default(),
        stop: Stop::default(),
        audit: lines.clone(),
        state: Arc::new(Nothing),
        locks: Arc::new(Nothing),
        history: Arc::new(Nothing),
        settings: "{}".into(),
        progress: None,
        approved: None,
    })
}

/// A run in the making.
pub(super) struct Bench {
    bindings: Vec<Binding>,
    hidden: Vec<PathBuf>,
    bubblewrap: Vec<PathBuf>,
    mode: Mode,
}

/// A run.
pub(super) struct Run {
    pub(super) client: Arc<Client>,
    pub(super) context: Arc<RunContext>,
    lines: Arc<Lines>,
}

impl Bench {
    pub(super) fn new(mode: Mode) -> Self {
        Self { bindings: vec![], hidden: vec![], bubblewrap: BUBBLEWRAP.iter().map(PathBuf::from).collect(), mode }
    }

    pub(super) fn hidden(mut self, path: &Path) -> Self {
        self.hidden.push(path.into());
        self
    }

    pub(super) fn without_bubblewrap(mut self) -> Self {
        self.bubblewrap.clear();
        self
    }

    pub(super) fn binding(mut self, binding: Binding) -> Self {
        self.bindings.push(binding);
        self
    }

    pub(super) fn directory(self, request: &str, path: &Path, access: Access, trust_contents: bool) -> Self {
        let resource = Resource::Directory(DirectoryResource { path: path.into(), trust_contents });
        self.bound(request, resource, Grant::Directory(access))
    }

    pub(super) fn bound(self, request: &str, resource: Resource, grant: Grant) -> Self {
        let targets = vec![Target { name: request.into(), resource }];
        self.binding(Binding { request: request.into(), many: false, targets, grant })
    }

    pub(super) fn program(self, request: &str, resource: ProgramResource) -> Self {
        self.bound(request, Resource::Program(resource), Grant::Program { changes: true })
    }

    /// A shell with any script, as a program that tries what it likes.
    pub(super) fn script(self, confine: Confinement, effect: Effect) -> Self {
        let resource = ProgramResource {
            confine,
            ..program(
                "/bin/sh",
                &[&["-c", "{text}", "{path}", "..."], &["-c", "{text}"], &["-c", "{text}", "{output}"]],
                effect,
            )
        };
        self.program("script", resource)
    }

    pub(super) fn run(self) -> Run {
        let lines = Arc::new(Lines::default());
        let context = context(self.mode, &lines);
        let walls = Arc::new(Walls::new(self.hidden, self.bubblewrap));
        let client = Client::new(&self.bindings, &context, &walls).expect("the patterns are right");
        Run { client: Arc::new(client), context, lines }
    }
}

impl Run {
    pub(super) async fn call(&self, command: Command) -> Result<Outcome, Error> {
        self.client.run(command, None, OutputTarget::Capture).await
    }

    pub(super) async fn completed(&self, command: Command) -> Completed {
        match self.call(command).await {
            Ok(Outcome::Completed(completed)) => completed,
            other => panic!("{other:?}"),
        }
    }

    /// Runs a script and returns what it wrote.
    pub(super) async fn script(&self, script: &str) -> String {
        let completed = self.completed(command("script", &["-c", script])).await;
        String::from_utf8_lossy(&[completed.stdout, completed.stderr].concat()).into_owned()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.0.lock().expect("nobody panicked").clone()
    }

    pub(super) fn notes(&self) -> Vec<String> {
        self.context.troubles_and_notes().1
    }
}

pub(super) fn program(path: &str, forms: &[&[&str]], effect: Effect) -> ProgramResource {
    let form = |form: &&[&str]| ProgramForm { arguments: form.iter().map(|word| (*word).into()).collect(), effect };
    ProgramResource {
        path: path.into(),
        allow: forms.iter().map(form).collect(),
        environment: vec![],
        variables: BTreeMap::new(),
        network: false,
        confine: Confinement::Strict,
    }
}

pub(super) fn command(program: &str, arguments: &[&str]) -> Command {
    Command {
        program: program.into(),
        arguments: arguments.iter().map(|argument| Argument::Text((*argument).into())).collect(),
        environment: vec![],
        connect_to: None,
        working_directory: None,
        timeout_ms: Some(60_000),
    }
}

/// The processes of this machine that have an argument.
pub(super) fn processes_with(argument: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("there is a /proc").flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes()) {
            found.push(number);
        }
    }
    found
}

/// Waits until something holds; at most 20 s.
pub(super) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..400 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}
