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

/// A request that took so many seconds, or whose answer had so many bytes, is counted though its path came never before.
const SLOW: f64 = 1.0;
const HEAVY: u64 = 1_000_000;

impl Client {
    fn weight(&self) -> u64 {
        self.requests + self.suspicious * 100
    }
}

impl Path {
    /// What is slow, heavy or fails is kept as if it came more often.
    fn weight(&self) -> u64 {
        self.requests + self.failed * 10 + self.bytes / HEAVY + self.seconds as u64
    }
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
        let suspicious = suspicion != Suspicion::None;
        let add = |client: &mut Client| {
            client.requests += 1;
            client.errors += u64::from(request.status >= 400);
            client.suspicious += u64::from(suspicious);
        };
        self.clients.count_if(&request.client, suspicious, Client::weight, add);
        if suspicion == Suspicion::Leaves {
            self.tried += 1;
            if (200..300).contains(&request.status) && self.left.len() < LEFT {
                self.left.push((shown(&request.client), shown(request.path())));
            }
        }
        self.timed += u64::from(request.seconds.is_some());
        let seconds = request.seconds.unwrap_or_default();
        let failed = request.status >= 500;
        let add = |path: &mut Path| {
            path.requests += 1;
            path.failed += u64::from(failed);
            path.bytes += request.bytes;
            path.seconds += seconds;
            path.slowest = path.slowest.max(seconds);
        };
        let notable = failed || seconds >= SLOW || request.bytes >= HEAVY;
        self.paths.count_if(request.path(), notable, Path::weight, add);
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
