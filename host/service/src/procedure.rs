//! A procedure: its jobs side by side where they share nothing, in the order given where they do.

use std::{sync::Arc, time::Instant};

use tokio::task::JoinSet;

use crate::{Host, Job, Named, Outcome, RunOptions, ServiceError, TaskOutcome, order::Order};

impl Host {
    /// Runs a task or a procedure by its name, with the procedure's own window and time zone.
    ///
    /// # Errors
    /// Where there is none of that name, or a task alone cannot be made ready; in a procedure the others go on.
    pub async fn run_named(self: &Arc<Self>, name: &str, mut options: RunOptions) -> Result<Outcome, ServiceError> {
        let (tasks, parallel) = match self.named(name)? {
            Named::Task(task) => {
                options.time_zone = self.configuration.host.time_zone.clone();
                (vec![task], 1)
            }
            Named::Procedure(procedure, tasks) => {
                options.procedure = Some(procedure.name.clone());
                options.window = procedure.window;
                options.time_zone = procedure.time_zone.clone();
                (tasks, procedure.parallel.unwrap_or(self.configuration.host.parallel))
            }
        };
        let mut jobs = Vec::new();
        for task in tasks {
            jobs.push(match self.job(task) {
                Ok(job) => Ok(Arc::new(job)),
                Err(error) if options.procedure.is_none() => return Err(error),
                Err(error) => Err(self.not_started(&task.into(), &options, &error.to_string())),
            });
        }
        Ok(self.run_all(name, jobs, &options, parallel).await)
    }

    /// Runs jobs, at most `parallel` at a time. One's failure does not stop the others; a request to stop keeps those
    /// that have not started from starting.
    pub async fn run_all(
        self: &Arc<Self>,
        name: &str,
        jobs: Vec<Result<Arc<Job>, TaskOutcome>>,
        options: &RunOptions,
        parallel: usize,
    ) -> Outcome {
        let started = Instant::now();
        let resources = jobs.iter().map(|job| job.as_ref().map(|job| job.resources()).unwrap_or_default());
        let mut order = Order::new(resources.collect(), parallel);
        let mut outcomes: Vec<Option<TaskOutcome>> = jobs.iter().map(|_| None).collect();
        let mut running = JoinSet::new();
        loop {
            while options.stop.requested().is_none() {
                let Some(next) = order.take() else { break };
                match &jobs[next] {
                    Ok(job) => {
                        let (host, job, options) = (self.clone(), job.clone(), options.clone());
                        running.spawn(async move { (next, host.run(&job, &options).await) });
                    }
                    Err(outcome) => {
                        outcomes[next] = Some(outcome.clone());
                        order.done(next);
                    }
                }
            }
            match running.join_next().await {
                Some(Ok((task, outcome))) => {
                    if let Some(ended) = &options.ended {
                        ended(&outcome);
                    }
                    outcomes[task] = Some(outcome);
                    order.done(task);
                }
                Some(Err(error)) => tracing::error!(%error, "a run's own task failed"),
                None => break,
            }
        }
        for task in order.give_up() {
            if let Ok(job) = &jobs[task] {
                outcomes[task] =
                    Some(self.not_started(&job.as_ref().into(), options, "the procedure was stopped before it"));
            }
        }
        let lost = |job: &Result<Arc<Job>, TaskOutcome>| match job {
            Ok(job) => self.not_started(
                &job.as_ref().into(),
                options,
                "its run was lost by a defect of the host's; please report it",
            ),
            Err(outcome) => outcome.clone(),
        };
        let tasks = outcomes.into_iter().zip(&jobs).map(|(outcome, job)| outcome.unwrap_or_else(|| lost(job)));
        Outcome {
            name: name.into(),
            tasks: tasks.collect(),
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}
