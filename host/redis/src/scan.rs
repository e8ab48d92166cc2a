//! Every key under a pattern, page by page, with the next page under way while the plugin handles the last.
//!
//! The server filters by the plugin's pattern; what comes is held against the grant's patterns here, so that a plugin
//! learns of no key that it may not read, whatever it asks for.

use std::sync::Arc;

use hostler_capability::{Call, Completion, Error, completion};
use hostler_policy::redis::{KeyPattern, RedisRefusal, escaped};
use hostler_world::redis::{Node, Page};
use tokio::{sync::mpsc, task::AbortHandle};

use crate::{Session, resp};

/// How many keys the server looks at for a page.
const PAGE: &str = "1000";
/// The longest pattern.
const LONGEST_PATTERN: usize = 4096;

/// Whether the scan was whole, for the stream's `completed`.
pub type Completed = std::pin::Pin<Box<dyn Future<Output = wasmtime::Result<Result<(), Error>>> + Send>>;

/// A scan under way. Dropped, it ends.
pub struct Pages {
    pub(crate) receiver: mpsc::Receiver<Page>,
    task: AbortHandle,
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pages {
    /// The next page; nothing at the end.
    pub async fn next(&mut self) -> Option<Page> {
        self.receiver.recv().await
    }
}

struct Scan {
    session: Arc<Session>,
    pattern: Vec<u8>,
    key_type: Option<String>,
    /// Every key that comes may be named.
    unfiltered: bool,
}

impl Session {
    /// Every key under `pattern` that the grant lets the plugin read, at least once.
    ///
    /// # Errors
    /// `denied`, `invalid` and `limit`; what the server says comes with the future.
    pub fn scan(self: &Arc<Self>, pattern: &str, key_type: Option<String>) -> Result<(Pages, Completed), Error> {
        let refuse = |refusal: &RedisRefusal| self.refuse(&[b"scan".to_vec()], refusal);
        let rule = self.grant.scan_rule(&self.table).map_err(|refusal| refuse(&refusal))?;
        let is_type = |text: &String| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if pattern.len() > LONGEST_PATTERN || !key_type.as_ref().is_none_or(is_type) {
            return Err(Error::Invalid("a pattern has at most 4096 bytes, a type is a word such as hash".into()));
        }
        // Where the plugin asks for everything, the server may as well leave out what the grant does.
        let only = self.grant.only_readable();
        let pattern = match (pattern, only) {
            ("*", Some(only)) => only.text(),
            _ => pattern,
        };
        let mut operation = format!("scan {}", escaped(pattern.as_bytes(), 64));
        if let Some(key_type) = &key_type {
            operation = format!("{operation} TYPE {key_type}");
        }
        let call = self.context.begin(&self.request, &operation, &rule)?;
        let (completed, future) = completion(&self.context, format!("{}: {operation}", self.request));
        let (sender, receiver) = mpsc::channel(1);
        let scan = Scan {
            session: self.clone(),
            pattern: pattern.as_bytes().to_vec(),
            key_type,
            unfiltered: only.is_some_and(KeyPattern::is_every),
        };
        let task = tokio::spawn(scan.run(call, sender, completed)).abort_handle();
        Ok((Pages { receiver, task }, Box::pin(future)))
    }
}

impl Scan {
    async fn run(self, call: Call, sender: mpsc::Sender<Page>, mut completed: Completion<()>) {
        let (mut rows, mut bytes) = (0, 0);
        let mut cursor = b"0".to_vec();
        let error = loop {
            let (next, page) = match self.page(&cursor).await {
                Ok(found) => found,
                Err(error) => break error,
            };
            let size = page.iter().map(|key| key.len() as u64).sum::<u64>();
            if let Err(error) = self.session.context.take(page.len() as u64, size) {
                break error;
            }
            rows += page.len() as u64;
            bytes += size;
            if !page.is_empty() && sender.send(Page { keys: page }).await.is_err() {
                // Nobody reads any more: the call ends as cancelled.
                return;
            }
            if next == b"0" {
                completed.send(Ok(()));
                return call.finish(rows, bytes);
            }
            cursor = next;
        };
        completed.send(Err(call.fail(error)));
    }

    async fn page(&self, cursor: &[u8]) -> Result<(Vec<u8>, Vec<Vec<u8>>), Error> {
        if self.session.context.stop.requested() == Some(hostler_capability::StopReason::TimeLimit) {
            return Err(Error::Stopped);
        }
        let mut command: Vec<&[u8]> = vec![b"SCAN", cursor, b"COUNT", PAGE.as_bytes()];
        if self.pattern != b"*" {
            command.extend([b"MATCH".as_slice(), &self.pattern]);
        }
        if let Some(key_type) = &self.key_type {
            command.extend([b"TYPE".as_slice(), key_type.as_bytes()]);
        }
        let mut out = vec![];
        resp::encode(&mut out, &command);
        let reply = self.session.exchange(&out, 1, true).await?.replies.pop().unwrap_or_default();
        let server = self.session.pool.server();
        let mut nodes = server.checked(reply, "scan")?.into_iter();
        let (Some(Node::Array(2)), Some(Node::Text(cursor)), Some(Node::Array(_))) =
            (nodes.next(), nodes.next(), nodes.next())
        else {
            return Err(server.unavailable("its answer to SCAN is none"));
        };
        let keys = nodes.filter_map(|node| match node {
            Node::Text(key) if self.unfiltered || self.session.grant.may_read(&key) => Some(key),
            _ => None,
        });
        Ok((cursor, keys.collect()))
    }
}
