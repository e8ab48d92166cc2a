//! A host in this process, as an operator would configure it.

use std::sync::Arc;

use anyhow::Context;
use hostler_capability::Mode;
use hostler_configuration::Configuration;
use hostler_service::{Course, Host, Job, RunOptions};
use hostler_tests::Hostler;
use tokio::runtime::Runtime;

/// A host and the runtime that its runs are on: two threads, as the binary has.
pub(crate) struct Setting {
    pub(crate) runtime: Runtime,
    pub(crate) host: Arc<Host>,
    _files: Hostler,
}

impl Setting {
    /// From a configuration, with these plugins installed.
    pub(crate) fn new(configuration: &str, plugins: &[&str]) -> anyhow::Result<Self> {
        let files = Hostler::new(configuration);
        files.install(plugins);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let host = Arc::new(Host::open(Configuration::load(&files.configuration())?)?);
        Ok(Self { runtime, host, _files: files })
    }

    /// Does something on a thread of the runtime, as the binary does with each run: whoever waits outside is woken by a
    /// system call each time.
    pub(crate) fn on_a_worker<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> anyhow::Result<T> {
        Ok(self.runtime.block_on(self.runtime.spawn(work))?)
    }

    /// A task, made ready.
    pub(crate) fn job(&self, task: &str) -> anyhow::Result<Arc<Job>> {
        let task = self.host.configuration.tasks.get(task).context("the task is configured")?;
        Ok(Arc::new(self.host.job(task)?))
    }

    /// Runs a task once, and returns its summary.
    pub(crate) fn run(&self, job: &Arc<Job>) -> anyhow::Result<String> {
        let (host, job) = (self.host.clone(), job.clone());
        let outcome = self.on_a_worker(async move { host.run(&job, &RunOptions::new(Mode::Apply)).await })?;
        anyhow::ensure!(outcome.course == Course::Done, "{}", outcome.summary);
        Ok(outcome.summary)
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        self.runtime.block_on(self.host.settle());
    }
}
