//! One run of one job: its lock, its window, its record, its verdict.

use std::sync::Arc;

use hostler_capability::{LockError, Mode, Plan, Progress, RunContext, RunInfo, RunParts, Severity, Stop, StopReason};
use hostler_runtime::{RunFailure, RunOutcome};
use jiff::Timestamp;

use crate::{Approval, Course, Host, Job, TaskOutcome, clock, unstarted::Unstarted};

/// Told of a task's progress: its name, done, total, and a message.
pub type TellProgress = dyn Fn(&str, u64, Option<u64>, &str) + Send + Sync;
/// Told of a task's end.
pub type TellEnd = dyn Fn(&TaskOutcome) + Send + Sync;

/// How jobs are to run.
#[derive(Clone)]
pub struct RunOptions {
    /// Check or apply. A plugin that only looks is always run in check mode.
    pub mode: Mode,
    /// Whether what a task remembers is kept.
    pub keep_state: bool,
    /// The procedure that they belong to.
    pub procedure: Option<String>,
    /// Its window.
    pub window: Option<hostler_configuration::Window>,
    /// The zone in which windows are kept.
    pub time_zone: jiff::tz::TimeZone,
    /// The plan that the runs are held to.
    pub approved: Option<Arc<Approval>>,
    /// What the runs of this command have in common.
    pub invocation: String,
    /// Asks the runs to stop.
    pub stop: Stop,
    /// Told of a task's progress.
    pub progress: Option<Arc<TellProgress>>,
    /// Told of a task's end.
    pub ended: Option<Arc<TellEnd>>,
}

impl RunOptions {
    /// In a mode; everything else as it is where an operator says nothing.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            keep_state: mode == Mode::Apply,
            procedure: None,
            window: None,
            time_zone: jiff::tz::TimeZone::UTC,
            approved: None,
            invocation: clock::run_id(Timestamp::now()),
            stop: Stop::default(),
            progress: None,
            ended: None,
        }
    }
}

impl Host {
    /// Runs a job to its end and records it. What goes wrong is in the outcome.
    pub async fn run(&self, job: &Job, options: &RunOptions) -> TaskOutcome {
        let applies = options.mode == Mode::Apply && job.changes();
        let now = Timestamp::now();
        let closes = match Self::window_closes(job, options, now, applies) {
            Ok(closes) => closes,
            Err(reason) => return self.not_started(&job.into(), options, &reason),
        };
        let approved = match Self::plan_of(job, options, applies) {
            Ok(approved) => approved,
            Err(reason) => return self.not_started(&job.into(), options, &reason),
        };
        let run_id = clock::run_id(now);
        let _lock = if options.mode == Mode::Apply {
            match self.record.locks_of(&run_id, &job.task).acquire(&job.lock()) {
                Ok(lock) => Some(lock),
                Err(error) => return self.not_started(&job.into(), options, &no_lock(&job.lock(), &error)),
            }
        } else {
            None
        };
        let context = self.context(job, options, run_id, now, closes, approved);
        if let Err(error) = self.begin(job, &context) {
            return Unstarted::from(job).outcome(options, &format!("the run cannot be recorded: {error}"));
        }
        let closing = closes.map(|closes| tokio::spawn(close(context.stop.clone(), closes)));
        let ended = self.runtime.run(&job.prepared, &job.bindings, &context).await;
        if let Some(closing) = closing {
            closing.abort();
        }
        let mut outcome = outcome(job, options, &context, &ended);
        if let Err(error) = self.end(&outcome) {
            outcome.troubles.push(format!("the run could not be recorded: {error}"));
            outcome.verdict = outcome.verdict.max(Severity::Unknown);
        }
        outcome
    }

    /// When the run's window closes, where it has one; an error where it is not open.
    fn window_closes(
        job: &Job,
        options: &RunOptions,
        now: Timestamp,
        applies: bool,
    ) -> Result<Option<Timestamp>, String> {
        if !applies {
            return Ok(None);
        }
        let mut closes = None;
        for window in [job.window, options.window].into_iter().flatten() {
            let zone = &options.time_zone;
            let Some(end) = window.open_at(now, zone) else {
                let opens =
                    window.opens_after(now, zone).map(|at| at.to_zoned(zone.clone()).strftime("%F %R %Z").to_string());
                let opens = opens.unwrap_or_else(|| "never".into());
                return Err(format!("it changes something, and its window {window} is closed; it opens {opens}"));
            };
            closes = Some(closes.map_or(end, |earlier: Timestamp| earlier.min(end)));
        }
        Ok(closes)
    }

