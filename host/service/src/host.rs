//! The host that an operator's command works with.

use std::{path::Path, sync::Arc};

use hostler_capability::{ApprovedPlan, HistoryReader, Limits, Plan, RunContext, ScheduledRun};
use hostler_configuration::{
    Configuration, LimitsConfiguration, ProcedureConfiguration, TaskConfiguration, Window, bind,
};
use hostler_manifest::{Manifest, did_you_mean};
use hostler_record::{KeptRun, Record, RecordError, RunEnd, RunFilter, RunStart, Scheduler};
use hostler_registry::{Candidate, Registry};
use hostler_runtime::{CodeCache, Runtime};
use jiff::Timestamp;

use crate::{Approval, Basis, Job, ServiceError, TaskOutcome, VALID_FOR, capabilities::Capabilities, clock};

/// Configuration, registry, record and runtime together.
pub struct Host {
    /// What the operator wrote.
    pub configuration: Configuration,
    /// What is installed.
    pub registry: Registry,
    /// What is kept.
    pub record: Record,
    pub(crate) runtime: Runtime,
    capabilities: Capabilities,
    pub(crate) history: Arc<dyn HistoryReader>,
}

/// What a name stands for: a task alone, or a procedure.
pub enum Named<'a> {
    /// A task.
    Task(&'a TaskConfiguration),
    /// A procedure with its tasks, those that are switched off left out.
    Procedure(&'a ProcedureConfiguration, Vec<&'a TaskConfiguration>),
}

impl Host {
    /// Opens everything that the configuration names.
    ///
    /// # Errors
    /// Where the state directory or the cache cannot be used.
    pub fn open(configuration: Configuration) -> Result<Self, ServiceError> {
        let procedures = configuration.procedures.values().filter_map(|procedure| procedure.parallel);
        let parallel = procedures.fold(configuration.host.parallel, usize::max);
        Self::open_for(configuration, parallel)
    }

    /// As [`Host::open`], for at most so many runs at a time.
    ///
    /// # Errors
    /// As [`Host::open`].
    pub fn open_for(configuration: Configuration, parallel: usize) -> Result<Self, ServiceError> {
        let host = &configuration.host;
        let record = Record::keeping(&host.state, host.audit_bytes)?;
        let cache = CodeCache::open(&host.cache)?;
        let registry = Registry::open(&host.registry)?;
        let capabilities = Capabilities::new(&configuration);
        let parallel = u32::try_from(parallel).unwrap_or(u32::MAX);
        let runtime = Runtime::new(capabilities.all.clone(), Some(cache), parallel);
        let history = record.history().reader(scheduler(&configuration));
        Ok(Self { registry, record, runtime, capabilities, history, configuration })
    }

