//! Endpoints: do they answer?

use hostler_sdk::network::Endpoint;
use hostler_sdk::prelude::*;

use crate::Settings;

/// Enough of an answer's body to know that it arrives.
const BODY: usize = 4096;

/// Asks an endpoint; what is wrong, where something is.
///
/// # Errors
/// Where the run ends.
pub(crate) async fn ask(endpoint: &Endpoint, settings: &Settings) -> Result<Option<String>, TaskError> {
    let began = Timestamp::now();
    let connect_only = settings.connect_only.iter().any(|name| name == endpoint.name());
    let answer = if connect_only {
        endpoint.connect().await.map(|_| None)
    } else {
        endpoint.get("", settings.timeout, BODY).await.map(|response| Some(response.status))
    };
    let took = began.until(Timestamp::now());
    match answer {
        Err(error) if error.ends_the_run() => return Err(error),
        // What the operator did not grant says nothing about the service.
        Err(error) if error.is_denied() || *error.cause() == hostler_sdk::Cause::Invalid => {
            error.finding("endpoint-not-asked", endpoint.name()).report();
            return Ok(None);
        }
        _ => {}
    }
    let problem = judge(answer, took, settings.timeout);
    let up = if problem.is_none() { 1.0 } else { 0.0 };
    Metric::gauge("endpoint_up", up).label("endpoint", endpoint.name()).report();
    Metric::gauge("endpoint_response_seconds", took.as_seconds()).label("endpoint", endpoint.name()).report();
    Ok(problem)
}

/// What an answer says: a status, or none where a connection was all that was asked for.
pub(crate) fn judge(answer: Result<Option<u16>, TaskError>, took: Duration, timeout: Duration) -> Option<String> {
    match answer {
        Err(error) => Some(format!("it does not answer: {}", error.message())),
        Ok(Some(status)) if status >= 400 => Some(format!("it answers {status}")),
        Ok(_) if took > timeout => Some(format!("it answered after {took} only")),
        Ok(_) => None,
    }
}
