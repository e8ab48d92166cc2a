//! Endpoints: the operator's hosts and ports, by name.

use crate::TaskError;
use crate::bindings::network::hostler::plugin::network as wit;

pub use wit::{Handshake, Starttls};

/// The names of the endpoints bound to a request that takes many.
#[must_use]
pub fn targets(request: &str) -> Vec<String> {
    wit::targets(request)
}

/// An endpoint that the operator bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    request: String,
    target: Option<String>,
}

/// An answer to GET.
#[derive(Debug, Clone)]
pub struct Response {
    /// Such as 200.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The beginning of the body, up to what was asked for.
    pub body: Vec<u8>,
}

impl Endpoint {
    /// The endpoint bound to a request, one of its targets where it takes many.
    #[must_use]
    pub fn new(request: &str, target: Option<String>) -> Self {
        Self { request: request.into(), target }
    }

    /// What findings about it call it: the target, or the request.
    #[must_use]
    pub fn name(&self) -> &str {
        self.target.as_deref().unwrap_or(&self.request)
    }

    /// Connects, and closes again: how long it took.
    ///
    /// # Errors
    /// Where nothing answers.
    pub async fn connect(&self) -> Result<crate::Duration, TaskError> {
        let milliseconds = wit::connect(self.request.clone(), self.target.clone()).await?;
        Ok(crate::Duration::from_milliseconds(milliseconds))
    }

    /// What the server sends when TLS begins, with SNI.
    ///
    /// # Errors
    /// Where there is no TLS to be had. A chain that does not verify is none: `verified` says so.
    pub async fn tls_handshake(&self, server_name: Option<&str>, starttls: Starttls) -> Result<Handshake, TaskError> {
        let server_name = server_name.map(str::to_owned);
        Ok(wit::tls_handshake(self.request.clone(), self.target.clone(), server_name, starttls).await?)
    }

    /// GET of a path below the endpoint's prefix, and at most `limit` bytes of the body.
    ///
    /// # Errors
    /// Where there is no answer in time. An answer of 500 is one.
    pub async fn get(&self, path: &str, timeout: crate::Duration, limit: usize) -> Result<Response, TaskError> {
        let call = wit::HttpRequest {
            method: "GET".into(),
            target: self.target.clone(),
            path: path.into(),
            headers: vec![],
            body: vec![],
            timeout_ms: Some(timeout.as_milliseconds()),
        };
        let wit::Exchange::Completed(mut response) = wit::http(self.request.clone(), call).await? else {
            return Err(TaskError::new("a GET was planned and not sent"));
        };
        let mut body = Vec::new();
        let mut whole = true;
        loop {
            let (result, bytes) = response.body.read(Vec::with_capacity(16 * 1024)).await;
            let ended = bytes.is_empty() && !matches!(result, wit_bindgen::StreamResult::Complete(_));
            body.extend(bytes);
            if ended {
                break;
            }
            if body.len() >= limit {
                body.truncate(limit);
                whole = false;
                break;
            }
        }
        if whole {
            response.completed.await?;
        }
        Ok(Response { status: response.status, headers: response.headers, body })
    }
}
