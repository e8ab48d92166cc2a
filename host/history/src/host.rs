//! The generated traits, each method one call of [`History`], and the records of the contract.

use std::sync::Arc;

use hostler_capability::{
    Binding, Capability, CapabilityError, Error, HistoryRun, HistorySeries, RunContext, RunState, ScheduledRun, Slot,
};
use hostler_world::history::{self, Host, HostWithStore, PastRun, Point, Scheduled, Series};
use wasmtime::component::{Accessor, FutureReader, HasData, Linker, StreamReader};

use crate::History;

/// The capability of what earlier runs left.
pub struct HistoryCapability;

impl HasData for HistoryCapability {
    type Data<'a> = &'a mut History;
}

impl Capability for HistoryCapability {
    fn interface(&self) -> &'static str {
        "history"
    }

    fn link(&self, linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
        history::add_to_linker::<_, Self>(linker, |state: &mut RunState| state.slot::<History>())
    }

    fn prepare(&self, bindings: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError> {
        Ok(Box::new(History::new(bindings, context)))
    }
}

/// The store answers whole, so that a stream that began always ends well.
type Streamed<T> = wasmtime::Result<Result<(StreamReader<T>, FutureReader<Result<(), Error>>), Error>>;

fn of<T>(accessor: &Accessor<T, HistoryCapability>) -> History {
    accessor.with(|mut access| access.get().clone())
}

fn stream<T: 'static, I>(accessor: &Accessor<T, HistoryCapability>, found: Result<Vec<I>, Error>) -> Streamed<I>
where
    I: wasmtime::component::Lower + wasmtime::component::Lift + Send + Sync + Unpin + 'static,
{
    let context = of(accessor).context;
    match found.and_then(|items| context.counted(items)) {
        Ok(items) => accessor.with(|mut access| {
            let stream = StreamReader::new(&mut access, items)?;
            let completed = FutureReader::new(&mut access, async { Ok::<_, wasmtime::Error>(Ok(())) })?;
            Ok(Ok((stream, completed)))
        }),
        Err(error) => Ok(Err(error)),
    }
}

impl Host for &mut History {}

impl<T: 'static> HostWithStore<T> for HistoryCapability {
    async fn metrics(
        accessor: &Accessor<T, Self>,
        task: String,
        metric: String,
        since: u64,
        step_ms: Option<u64>,
    ) -> Streamed<Series> {
        let found = of(accessor).metrics(&task, &metric, since, step_ms).await;
        stream(accessor, found.map(|found| found.into_iter().map(series).collect()))
    }

    async fn runs(accessor: &Accessor<T, Self>, task: String, since: u64) -> Streamed<PastRun> {
        let found = of(accessor).runs(&task, since).await;
        stream(accessor, found.map(|found| found.into_iter().map(past_run).collect()))
    }

    async fn schedule(
        accessor: &Accessor<T, Self>,
        since: u64,
        until: u64,
    ) -> wasmtime::Result<Result<Vec<Scheduled>, Error>> {
        let found = of(accessor).schedule(since, until).await;
        Ok(found.map(|found| found.into_iter().map(scheduled).collect()))
    }
}

fn series(series: HistorySeries) -> Series {
    let points = series.points.iter().map(|point| Point { at: point.at, value: point.value });
    Series {
        points: points.collect(),
        task: series.task,
        metric: series.metric,
        unit: series.unit,
        labels: series.labels,
        warning: series.warning,
        critical: series.critical,
    }
}

fn past_run(run: HistoryRun) -> PastRun {
    let findings = run.findings.into_iter().map(|(code, subject, severity)| (code, subject, severity.into()));
    PastRun {
        task: run.task,
        started_at: run.started_at,
        duration_ms: run.duration_ms,
        verdict: run.verdict.into(),
        findings: findings.collect(),
    }
}

fn scheduled(run: ScheduledRun) -> Scheduled {
    Scheduled { task: run.task, procedure: run.procedure, starts_at: run.starts_at, window_ends_at: run.window_ends_at }
}
