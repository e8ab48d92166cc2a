//! A time limit for a host call: epochs end a plugin's own loops, never a call of the host's.

use std::{future::Future, time::Duration};

use crate::Error;

/// The future's result, or `timed-out` after `limit`.
///
/// # Errors
/// The future's own, or [`Error::TimedOut`] with the limit in milliseconds.
pub async fn within<T>(limit: Duration, future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(limit, future).await {
        Ok(result) => result,
        Err(_) => Err(Error::TimedOut(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX))),
    }
}