    fn plan_of(job: &Job, options: &RunOptions, applies: bool) -> Result<Option<Plan>, String> {
        options.approved.as_ref().filter(|_| applies).map(|approval| approval.plan_of(job)).transpose()
    }

    fn context(
        &self,
        job: &Job,
        options: &RunOptions,
        run_id: String,
        now: Timestamp,
        closes: Option<Timestamp>,
        approved: Option<Plan>,
    ) -> Arc<RunContext> {
        let mode = if job.changes() { options.mode } else { Mode::Check };
        let started = clock::milliseconds(now);
        let limit = started.saturating_add(job.limits.wall_seconds.saturating_mul(1000));
        let deadline = closes.map_or(limit, |closes| limit.min(clock::milliseconds(closes)));
        let progress = options.progress.clone().map(|tell| -> Progress {
            let task = job.task.clone();
            Box::new(move |done, total, message| tell(&task, done, total, message))
        });
        RunContext::new(RunParts {
            locks: self.record.locks_of(&run_id, &job.task),
            info: RunInfo {
                run_id,
                task: job.task.clone(),
                procedure: options.procedure.clone(),
                plugin: job.manifest.plugin.name.clone(),
                plugin_digest: job.digest.clone(),
                mode,
                time_zone: options.time_zone.iana_name().unwrap_or("UTC").into(),
                started_at: started,
                planned_at: approved.as_ref().map_or(started, |plan| plan.planned_at),
                deadline: Some(deadline),
            },
            limits: job.limits.clone(),
            stop: options.stop.child(),
            audit: self.record.audit(),
            state: self.record.state(&job.task, options.keep_state),
            history: self.history.clone(),
            settings: job.settings.clone(),
            progress,
            approved: Self::held_to(approved.as_ref()),
        })
    }
}

async fn close(stop: Stop, at: Timestamp) {
    let left = at.duration_since(Timestamp::now());
    tokio::time::sleep(left.try_into().unwrap_or_default()).await;
    stop.request(StopReason::WindowClosed);
}

/// Why the lock was not had: by whom it is held, or what the system says.
fn no_lock(lock: &str, error: &LockError) -> String {
    match error {
        LockError::Held(holder) => {
            format!("the lock {lock:?} is held by {holder}; run it again when that one has ended")
        }
        LockError::Store(problem) => format!("its lock cannot be taken: {problem}"),
    }
}

fn outcome(job: &Job, options: &RunOptions, context: &Arc<RunContext>, ended: &RunOutcome) -> TaskOutcome {
    let reported = context.reported(|reported| reported.clone());
    let (troubles, notes) = context.troubles_and_notes();
    let course = match &ended.result {
        Ok(_) if context.stop.requested() == Some(StopReason::Interrupted) => Course::Interrupted,
        Ok(_) => Course::Done,
        Err(RunFailure::Stopped(StopReason::Interrupted)) => Course::Interrupted,
        Err(_) if context.stop.requested() == Some(StopReason::Interrupted) => Course::Interrupted,
        Err(_) => Course::Failed,
    };
    let summary = match &ended.result {
        Ok(summary) => summary.clone(),
        Err(failure) => failure.to_string(),
    };
    TaskOutcome {
        task: job.task.clone(),
        plugin: job.manifest.plugin.name.clone(),
        version: job.manifest.plugin.version.to_string(),
        run_id: context.info.run_id.clone(),
        mode: word(context.info.mode).into(),
        started_at: context.info.started_at,
        duration_ms: u64::try_from(ended.duration.as_millis()).unwrap_or(u64::MAX),
        course,
        verdict: TaskOutcome::judge(&reported, &troubles, course),
        summary,
        troubles,
        notes,
        reported,
        plan: context.plan(),
        invocation: options.invocation.clone(),
        basis: (job.changes() && context.checks()).then(|| job.basis.clone()),
    }
}

pub(crate) fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Check => "check",
        Mode::Apply => "apply",
    }
}
