//! What is counted of each request.

use shared_logs::{Request, Top};

use crate::suspicion::{Suspicion, suspicion};

/// Clients and paths that are counted at least.
const KEPT: usize = 4096;

/// Of a client.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub requests: u64,
    pub errors: u64,
    pub suspicious: u64,
}

/// Of a path.
#[derive(Debug, Default)]
pub(crate) struct Path {
    pub requests: u64,
    pub failed: u64,
    pub bytes: u64,
    pub seconds: f64,
    pub slowest: f64,
}

/// Of all requests since the last run.
#[derive(Debug)]
pub(crate) struct Counted {
    pub requests: u64,
    pub strange: u64,
    pub bytes: u64,
    /// By the first digit of the status.
    pub classes: [u64; 10],
    pub timed: u64,
    pub clients: Top<Client>,
    pub paths: Top<Path>,
    /// Paths that lead out of the tree and were answered all the same, with their client.
    pub left: Vec<(String, String)>,
    pub tried: u64,
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            requests: 0,
            strange: 0,
            bytes: 0,
            classes: [0; 10],
            timed: 0,
            clients: Top::new(KEPT),
            paths: Top::new(KEPT),
            left: vec![],
            tried: 0,
        }
    }
}

/// Successes that are told one by one.
const LEFT: usize = 50;

impl Counted {
    pub(crate) fn add(&mut self, request: &Request<'_>) {
        self.requests += 1;
        self.bytes += request.bytes;
        self.classes[usize::from(request.status / 100).min(9)] += 1;
        let suspicion = suspicion(&request.target);
        self.clients.count(
            &request.client,
            |client| client.requests + client.suspicious * 100,
            |client| {
                client.requests += 1;
                client.errors += u64::from(request.status >= 400);
                client.suspicious += u64::from(suspicion != Suspicion::None);
            },
        );
        if suspicion == Suspicion::Leaves {
            self.tried += 1;
            if (200..300).contains(&request.status) && self.left.len() < LEFT {
                self.left.push((shown(&request.client), shown(request.path())));
            }
        }
        self.timed += u64::from(request.seconds.is_some());
        self.paths.count(
            request.path(),
            |path| path.requests,
            |path| {
                path.requests += 1;
                path.failed += u64::from(request.status >= 500);
                path.bytes += request.bytes;
                let seconds = request.seconds.unwrap_or_default();
                path.seconds += seconds;
                path.slowest = path.slowest.max(seconds);
            },
        );
    }
}

/// Letters of a client's text that are shown.
const SHOWN: usize = 80;

/// The beginning of what a client sent; control characters are taken out by the host.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN * 4)]);
    let mut cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < bytes.len() {
        cut.push('…');
    }
    cut
}
