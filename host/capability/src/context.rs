//! One run, as its capabilities see it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use hostler_world::types::{Error, Mode};

use crate::{
    ApprovedPlan, AuditEntry, AuditLog, Call, Decision, Effect, HistoryReader, Limits, Locks, Plan, Reported,
    StateStore, Stop, Usage, Verdict, denied, effect::Recorder,
};

/// What a run is.
#[derive(Debug, Clone)]
pub struct RunInfo {
    /// Its identifier, which sorts by time.
    pub run_id: String,
    /// The task.
    pub task: String,
    /// The procedure that it is part of.
    pub procedure: Option<String>,
    /// The plugin's name.
    pub plugin: String,
    /// The SHA-256 of the plugin's file, in hexadecimal.
    pub plugin_digest: String,
    /// Check or apply.
    pub mode: Mode,
    /// IANA name.
    pub time_zone: String,
    /// Milliseconds since the Unix epoch.
    pub started_at: u64,
    /// Milliseconds since the Unix epoch: times and names derive from it.
    pub planned_at: u64,
    /// Milliseconds since the Unix epoch.
    pub deadline: Option<u64>,
}

/// Locks on the server of a request, which the capability of that request offers.
#[async_trait]
pub trait ServerLocks: Send + Sync {
    /// Takes the lock until the guard is dropped; in check mode only looks, and answers with no guard. Where another
    /// holds it, `failed` with code `held`.
    async fn acquire(&self, name: &str, only_look: bool) -> Result<Option<Box<dyn Send + Sync>>, Error>;
}

/// Called with done, total and message.
pub type Progress = Box<dyn Fn(u64, Option<u64>, &str) + Send + Sync>;

/// One run. Shared by its capabilities and the host; everything in it is behind a lock held for moments only.
pub struct RunContext {
    /// What it is.
    pub info: RunInfo,
    /// What it may use.
    pub limits: Limits,
    /// What it has used.
    pub usage: Usage,
    /// Whether it is asked to stop.
    pub stop: Stop,
    /// Where its calls are recorded.
    pub audit: Arc<dyn AuditLog>,
    /// What its task remembers.
    pub state: Arc<dyn StateStore>,
    /// Locks of this host.
    pub locks: Arc<dyn Locks>,
    /// What earlier runs left.
    pub history: Arc<dyn HistoryReader>,
    /// Its settings, a JSON object.
    pub settings: String,
    /// Where progress goes.
    pub progress: Option<Progress>,
    recorder: Mutex<Recorder>,
    reported: Mutex<Reported>,
    server_locks: Mutex<BTreeMap<String, Arc<dyn ServerLocks>>>,
    troubles: Mutex<BTreeSet<String>>,
    notes: Mutex<BTreeSet<String>>,
    unread: Mutex<BTreeMap<u64, String>>,
    next: AtomicU64,
}

/// What a run is made of.
pub struct RunParts {
    /// See [`RunContext::info`].
    pub info: RunInfo,
    /// See [`RunContext::limits`].
    pub limits: Limits,
    /// See [`RunContext::stop`].
    pub stop: Stop,
    /// See [`RunContext::audit`].
    pub audit: Arc<dyn AuditLog>,
    /// See [`RunContext::state`].
    pub state: Arc<dyn StateStore>,
    /// See [`RunContext::locks`].
    pub locks: Arc<dyn Locks>,
    /// See [`RunContext::history`].
    pub history: Arc<dyn HistoryReader>,
    /// See [`RunContext::settings`].
    pub settings: String,
    /// See [`RunContext::progress`].
    pub progress: Option<Progress>,
    /// The plan that the run is held to.
    pub approved: Option<ApprovedPlan>,
}

