//! A call from the policy to its answer.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hostler_capability::{
    Binding, Call, CapabilityError, Effect, Error, RunContext, Verdict, completion, failed, within,
};
use hostler_policy::endpoint::{self, Scheme};
use hostler_world::network::{Handshake, HttpRequest, Starttls};
use hyper::{
    Method,
    header::{HeaderName, HeaderValue},
};
use rustls::pki_types::ServerName;

use crate::{
    body::{self, Body},
    connect::{self, ConnectError, Connected},
    grant::{self, Bound},
    handshake, header, http, roots, starttls,
};

/// How long a call has that does not say.
const USUAL: Duration = Duration::from_secs(30);
/// The largest body that a request may have.
const LARGEST: usize = 16 << 20;
/// The most headers that a plugin may set.
const MOST_HEADERS: usize = 64;

/// How an answer ended, once it has.
pub(crate) type Completing = Pin<Box<dyn Future<Output = wasmtime::Result<Result<(), Error>>> + Send>>;

/// An answer, its body still to come.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Body,
    pub(crate) completed: Completing,
}

/// The endpoints of one run.
pub(crate) struct Client {
    pub(crate) context: Arc<RunContext>,
    bound: Vec<Bound>,
}

impl Client {
    /// The endpoints that a run's bindings name.
    ///
    /// # Errors
    /// Where an endpoint's configuration is wrong.
    pub(crate) fn new(bindings: &[Binding], context: &Arc<RunContext>) -> Result<Self, CapabilityError> {
        let bound = bindings.iter().map(Bound::of).collect::<Result<Vec<_>, _>>()?.concat();
        Ok(Self { context: context.clone(), bound })
    }

    /// The names bound to a request that takes many.
    pub(crate) fn targets(&self, request: &str) -> Vec<String> {
        let many = self.bound.iter().filter(|bound| bound.request == request && bound.many);
        many.map(|bound| bound.name.clone()).collect()
    }

    /// How long it takes to connect.
    ///
    /// # Errors
    /// As the contract has them.
    pub(crate) async fn connect(&self, request: &str, target: Option<&str>) -> Result<u64, Error> {
        let bound = grant::find(&self.bound, &self.context, request, target, "connect")?;
        let call = self.begin(bound, "connect")?;
        let result = self.timed(USUAL, self.open(bound)).await;
        call.settle(result, |_| (0, 0)).map(|connected| milliseconds(connected.took))
    }

    /// What the endpoint shows when TLS begins.
    ///
    /// # Errors
    /// As the contract has them.
    pub(crate) async fn tls_handshake(
        &self,
        request: &str,
        target: Option<&str>,
        server_name: Option<String>,
        starttls: Starttls,
    ) -> Result<Handshake, Error> {
        let bound = grant::find(&self.bound, &self.context, request, target, "tls-handshake")?;
        let name = match server_name {
            Some(name) => ServerName::try_from(name).ok(),
            None => http::server_name(&bound.endpoint),
        };
        let name = name.ok_or_else(|| Error::Invalid("the server name is none".into()))?;
        let call = self.begin(bound, "tls-handshake")?;
        let work = async {
            let roots = bound.resource.root_certificates.clone();
            let verifier = tokio::task::spawn_blocking(move || roots::verifier(roots::roots(roots.as_deref())?)).await;
            let verifier = verifier.unwrap_or_else(|_| Err("its roots cannot be read".into()));
            let verifier = verifier.map_err(|words| bound.unavailable(words))?;
            let Connected { stream, .. } = self.open(bound).await?;
            let begun = starttls::begin(stream, starttls).await;
            let stream = begun.map_err(|words| failed("STARTTLS", format!("{}: {words}", bound.label())))?;
            let started = Instant::now();
            let shown = handshake::handshake(stream, verifier, name).await;
            let shown = shown.map_err(|words| failed("TLS", format!("{}: {words}", bound.label())))?;
            Ok(Handshake {
                chain: shown.chain,
                protocol: shown.protocol,
                cipher_suite: shown.cipher_suite,
                verified: shown.verified,
                duration_ms: milliseconds(started.elapsed()),
            })
        };
        let result = self.timed(USUAL, work).await;
        let taken = |shown: &Handshake| shown.chain.iter().map(Vec::len).sum::<usize>() as u64;
        let result = result.and_then(|shown| self.context.take(0, taken(&shown)).map(|()| shown));
        call.settle(result, |shown| (shown.chain.len() as u64, taken(shown)))
    }

    /// Sends a request; nothing comes back where it is planned.
    ///
    /// # Errors
    /// As the contract has them.
    pub(crate) async fn http(&self, request: &str, asked: HttpRequest) -> Result<Option<Answered>, Error> {
        let bound = grant::find(&self.bound, &self.context, request, asked.target.as_deref(), "http")?;
        let (ready, operation, object) = self.ready(bound, &asked)?;
        let number = if endpoint::reads(ready.method.as_str()) {
            None
        } else {
            let effect = Effect { request: bound.request(), operation: operation.clone(), object };
            match self.context.effect(effect)? {
                Verdict::Plan => return Ok(None),
                Verdict::Apply(number) => Some(number),
            }
        };
        let result = self.exchange(bound, ready, &operation, asked.timeout_ms).await;
        if let Some(number) = number {
            let outcome = match &result {
                Ok(answered) if answered.status < 400 => Ok(None),
                Ok(answered) => Err(failed(answered.status.to_string(), "the server refused")),
                Err(error) => Err(error.clone()),
            };
            self.context.outcome(number, &outcome);
        }
        result.map(Some)
    }