    /// What a name stands for.
    ///
    /// # Errors
    /// Where it is neither a task nor a procedure.
    pub fn named(&self, name: &str) -> Result<Named<'_>, ServiceError> {
        let configuration = &self.configuration;
        if let Some(task) = configuration.tasks.get(name) {
            return Ok(Named::Task(task));
        }
        if let Some(procedure) = configuration.procedures.get(name) {
            let tasks = procedure.tasks.iter().filter_map(|task| configuration.tasks.get(task));
            return Ok(Named::Procedure(procedure, tasks.filter(|task| task.enabled).collect()));
        }
        let known: Vec<String> = configuration.procedures.keys().chain(configuration.tasks.keys()).cloned().collect();
        let meant = did_you_mean(name, known.iter().map(String::as_str)).map(str::to_owned);
        Err(ServiceError::UnknownName { name: name.into(), meant, known })
    }

    /// Makes a configured task ready.
    ///
    /// # Errors
    /// Where its plugin is not installed, was changed, or does not fit the task.
    pub fn job(&self, task: &TaskConfiguration) -> Result<Job, ServiceError> {
        let (bytes, installed) = self.registry.load(&task.plugin)?;
        self.ready(task, installed.manifest, &installed.digest, || bytes, false)
    }

    /// Makes a plugin ready that is not installed: nothing is granted that changes anything.
    ///
    /// # Errors
    /// Where it does not compile, or does not fit what was bound.
    pub fn job_of_file(&self, task: &TaskConfiguration, candidate: &Candidate) -> Result<Job, ServiceError> {
        self.ready(task, candidate.manifest.clone(), &candidate.digest, || candidate.bytes().to_vec(), true)
    }

    fn ready(
        &self,
        task: &TaskConfiguration,
        manifest: Manifest,
        digest: &str,
        bytes: impl FnOnce() -> Vec<u8>,
        only_reading: bool,
    ) -> Result<Job, ServiceError> {
        let (bindings, settings) = bind(task, &manifest, &self.configuration.resources, only_reading)?;
        let digest = digest.strip_prefix("sha256:").unwrap_or(digest).to_owned();
        self.capabilities.expect(&bindings);
        let prepared = self.runtime.prepare(&digest, &manifest, || Ok(bytes()))?;
        let mut limits = limits(&task.limits);
        if let Some(timeout) = task.timeout {
            limits.wall_seconds = timeout.as_secs().max(1);
        }
        let basis = Basis::of(&digest, &manifest, &settings, &bindings);
        let (settings, window) = (settings.to_string(), task.window);
        Ok(Job { task: task.name.clone(), manifest, digest, prepared, bindings, settings, basis, limits, window })
    }

    /// The plan that a run of `hostler plan` belongs to: of its own task, and of the other tasks of its procedure.
    ///
    /// # Errors
    /// Where there is no such run, it was no plan, or its time is over.
    pub fn approved(&self, run: &str) -> Result<Approval, ServiceError> {
        let kept = self.record.history().run(run)?;
        let no_plan = |why: &str| ServiceError::NoPlan(format!("the run {} {why}; `hostler plan` makes one", kept.id));
        if kept.mode != "check" {
            return Err(no_plan("was no plan: it applied"));
        }
        let outcome = outcome_of(&kept).ok_or_else(|| no_plan("did not end, or cannot be read"))?;
        let mut outcomes = self.of_the_same_command(&kept, &outcome)?;
        outcomes.push(outcome);
        if outcomes.iter().all(|outcome| outcome.basis.is_none()) {
            return Err(ServiceError::NoPlan(format!(
                "the run {} is of a task that only looks, and needs no plan: run it without one",
                kept.id
            )));
        }
        let name = kept.procedure.as_deref().unwrap_or(&kept.task);
        Approval::of_tasks(name, &outcomes, VALID_FOR).in_time(clock::now_ms())
    }

    /// The other tasks' runs of the command that a run belongs to.
    fn of_the_same_command(&self, run: &KeptRun, outcome: &TaskOutcome) -> Result<Vec<TaskOutcome>, ServiceError> {
        let Some(procedure) = run.procedure.clone().filter(|_| !outcome.invocation.is_empty()) else {
            return Ok(vec![]);
        };
        let history = self.record.history();
        let listed = history.runs(&RunFilter { name: Some(procedure), limit: u32::MAX })?;
        // Identifiers begin with their time, and a command is named before its first run.
        let candidates = listed.iter().filter(|other| {
            other.id != run.id
                && other.mode == "check"
                && other.procedure == run.procedure
                && other.id.get(..TIME) >= outcome.invocation.get(..TIME)
        });
        let mut outcomes = Vec::new();
        for other in candidates {
            let other = outcome_of(&history.run(&other.id)?);
            outcomes.extend(other.filter(|other| other.invocation == outcome.invocation));
        }
        Ok(outcomes)
    }

    /// Waits for what goes on after runs have ended. A host that is about to exit calls it.
    pub async fn settle(&self) {
        self.capabilities.settle().await;
    }

    /// Tells of runs that a kill ended in the middle, and forgets what is past its retention.
    ///
    /// # Errors
    /// Where the history cannot be read or written.
    pub fn tidy(&self) -> Result<Vec<(String, String)>, RecordError> {
        self.record.history().mark_interrupted()
    }

    /// Forgets runs that are past their retention.
    ///
    /// # Errors
    /// Where the history cannot be written.
    pub fn prune(&self) -> Result<usize, RecordError> {
        let host = &self.configuration.host;
        self.record.history().prune(host.keep_runs, host.keep_days, clock::now_ms())
    }

    pub(crate) fn begin(&self, job: &Job, context: &RunContext) -> Result<(), RecordError> {
        let info = &context.info;
        self.record.history().begin(&RunStart {
            id: &info.run_id,
            task: &info.task,
            procedure: info.procedure.as_deref(),
            plugin: &info.plugin,
            version: &job.manifest.plugin.version.to_string(),
            digest: &info.plugin_digest,
            mode: crate::run::word(info.mode),
            started_at: info.started_at,
        })
    }

    pub(crate) fn end(&self, outcome: &TaskOutcome) -> Result<(), RecordError> {
        let audit = self.record.audit_head_after(&outcome.run_id);
        let document = serde_json::to_string(outcome).unwrap_or_default();
        self.record.history().end(&RunEnd {
            id: &outcome.run_id,
            course: outcome.course.word(),
            verdict: outcome.verdict,
            duration_ms: outcome.duration_ms,
            summary: &outcome.summary,
            document: &document,
            metrics: &outcome.reported.metrics,
            findings: &outcome.reported.findings,
            audit,
        })
    }

    /// The plan that a run is held to, ready to be used up.
    pub(crate) fn held_to(plan: Option<&Plan>) -> Option<ApprovedPlan> {
        plan.map(ApprovedPlan::new)
    }
}

