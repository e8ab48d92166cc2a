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

    /// A task, made ready.
    pub(crate) fn job(&self, task: &str) -> anyhow::Result<Job> {
        let task = self.host.configuration.tasks.get(task).context("the task is configured")?;
        Ok(self.host.job(task)?)
    }

    /// Runs a task once, and returns its summary.
    pub(crate) fn run(&self, job: &Job) -> anyhow::Result<String> {
        let outcome = self.runtime.block_on(self.host.run(job, &RunOptions::new(Mode::Apply)));
        anyhow::ensure!(outcome.course == Course::Done, "{}", outcome.summary);
        Ok(outcome.summary)
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        self.runtime.block_on(self.host.settle());
    }
}