    async fn exchange(
        &self,
        bound: &Bound,
        ready: http::Ready,
        operation: &str,
        timeout_ms: Option<u64>,
    ) -> Result<Answered, Error> {
        let limit = timeout_ms.map_or(USUAL, Duration::from_millis).min(self.context.limits.wall());
        let started = Instant::now();
        let call = self.begin(bound, operation)?;
        let work = async {
            let Connected { stream, .. } = self.open(bound).await?;
            http::exchange(bound, stream, ready).await.map_err(|words| bound.unavailable(words))
        };
        let http::Answer { response, connection } = match self.timed(limit, work).await {
            Ok(answer) => answer,
            Err(error) => return Err(call.fail(error)),
        };
        let status = response.status().as_u16();
        let headers = http::headers(&bound.endpoint, response.headers());
        let (sender, body) = body::body();
        let (mut end, completed) = completion(&self.context, format!("{operation} of {}", bound.label()));
        let (context, label) = (self.context.clone(), bound.label());
        tokio::spawn(async move {
            let _connection = connection;
            let broken = || Error::Unavailable(format!("{label}: the answer broke off"));
            let forwarded = body::forward(response.into_body(), sender, &context, broken);
            let left = limit.saturating_sub(started.elapsed());
            let result = tokio::select! {
                result = forwarded => result,
                () = tokio::time::sleep(left) => Err(Error::TimedOut(milliseconds(limit))),
                _ = context.stop.wait() => Err(Error::Stopped),
            };
            end.send(call.settle(result, |bytes| (0, *bytes)).map(drop));
        });
        Ok(Answered { status, headers, body, completed: Box::pin(completed) })
    }

    /// Holds a request to the policy.
    fn ready(&self, bound: &Bound, asked: &HttpRequest) -> Result<(http::Ready, String, String), Error> {
        let shown: String = asked.method.chars().filter(char::is_ascii_alphabetic).take(20).collect();
        let deny = |rule: String| self.context.deny(&bound.request(), &format!("http {shown}"), &rule);
        if !matches!(bound.endpoint.scheme, Scheme::Http | Scheme::Https) {
            return Err(Error::Invalid(format!("{}: its url is neither http nor https", bound.label())));
        }
        endpoint::check_method(&bound.methods, &asked.method).map_err(|refusal| deny(refusal.to_string()))?;
        let target =
            endpoint::join_path(&bound.endpoint.prefix, &asked.path).map_err(|refusal| deny(refusal.to_string()))?;
        let method =
            Method::from_bytes(asked.method.as_bytes()).map_err(|_| Error::Invalid("the method is none".into()))?;
        if endpoint::reads(method.as_str()) && !asked.body.is_empty() {
            return Err(Error::Invalid("GET and HEAD have no body".into()));
        }
        if asked.body.len() > LARGEST || asked.headers.len() > MOST_HEADERS {
            return Err(Error::Invalid(format!("a request has at most {MOST_HEADERS} headers and {LARGEST} bytes")));
        }
        let added = bound.resource.header_file.as_deref().map(header::read).transpose();
        let added = added.map_err(|words| bound.unavailable(words))?;
        if added.is_some() && bound.endpoint.scheme == Scheme::Http {
            self.context.note(format!("{}: the header of its header_file is sent in clear text", bound.label()));
        }
        let mut headers = Vec::with_capacity(asked.headers.len());
        for (name, value) in &asked.headers {
            let added = added.as_ref().map(|(name, _)| name.as_str());
            endpoint::check_header(name, added).map_err(|refusal| deny(refusal.to_string()))?;
            let wrong = |_| Error::Invalid(format!("the header {name} cannot be sent"));
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| wrong(error.to_string()))?;
            headers.push((name, HeaderValue::from_bytes(value).map_err(|error| wrong(error.to_string()))?));
        }
        let operation = format!("http {method}");
        // What follows `?` are parameters.
        let path = asked.path.split('?').next().unwrap_or_default();
        let object = format!("{}/{}", bound.label(), path.strip_prefix('/').unwrap_or(path));
        let body = Bytes::copy_from_slice(&asked.body);
        Ok((http::Ready { method, target, headers, added, body }, operation, object))
    }

    fn begin(&self, bound: &Bound, operation: &str) -> Result<Call, Error> {
        self.context.begin(&bound.request(), operation, &bound.label())
    }

    async fn open(&self, bound: &Bound) -> Result<Connected, Error> {
        connect::connect(bound).await.map_err(|error| match error {
            ConnectError::Refused => {
                self.context.deny(&bound.request(), "connect", &format!("{}: {error}", bound.label()))
            }
            _ => bound.unavailable(error),
        })
    }

    /// Ends what takes too long, and what is asked to stop.
    async fn timed<T>(&self, limit: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            result = within(limit, work) => result,
            _ = self.context.stop.wait() => Err(Error::Stopped),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
