//! One open server of a run: each function is one call of the plugin.
//!
//! The order is always the same: the policy, the effect where something changes, the audit, the server, and what it
//! answered, blanked and counted. `query-many` and `execute-many` are one call and one pair of audit lines, whatever
//! the number of their commands.

use std::{collections::BTreeMap, sync::Arc};

use hostler_capability::{Effect, Error, RunContext, Verdict};
use hostler_policy::redis::{CommandTable, RedisGrant, RedisRefusal, Ruling, escaped};
use hostler_world::redis::{Execution, Executions, Node};

use crate::{
    blank::{self, Blanker},
    connection::Replies,
    pool::Pool,
    resp,
};

type Command = Vec<Vec<u8>>;
type Reply = Vec<Node>;

/// A ruling, how many commands it was asked about, and what it blanks.
type Current<'r> = (Ruling<'r>, u64, Option<Blanker>);

/// How many names of commands, and rules, a line of the audit has.
const MOST_NAMED: usize = 8;

/// A server, opened under a grant.
pub struct Session {
    pub(crate) context: Arc<RunContext>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) grant: Arc<RedisGrant>,
    pub(crate) table: Arc<CommandTable>,
    pub(crate) request: String,
}

/// What the policy said of many commands, in one walk over them.
#[derive(Default)]
struct Batch {
    out: Vec<u8>,
    /// How often each command, for the audit.
    names: BTreeMap<String, u64>,
    rules: Vec<String>,
    /// Replies that hold secrets.
    blanked: Vec<(usize, Blanker)>,
}

impl Batch {
    fn operation(&self) -> String {
        let mut parts: Vec<_> = self
            .names
            .iter()
            .take(MOST_NAMED)
            .map(|(name, count)| format!("{} ×{count}", name.replace('|', " ")))
            .collect();
        if self.names.len() > MOST_NAMED {
            parts.push(format!("{} others", self.names.len() - MOST_NAMED));
        }
        parts.join(", ")
    }

    fn rule(&self) -> String {
        self.rules.join(" ")
    }
}

impl Session {
    pub(crate) async fn open(
        context: Arc<RunContext>,
        pool: Arc<Pool>,
        grant: Arc<RedisGrant>,
        request: String,
    ) -> Result<Self, Error> {
        let call = context.begin(&request, "open", "bind")?;
        let (table, _) = call.settle(pool.ready().await, |_| (0, 0))?;
        Ok(Self { context, pool, grant, table, request })
    }

    /// What the server says of its commands.
    pub fn table(&self) -> &CommandTable {
        &self.table
    }

    /// The commands that the grant gives, by full name.
    pub fn given(&self) -> Vec<String> {
        self.grant.given(&self.table).into_iter().map(|entry| entry.name.clone()).collect()
    }

    /// A command that reads.
    ///
    /// # Errors
    /// `denied`, `invalid`, and what the server says.
    pub async fn query(&self, command: Command) -> Result<Reply, Error> {
        let decision = self.grant.decide(&self.table, &command).and_then(|decision| match decision.reads {
            true => Ok(decision),
            false => Err(RedisRefusal::NotAQuery(decision.name)),
        });
        let decision = decision.map_err(|refusal| self.refuse(&command, &refusal))?;
        let call = self.context.begin(&self.request, &decision.redacted, &decision.rule)?;
        let result = self.one(&command, &decision.name, true).await;
        let (reply, bytes) = call.settle(result, |(reply, bytes)| (reply.len() as u64, *bytes))?;
        self.context.take(reply.len() as u64, bytes)?;
        Ok(reply)
    }

    /// Many commands that read, in one round trip. A reply that is an error is a `failure` in its place.
    ///
    /// # Errors
    /// As [`Session::query`]; one command that is refused refuses all.
    pub async fn query_many(&self, commands: Vec<Command>) -> Result<Vec<Reply>, Error> {
        if commands.is_empty() {
            return Ok(vec![]);
        }
        let batch = self.batch(&commands, true, |_, _, _| {})?;
        let call = self.context.begin(&self.request, &batch.operation(), &batch.rule())?;
        let result = self.many(&batch, commands.len(), true).await;
        let replies = call.settle(result, |replies| (replies.replies.len() as u64, replies.bytes))?;
        self.context.take(commands.len() as u64, replies.bytes)?;
        Ok(replies.replies)
    }