impl RunContext {
    /// A run that has not begun.
    pub fn new(parts: RunParts) -> Arc<Self> {
        Arc::new(Self {
            recorder: Mutex::new(Recorder::new(parts.info.planned_at, parts.approved)),
            info: parts.info,
            limits: parts.limits,
            usage: Usage::default(),
            stop: parts.stop,
            audit: parts.audit,
            state: parts.state,
            locks: parts.locks,
            history: parts.history,
            settings: parts.settings,
            progress: parts.progress,
            reported: Mutex::default(),
            server_locks: Mutex::default(),
            troubles: Mutex::default(),
            notes: Mutex::default(),
            unread: Mutex::default(),
            next: AtomicU64::new(1),
        })
    }

    /// Whether changes are planned rather than made.
    pub fn checks(&self) -> bool {
        self.info.mode == Mode::Check
    }

    /// Begins a call that the policy allowed: counts it and writes its line, and refuses where the run is being
    /// stopped or a limit is used up. `rule` is the rule that allowed it.
    ///
    /// # Errors
    /// `stopped`, `limit`, or `unavailable` where the audit cannot be written.
    pub fn begin(self: &Arc<Self>, request: &str, operation: &str, rule: &str) -> Result<Call, Error> {
        if self.stop.requested() == Some(crate::StopReason::TimeLimit) {
            return Err(Error::Stopped);
        }
        let number = self.usage.enter(&self.limits).map_err(|limit| self.over(limit))?;
        let call = Call::start(self, number, request, operation);
        match self.write(number, request, operation, Decision::Allowed, rule) {
            Ok(()) => Ok(call),
            Err(error) => Err(call.fail(error)),
        }
    }

    /// Records a refusal and returns the error that says so.
    pub fn deny(&self, request: &str, operation: &str, rule: &str) -> Error {
        if let Err(error) = self.write(0, request, operation, Decision::Denied, rule) {
            return error;
        }
        denied(request, operation, rule)
    }

    /// Asks for an effect. In check mode it is planned; in apply mode it is held to the approved plan.
    ///
    /// # Errors
    /// `denied` where the approved plan has no such effect, `stopped` where the run is being stopped, `unavailable`
    /// where the audit cannot be written, `limit` where the plan grows without end.
    pub fn effect(&self, effect: Effect) -> Result<Verdict, Error> {
        if self.checks() {
            self.write(0, &effect.request, &effect.operation, Decision::Planned, "check mode")?;
            let mut recorder = held(&self.recorder);
            if recorder.count() as u64 >= self.limits.reported {
                return Err(self.over("reported"));
            }
            recorder.add(effect, false).map_err(Error::Invalid)?;
            return Ok(Verdict::Plan);
        }
        if self.stop.requested().is_some() {
            return Err(Error::Stopped);
        }
        let (request, operation, object) = (effect.request.clone(), effect.operation.clone(), effect.object.clone());
        let added = held(&self.recorder).add(effect, true);
        added.map(Verdict::Apply).map_err(|rule| {
            // Whatever the plugin makes of it, its operator approved something else than it came to.
            self.trouble(format!("refused, since {rule}: {operation} on {object} ({request})"));
            self.deny(&request, &operation, &rule)
        })
    }

    /// As [`RunContext::effect`], for one that stands for many of a kind: in check mode the plan shows how many rows
    /// (keys, entries) it would change, which is no part of what it is compared by.
    ///
    /// # Errors
    /// As [`RunContext::effect`].
    pub fn effect_on(&self, effect: Effect, rows: u64) -> Result<Verdict, Error> {
        let verdict = self.effect(effect)?;
        if verdict == Verdict::Plan {
            held(&self.recorder).planned_rows(rows);
        }
        Ok(verdict)
    }

    /// Says what became of an effect: `applied` with the rows it changed, or `failed: …`.
    pub fn outcome(&self, number: usize, outcome: &Result<Option<u64>, Error>) {
        let (words, rows) = match outcome {
            Ok(rows) => ("applied".to_owned(), *rows),
            Err(error) => (format!("failed: {}", crate::errors::name(error)), None),
        };
        held(&self.recorder).outcome(number, words, rows);
    }