/// How many letters of an identifier are its time.
const TIME: usize = "20261123T224856".len();

fn outcome_of(kept: &KeptRun) -> Option<TaskOutcome> {
    serde_json::from_str(kept.document.as_deref()?).ok()
}

/// The host's own limits, with what a task sets.
fn limits(task: &LimitsConfiguration) -> Limits {
    let own = Limits::default();
    Limits {
        memory_bytes: task.memory_bytes.unwrap_or(own.memory_bytes),
        cpu_seconds: task.cpu_seconds.unwrap_or(own.cpu_seconds),
        wall_seconds: task.wall_seconds.unwrap_or(own.wall_seconds),
        calls_under_way: task.calls_under_way.unwrap_or(own.calls_under_way),
        calls: task.calls.unwrap_or(own.calls),
        rows: task.rows.unwrap_or(own.rows),
        bytes: task.bytes.unwrap_or(own.bytes),
        reported: task.reported.unwrap_or(own.reported),
        reported_bytes: task.reported_bytes.unwrap_or(own.reported_bytes),
        log_lines: task.log_lines.unwrap_or(own.log_lines),
        handles: task.handles.unwrap_or(own.handles),
        state_bytes: task.state_bytes.unwrap_or(own.state_bytes),
    }
}

/// Which runs the procedures' schedules bring between two times.
fn scheduler(configuration: &Configuration) -> Scheduler {
    let procedures: Vec<_> = configuration.procedures.values().cloned().collect();
    Box::new(move |since, until| {
        let at = |milliseconds: u64| Timestamp::from_millisecond(i64::try_from(milliseconds).unwrap_or(i64::MAX));
        let (Ok(since), Ok(until)) = (at(since), at(until)) else { return vec![] };
        procedures.iter().flat_map(|procedure| coming(procedure, since, until)).take(10_000).collect()
    })
}

fn coming(procedure: &ProcedureConfiguration, since: Timestamp, until: Timestamp) -> Vec<ScheduledRun> {
    let Some(schedule) = &procedure.schedule else { return vec![] };
    let zone = &procedure.time_zone;
    let mut runs = Vec::new();
    let mut at = schedule.next(since, zone);
    while at < until && runs.len() < 1_000 {
        let closes = procedure.window.and_then(|window: Window| window.open_at(at, zone)).map(clock::milliseconds);
        runs.extend(procedure.tasks.iter().map(|task| ScheduledRun {
            task: task.clone(),
            procedure: procedure.name.clone(),
            starts_at: clock::milliseconds(at),
            window_ends_at: closes,
        }));
        at = schedule.next(at, zone);
    }
    runs
}

/// Loads a configuration and opens its host.
///
/// # Errors
/// As [`Configuration::load`] and [`Host::open`].
pub fn open(path: &Path) -> Result<Host, ServiceError> {
    Host::open(Configuration::load(path)?)
}
