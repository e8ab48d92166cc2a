//! A run without a plugin: the capability's plain side, in a context whose stores are never asked.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use hostler_capability::{
    AuditEntry, AuditLog, Binding, Error, Grant, HistoryReader, HistoryRun, HistorySeries, Limits, LockError, Locks,
    Mode, Resource, RunContext, RunInfo, RunParts, ScheduledRun, StateStore, Stop, StoreError, Target,
};
use hostler_configuration::PostgresResource;
use hostler_policy::sql::PostgresGrant;
use hostler_postgres::{Database, Environment, PostgresCapability, RowBatches, Run};
use hostler_world::postgres::{Batch, Options, Parameter, Values};

#[derive(Default)]
pub struct Audit(pub Mutex<Vec<String>>);

impl AuditLog for Audit {
    fn append(&self, entry: &AuditEntry<'_>) -> std::io::Result<()> {
        let line = format!("{:?} {} [{}] {:?}", entry.decision, entry.operation, entry.rule, entry.rows);
        self.0.lock().expect("nobody panicked").push(line);
        Ok(())
    }
}

struct Nothing;

fn nothing<T>() -> Result<T, StoreError> {
    Err(StoreError("this run has no stores".into()))
}

#[async_trait]
impl StateStore for Nothing {
    async fn get(&self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        nothing()
    }
    async fn set(&self, _: &str, _: &[u8]) -> Result<(), StoreError> {
        nothing()
    }
    async fn delete(&self, _: &str) -> Result<(), StoreError> {
        nothing()
    }
    async fn size(&self) -> Result<u64, StoreError> {
        nothing()
    }
}

impl Locks for Nothing {
    fn acquire(&self, _: &str) -> Result<Box<dyn Send + Sync>, LockError> {
        Err(LockError::Store("this run has no locks".into()))
    }
    fn held(&self, _: &str) -> Result<bool, LockError> {
        Ok(false)
    }
}

#[async_trait]
impl HistoryReader for Nothing {
    async fn metrics(&self, _: &str, _: &str, _: u64, _: Option<u64>) -> Result<Vec<HistorySeries>, StoreError> {
        nothing()
    }
    async fn runs(&self, _: &str, _: u64) -> Result<Vec<HistoryRun>, StoreError> {
        nothing()
    }
    async fn schedule(&self, _: u64, _: u64) -> Result<Vec<ScheduledRun>, StoreError> {
        nothing()
    }
}

pub struct Fixture {
    pub run: Run,
    pub context: Arc<RunContext>,
    pub audit: Arc<Audit>,
}

pub fn capability() -> PostgresCapability {
    PostgresCapability::new(Environment { user: Some("nobody".into()), ..Environment::default() })
}

pub fn read(patterns: &[&str]) -> PostgresGrant {
    PostgresGrant { read: list(patterns), ..PostgresGrant::default() }
}

pub fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).into()).collect()
}

pub fn options() -> Options {
    Options { settings: vec![], timeout_ms: None }
}

pub fn within(milliseconds: u64) -> Options {
    Options { settings: vec![], timeout_ms: Some(milliseconds) }
}

pub fn context(id: &str, mode: Mode, limits: Limits) -> (Arc<RunContext>, Arc<Audit>) {
    let audit = Arc::new(Audit::default());
    let context = RunContext::new(RunParts {
        info: RunInfo {
            run_id: id.into(),
            task: "test".into(),
            procedure: None,
            plugin: "test".into(),
            plugin_digest: "0".into(),
            mode,
            time_zone: "UTC".into(),
            planned_at: 1,
            started_at: 1,
            deadline: None,
        },
        limits,
        stop: Stop::default(),
        audit: audit.clone(),
        state: Arc::new(Nothing),
        locks: Arc::new(Nothing),
        history: Arc::new(Nothing),
        settings: "{}".into(),
        progress: None,
        approved: None,
    });
    (context, audit)
}

impl Fixture {
    pub fn new(capability: &PostgresCapability, resource: PostgresResource, grant: PostgresGrant, mode: Mode) -> Self {
        Self::named(capability, resource, grant, mode, "run-00000001")
    }

    pub fn named(
        capability: &PostgresCapability,
        resource: PostgresResource,
        grant: PostgresGrant,
        mode: Mode,
        id: &str,
    ) -> Self {
        Self::limited(capability, resource, grant, mode, id, Limits::default())
    }

    pub fn limited(
        capability: &PostgresCapability,
        resource: PostgresResource,
        grant: PostgresGrant,
        mode: Mode,
        id: &str,
        limits: Limits,
    ) -> Self {
        let (context, audit) = context(id, mode, limits);
        let binding = Binding {
            request: "database".into(),
            many: false,
            targets: vec![Target { name: "main".into(), resource: Resource::Postgres(resource) }],
            grant: Grant::Postgres(grant),
        };
        let run = Run::new(capability, &[binding], &context).expect("the resource is right");
        Self { run, context, audit }
    }

    pub async fn open(&self) -> Arc<Database> {
        self.try_open().await.expect("it opens")
    }

    pub async fn try_open(&self) -> Result<Arc<Database>, Error> {
        self.run.open("database", None, None).await
    }

    pub fn lines(&self) -> Vec<String> {
        self.audit.0.lock().expect("nobody panicked").clone()
    }

    /// Outcomes of the effects, with their operations and rows.
    pub fn effects(&self) -> Vec<String> {
        let plan = self.context.plan();
        plan.effects()
            .map(|planned| {
                format!(
                    "{} [{}] {} {:?}",
                    planned.effect.operation, planned.effect.object, planned.outcome, planned.rows
                )
            })
            .collect()
    }
}

pub fn same<T: std::fmt::Debug>(left: &T, right: &T) -> bool {
    format!("{left:?}") == format!("{right:?}")
}

/// All rows as text, `∅` for null, columns between bars.
pub async fn all(mut rows: RowBatches) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    while let Some(batch) = rows.next().await {
        lines.extend(shown(&batch?));
    }
    Ok(lines)
}

pub async fn ask(database: &Database, sql: &str) -> Result<Vec<String>, Error> {
    ask_with(database, sql, &[]).await
}

pub async fn ask_with(database: &Database, sql: &str, parameters: &[Parameter]) -> Result<Vec<String>, Error> {
    all(database.query(sql, parameters, &options()).await?).await
}

pub fn shown(batch: &Batch) -> Vec<String> {
    (0..batch.row_count as usize)
        .map(|row| {
            let values = batch.columns.iter().map(|column| {
                if column.nulls.get(row / 8).is_some_and(|byte| byte & (1 << (row % 8)) != 0) {
                    return "∅".into();
                }
                match &column.values {
                    Values::Booleans(values) => values[row].to_string(),
                    Values::Int64s(values) => values[row].to_string(),
                    Values::Float64s(values) => format!("{:?}", values[row]),
                    Values::Texts(packed) => {
                        let value = &packed.data[packed.offsets[row] as usize..packed.offsets[row + 1] as usize];
                        String::from_utf8(value.to_vec()).expect("texts are UTF-8")
                    }
                    Values::Bytes(packed) => {
                        format!("{:x?}", &packed.data[packed.offsets[row] as usize..packed.offsets[row + 1] as usize])
                    }
                }
            });
            values.collect::<Vec<String>>().join("|")
        })
        .collect()
}
