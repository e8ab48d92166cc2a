//! Redis: replies as trees, many commands in one round trip, keys in pages.

use wit_bindgen::FutureReader;

use crate::bindings::base::hostler::plugin::types;
use crate::bindings::redis::hostler::plugin::redis as wit;
use crate::{Info, Reply, TaskError, stream::Items};

pub use crate::key::{prefix, shown};

/// The names of the servers bound to a request that takes many.
#[must_use]
pub fn targets(request: &str) -> Vec<String> {
    wit::targets(request)
}

/// A command: its name and arguments.
pub type Command = Vec<Vec<u8>>;

/// Puts a command together.
pub fn command<A: AsRef<[u8]>>(parts: impl IntoIterator<Item = A>) -> Command {
    parts.into_iter().map(|part| part.as_ref().to_vec()).collect()
}

/// A pattern that matches a text itself, whatever it holds.
#[must_use]
pub fn escape_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if "*?[]\\".contains(letter) {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

/// Changes that were asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Execution<T> {
    /// Written into the plan, and not done.
    Planned,
    /// Done, with what the server answered.
    Applied(T),
}

/// A Redis server.
#[derive(Debug)]
pub struct Server {
    name: String,
    server: wit::Server,
}

impl Server {
    /// Opens a server bound to a request: one of its targets where it takes many.
    ///
    /// # Errors
    /// Where it cannot be reached, or is not bound.
    pub async fn open(request: &str, target: Option<&str>) -> Result<Self, TaskError> {
        let server = wit::Server::open(request.into(), target.map(str::to_owned)).await?;
        Ok(Self { name: target.unwrap_or(request).into(), server })
    }

    /// What findings about it call it: the target, or the request.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that reads.
    ///
    /// # Errors
    /// Where it is refused, or the server answers with an error.
    pub async fn query<A: AsRef<[u8]>>(&self, parts: impl IntoIterator<Item = A>) -> Result<Reply, TaskError> {
        Reply::read(self.server.query(command(parts)).await?)
    }

    /// Many commands that read, in one round trip; an error is a `Failure` in its place.
    ///
    /// # Errors
    /// Where one is refused, or the connection breaks.
    pub async fn query_many(&self, commands: Vec<Command>) -> Result<Vec<Reply>, TaskError> {
        self.server.query_many(commands).await?.into_iter().map(Reply::read).collect()
    }

    /// A command that changes something.
    ///
    /// # Errors
    /// Where it is refused, or the server answers with an error.
    pub async fn execute<A: AsRef<[u8]>>(
        &self,
        parts: impl IntoIterator<Item = A>,
    ) -> Result<Execution<Reply>, TaskError> {
        match self.server.execute(command(parts)).await? {
            wit::Execution::Planned => Ok(Execution::Planned),
            wit::Execution::Applied(reply) => Ok(Execution::Applied(Reply::read(reply)?)),
        }
    }

    /// Many commands that change something, in one round trip; an error is a `Failure` in its place.
    ///
    /// # Errors
    /// Where one is refused, or the connection breaks.
    pub async fn execute_many(&self, commands: Vec<Command>) -> Result<Execution<Vec<Reply>>, TaskError> {
        match self.server.execute_many(commands).await? {
            wit::Executions::Planned => Ok(Execution::Planned),
            wit::Executions::Applied(replies) => {
                Ok(Execution::Applied(replies.into_iter().map(Reply::read).collect::<Result<_, _>>()?))
            }
        }
    }

    /// INFO: everything, or the sections named.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn info(&self, sections: &[&str]) -> Result<Info, TaskError> {
        let parts = std::iter::once("INFO").chain(sections.iter().copied());
        Ok(Info::parse(&self.query(parts).await?.text()?))
    }

    /// Every key under a pattern at least once; a key may come twice.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn scan(&self, pattern: &str, kind: Option<&str>) -> Result<Scan, TaskError> {
        let scan = self.server.scan(pattern.into(), kind.map(str::to_owned)).await?;
        Ok(Scan { pages: Items::new(scan.pages), completed: Some(scan.completed) })
    }
}

/// Keys in pages.
pub struct Scan {
    pages: Items<wit::Page>,
    completed: Option<FutureReader<Result<(), types::Error>>>,
}

impl Scan {
    /// The next keys; nothing at the end, where the scan is known to be whole.
    ///
    /// # Errors
    /// Where the scan broke off.
    pub async fn next(&mut self) -> Result<Option<Vec<Vec<u8>>>, TaskError> {
        if let Some(page) = self.pages.next().await {
            return Ok(Some(page.keys));
        }
        match self.completed.take() {
            Some(completed) => Ok(completed.await.map(|()| None)?),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::escape_pattern;

    #[test]
    fn a_prefix_with_wildcards_in_it_matches_itself_alone() {
        assert_eq!(escape_pattern("a*b[c]?\\"), "a\\*b\\[c\\]\\?\\\\");
    }
}
