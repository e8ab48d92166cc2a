//! What earlier runs left.

use crate::bindings::history::hostler::plugin::history as wit;
use crate::stream::Items;
use crate::{Duration, TaskError, Timestamp};

pub use wit::{PastRun, Point, Scheduled, Series};

/// The figures that runs of `task` left since a time, thinned to one in each `step`. Names are patterns with `*`.
///
/// # Errors
/// Where no history is bound.
pub async fn metrics(
    task: &str,
    metric: &str,
    since: Timestamp,
    step: Option<Duration>,
) -> Result<Vec<Series>, TaskError> {
    let step = step.map(Duration::as_milliseconds);
    let (stream, completed) = wit::metrics(task.into(), metric.into(), since.0, step).await?;
    let (mut stream, mut series) = (Items::new(stream), Vec::new());
    while let Some(one) = stream.next().await {
        series.push(one);
    }
    completed.await?;
    Ok(series)
}

/// The runs of `task` since a time.
///
/// # Errors
/// Where no history is bound.
pub async fn runs(task: &str, since: Timestamp) -> Result<Vec<PastRun>, TaskError> {
    let (stream, completed) = wit::runs(task.into(), since.0).await?;
    let (mut stream, mut runs) = (Items::new(stream), Vec::new());
    while let Some(one) = stream.next().await {
        runs.push(one);
    }
    completed.await?;
    Ok(runs)
}

/// What the procedures will start between two times, and until when each window is open.
///
/// # Errors
/// Where no history is bound.
pub async fn schedule(since: Timestamp, until: Timestamp) -> Result<Vec<Scheduled>, TaskError> {
    Ok(wit::schedule(since.0, until.0).await?)
}