    /// A command that changes something.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub async fn execute(&self, command: Command) -> Result<Execution, Error> {
        let decision = self.grant.decide(&self.table, &command);
        let decision = decision.map_err(|refusal| self.refuse(&command, &refusal))?;
        if decision.reads {
            return Err(only_reads(&decision.name));
        }
        let effect = Effect { request: self.request.clone(), operation: decision.operation, object: decision.object };
        let Verdict::Apply(number) = self.context.effect_on(effect, 1)? else { return Ok(Execution::Planned) };
        let result = async {
            let call = self.context.begin(&self.request, &decision.redacted, &decision.rule)?;
            let result = self.one(&command, &decision.name, false).await;
            call.settle(result, |(reply, bytes)| (reply.len() as u64, *bytes))
        }
        .await;
        match result {
            Ok((reply, bytes)) => {
                self.context.outcome(number, &Ok(Some(1)));
                self.context.take(reply.len() as u64, bytes)?;
                Ok(Execution::Applied(reply))
            }
            Err(error) => Err(self.failed(&[number], error)),
        }
    }

    /// Many commands that change something, in one round trip.
    ///
    /// In the plan they are one effect for each operation and granted key pattern, with their number as its rows: a
    /// million keys are no million lines, and it is the pattern that the operator granted.
    ///
    /// # Errors
    /// As [`Session::query`]; one command or effect that is refused refuses all, before any is sent.
    pub async fn execute_many(&self, commands: Vec<Command>) -> Result<Executions, Error> {
        if commands.is_empty() {
            return Ok(if self.context.checks() { Executions::Planned } else { Executions::Applied(vec![]) });
        }
        let mut groups: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
        let mut reading = None;
        let batch = self.batch(&commands, false, |ruling, place, reads| {
            if reads {
                reading.get_or_insert_with(|| ruling.name().to_owned());
            }
            groups.entry(ruling.summary(&commands[place])).or_default().push(place);
        })?;
        if let Some(name) = reading {
            return Err(only_reads(&name));
        }
        let mut numbers = vec![];
        for ((operation, object), places) in &groups {
            let effect = Effect { request: self.request.clone(), operation: operation.clone(), object: object.clone() };
            match self.context.effect_on(effect, places.len() as u64) {
                Ok(Verdict::Plan) => {}
                Ok(Verdict::Apply(number)) => numbers.push(number),
                Err(error) => return Err(self.failed(&numbers, error)),
            }
        }
        if numbers.is_empty() {
            return Ok(Executions::Planned);
        }
        let result = async {
            let call = self.context.begin(&self.request, &batch.operation(), &batch.rule())?;
            let result = self.many(&batch, commands.len(), false).await;
            call.settle(result, |replies| (replies.replies.len() as u64, replies.bytes))
        }
        .await;
        let Replies { replies, bytes } = match result {
            Ok(replies) => replies,
            Err(error) => return Err(self.failed(&numbers, error)),
        };
        for (number, places) in numbers.into_iter().zip(groups.values()) {
            let first = places.iter().find_map(|place| match replies[*place].as_slice() {
                [Node::Failure(text)] => Some(text.as_str()),
                _ => None,
            });
            let done = places.iter().filter(|place| !matches!(replies[**place].as_slice(), [Node::Failure(_)])).count();
            let outcome = match first {
                Some(text) if done == 0 => Err(self.pool.server().reply(text, "")),
                _ => Ok(Some(done as u64)),
            };
            self.context.outcome(number, &outcome);
        }
        self.context.take(replies.len() as u64, bytes)?;
        Ok(Executions::Applied(replies))
    }

    /// Asks the policy about each command and writes them all. A ruling is made anew only where the name changes.
    fn batch(
        &self,
        commands: &[Command],
        reading: bool,
        mut with: impl FnMut(&Ruling<'_>, usize, bool),
    ) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        let mut current: Option<Current<'_>> = None;
        let count = |batch: &mut Batch, current: &Option<Current<'_>>| {
            if let Some((ruling, count, _)) = current {
                *batch.names.entry(ruling.name().into()).or_default() += count;
                if batch.rules.len() < MOST_NAMED && !batch.rules.iter().any(|rule| rule == ruling.rule()) {
                    batch.rules.push(ruling.rule().into());
                }
            }
        };
        for (place, command) in commands.iter().enumerate() {
            if !current.as_ref().is_some_and(|(ruling, _, _)| ruling.is_about(command)) {
                count(&mut batch, &current);
                let ruling = self.grant.ruling(&self.table, command);
                let ruling = ruling.map_err(|refusal| self.refuse(command, &refusal))?;
                let blanker = blank::blanker(ruling.name());
                current = Some((ruling, 0, blanker));
            }
            let Some((ruling, number, blanker)) = &mut current else { continue };
            let reads = ruling.admit(command).and_then(|reads| match reading && !reads {
                true => Err(RedisRefusal::NotAQuery(ruling.name().into())),
                false => Ok(reads),
            });
            let reads = reads.map_err(|refusal| self.refuse(command, &refusal))?;
            *number += 1;
            if let Some(blanker) = *blanker {
                batch.blanked.push((place, blanker));
            }
            resp::encode(&mut batch.out, command);
            with(ruling, place, reads);
        }
        count(&mut batch, &current);
        Ok(batch)
    }

    async fn one(&self, command: &Command, name: &str, reads: bool) -> Result<(Reply, u64), Error> {
        let mut out = vec![];
        resp::encode(&mut out, command);
        let mut replies = self.exchange(&out, 1, reads).await?;
        let reply = replies.replies.pop().unwrap_or_default();
        let mut reply = self.pool.server().checked(reply, name)?;
        if let Some(blanker) = blank::blanker(name) {
            blanker(&mut reply);
        }
        Ok((reply, replies.bytes))
    }

    async fn many(&self, batch: &Batch, count: usize, reads: bool) -> Result<Replies, Error> {
        let mut replies = self.exchange(&batch.out, count, reads).await?;
        for (place, blanker) in &batch.blanked {
            blanker(&mut replies.replies[*place]);
        }
        for reply in &mut replies.replies {
            self.pool.server().cleaned(reply);
        }
        Ok(replies)
    }

    pub(crate) async fn exchange(&self, out: &[u8], count: usize, reads: bool) -> Result<Replies, Error> {
        match self.pool.exchange(out, count, reads).await {
            // The run is told, as for every limit.
            Err(Error::Limit(limit)) => Err(self.context.over(&limit)),
            other => other,
        }
    }

    /// Records a refusal. Of the command only its name is shown: what is refused was not understood whole.
    pub(crate) fn refuse(&self, command: &[Vec<u8>], refusal: &RedisRefusal) -> Error {
        let operation = match self.grant.ruling(&self.table, command) {
            Ok(ruling) => ruling.redacted(command),
            Err(_) => command.first().map(|name| escaped(name, 64).to_lowercase()).unwrap_or_default(),
        };
        match self.context.deny(&self.request, &operation, &refusal.rule()) {
            Error::Denied(_) if refusal.is_malformed() => Error::Invalid(refusal.to_string()),
            other => other,
        }
    }

    fn failed(&self, numbers: &[usize], error: Error) -> Error {
        let outcome = Err(error);
        for number in numbers {
            self.context.outcome(*number, &outcome);
        }
        match outcome {
            Err(error) => error,
            Ok(_) => Error::Stopped,
        }
    }
}

fn only_reads(name: &str) -> Error {
    Error::Invalid(format!("{} only reads; ask for it by query", name.replace('|', " ")))
}
