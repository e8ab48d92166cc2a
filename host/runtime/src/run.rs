//! One run: a store of its own, a plugin instantiated in it, and the clocks that bound it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hostler_capability::{Binding, RunContext, RunState, StopReason};
use wasmtime::{Store, UpdateDeadline};

use crate::{Prepared, RunFailure, Runtime, engine::TICK, wasi};

/// How long a plugin has after it was interrupted, to end between two steps of a change.
const GRACE: Duration = Duration::from_secs(5);

/// How many handles of the component model's own (streams, futures, tasks) a plugin may have for each of the
/// contract's that it may.
const OWN_HANDLES: usize = 16;

/// How a run ended. What it reported and planned is in its context.
#[derive(Debug)]
pub struct RunOutcome {
    /// The plugin's own sentence, or why there is none.
    pub result: Result<String, RunFailure>,
    /// How long it took.
    pub duration: Duration,
    /// Processor time of the plugin's own code, to a hundredth of a second.
    pub processor_time: Duration,
    /// The most memory that it used.
    pub memory_bytes: u64,
}

impl Runtime {
    /// Runs a plugin to its end, or to the end of its limits.
    pub async fn run(&self, prepared: &Prepared, bindings: &[Binding], context: &Arc<RunContext>) -> RunOutcome {
        let started = Instant::now();
        let ticks = Arc::new(AtomicU64::new(0));
        let mut memory_bytes = 0;
        let result = self.run_bounded(prepared, bindings, context, &ticks, &mut memory_bytes).await;
        let ticks = u32::try_from(ticks.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        RunOutcome { result, duration: started.elapsed(), processor_time: TICK * ticks, memory_bytes }
    }

    async fn run_bounded(
        &self,
        prepared: &Prepared,
        bindings: &[Binding],
        context: &Arc<RunContext>,
        ticks: &Arc<AtomicU64>,
        memory_bytes: &mut u64,
    ) -> Result<String, RunFailure> {
        let _place = self.places.acquire().await;
        let mut state = RunState::new(context.clone(), wasi::context(context));
        for capability in &prepared.capabilities {
            state.insert(capability.prepare(bindings, context)?);
        }
        let mut store = Store::new(prepared.instance.engine(), state);
        store.limiter(|state| &mut state.memory);
        // Handles, streams, futures and tasks that the plugin makes for itself are memory of the host.
        let handles = usize::try_from(context.limits.handles).unwrap_or(usize::MAX).saturating_mul(OWN_HANDLES);
        store.set_max_component_handles(handles);
        count_processor_time(&mut store, ticks, context.limits.cpu_seconds);
        let ended = tokio::select! {
            ended = call(prepared, &mut store, context) => ended,
            stopped = outer_end(context) => Err(stopped),
        };
        *memory_bytes = store.data().memory.used();
        let limits = &context.limits;
        if ended.is_ok() && store.data().memory.refused {
            // It went on without what it was refused, and what it says may lack that part.
            context.over("memory_bytes");
        }
        ended.map_err(|failure| match failure {
            RunFailure::Trap(_) if store.data().memory.refused => RunFailure::Memory(limits.memory_bytes),
            RunFailure::Trap(_) if spent(ticks, limits.cpu_seconds) => RunFailure::ProcessorTime(limits.cpu_seconds),
            other => other,
        })
    }
}

async fn call(
    prepared: &Prepared,
    store: &mut Store<RunState>,
    context: &Arc<RunContext>,
) -> Result<String, RunFailure> {
    let instance = prepared.instance.instantiate_async(&mut *store).await.map_err(trap)?;
    let mode = context.info.mode;
    let ended = store
        .run_concurrent(async |accessor| instance.hostler_plugin_task().call_run(accessor, mode).await)
        .await
        .and_then(|result| result)
        .map_err(trap)?;
    ended.map(|sentence| in_a_line(&sentence, context)).map_err(|message| RunFailure::Task(printable(&message)))
}

/// What a plugin sums itself up with. What is no line of text is nonsense, and so may be the rest that it says.
fn in_a_line(sentence: &str, context: &RunContext) -> String {
    let line = printable(sentence.trim());
    if line.trim().is_empty() {
        context.trouble("the plugin ended without the line that sums its work up".into());
    } else if line != sentence.trim() {
        context.trouble("what the plugin ended with was no line of text, or too long for one, and was cut".into());
    }
    line
}

/// Ends when the run has to end, whatever its plugin does.
async fn outer_end(context: &Arc<RunContext>) -> RunFailure {
    // The end of a window is asked and not enforced: a change is not broken off.
    let asked_to_stop = async {
        let reason = context.stop.wait_for(|reason| reason != StopReason::WindowClosed).await;
        tokio::time::sleep(GRACE).await;
        reason
    };
    tokio::select! {
        () = tokio::time::sleep(context.limits.wall()) => {
            context.stop.request(StopReason::TimeLimit);
            RunFailure::Time(context.limits.wall_seconds)
        }
        reason = asked_to_stop => RunFailure::Stopped(reason),
    }
}

/// Counts the ticks in which the plugin's own code ran: the callback is called only while it does.
fn count_processor_time(store: &mut Store<RunState>, ticks: &Arc<AtomicU64>, seconds: u64) {
    store.set_epoch_deadline(1);
    let ticks = ticks.clone();
    store.epoch_deadline_callback(move |_| {
        ticks.fetch_add(1, Ordering::Relaxed);
        if spent(&ticks, seconds) {
            return Err(wasmtime::Error::msg("processor time"));
        }
        Ok(UpdateDeadline::Yield(1))
    });
}

fn spent(ticks: &AtomicU64, seconds: u64) -> bool {
    u128::from(ticks.load(Ordering::Relaxed)) * TICK.as_millis() >= u128::from(seconds) * 1000
}

fn trap(error: wasmtime::Error) -> RunFailure {
    let cause = error.root_cause().to_string();
    RunFailure::Trap(printable(cause.lines().next().unwrap_or_default()))
}

/// What a plugin says is printed on a terminal: no control characters, none that reorder text, and not without end.
pub(crate) fn printable(text: &str) -> String {
    let steers = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if steers(letter) { ' ' } else { letter }).take(2000).collect()
}