    /// Opens a step of the plan.
    ///
    /// # Errors
    /// `invalid` where one is open.
    pub fn begin_step(&self, title: &str, effects: u64, rows: u64) -> Result<(), Error> {
        held(&self.recorder).begin(title, effects, rows).map_err(|problem| Error::Invalid(problem.into()))
    }

    /// Closes the step.
    pub fn end_step(&self) {
        held(&self.recorder).end();
    }

    /// The plan as it stands.
    pub fn plan(&self) -> Plan {
        held(&self.recorder).plan()
    }

    /// Counts what came in.
    ///
    /// # Errors
    /// `limit`.
    pub fn take(&self, rows: u64, bytes: u64) -> Result<(), Error> {
        self.usage.take(&self.limits, rows, bytes).map_err(|limit| self.over(limit))
    }

    /// A limit is used up: the run's verdict is at least unknown.
    pub fn over(&self, limit: &str) -> Error {
        self.trouble(format!("the limit {limit} is used up"));
        Error::Limit(limit.into())
    }

    /// Something that makes the verdict at least unknown, in words for the operator.
    pub fn trouble(&self, words: String) {
        let mut troubles = held(&self.troubles);
        if troubles.len() < 64 {
            troubles.insert(words);
        }
    }

    /// Something that each run repeats to its operator, such as a program that is not confined.
    pub fn note(&self, words: String) {
        held(&self.notes).insert(words);
    }

    /// The audit failed: nothing more may be called.
    pub(crate) fn fail_record(&self, error: &std::io::Error) {
        self.trouble(format!("the audit could not be written: {error}"));
    }

    /// Works on what was reported.
    pub fn reported<T>(&self, work: impl FnOnce(&mut Reported) -> T) -> T {
        work(&mut held(&self.reported))
    }

    /// What makes the verdict at least unknown, and what the operator has to be told, in order.
    pub fn troubles_and_notes(&self) -> (Vec<String>, Vec<String>) {
        if let Err(error) = self.audit.flush() {
            self.fail_record(&error);
        }
        let mut troubles = held(&self.troubles).clone();
        troubles.extend(held(&self.unread).values().map(|what| format!("{what} failed, and the plugin did not look")));
        (troubles.into_iter().collect(), held(&self.notes).iter().cloned().collect())
    }

    /// Offers locks on the server of a request.
    pub fn offer_locks(&self, request: &str, locks: Arc<dyn ServerLocks>) {
        held(&self.server_locks).insert(request.into(), locks);
    }

    /// The locks of a request's server, where it has some.
    pub fn server_locks(&self, request: &str) -> Option<Arc<dyn ServerLocks>> {
        held(&self.server_locks).get(request).cloned()
    }

    pub(crate) fn unread(&self, what: String) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        held(&self.unread).insert(number, what);
        number
    }

    pub(crate) fn was_read(&self, number: u64) {
        held(&self.unread).remove(&number);
    }

    fn write(&self, call: u64, request: &str, operation: &str, decision: Decision, rule: &str) -> Result<(), Error> {
        let entry = AuditEntry {
            run: &self.info.run_id,
            plugin: &self.info.plugin_digest,
            call,
            request: shortened(request),
            operation: shortened(operation),
            decision,
            rule: shortened(rule),
            duration_us: None,
            rows: None,
            bytes: None,
        };
        self.audit.append(&entry).map_err(|error| {
            self.fail_record(&error);
            Error::Unavailable("the audit cannot be written".into())
        })
    }
}

/// The longest text of a line of the audit, in bytes: a plugin's arguments are not to push older lines out of it.
const LONGEST: usize = 8 << 10;

/// Its beginning, where it is too long for the audit.
pub(crate) fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

/// A lock that outlives a panic of another holder: what it guards is whole between any two statements.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
