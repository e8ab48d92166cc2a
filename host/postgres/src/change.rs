//! One changing statement, outside of a transaction.
//!
//! Every session is read-only by default. For a change that is lifted first, together with what the options set, and
//! the answer is waited for: a statement never goes out under settings that were not taken. Afterwards all of it is
//! reset; where that fails the session is given up.

use std::{fmt::Write as _, sync::Arc, time::Instant};

use futures::FutureExt;
use hostler_capability::{Effect, Error, Verdict};
use hostler_policy::sql::ChangeStatement;
use hostler_world::postgres::{Completion, Execution, Options, Parameter};
use tokio_postgres::Client;

use crate::{
    database::Database,
    errors::{is_lost, milliseconds},
    parameter::encode,
    pool::Lease,
    read::Problem,
    terms::{CHANGING, Terms},
};

impl Database {
    /// One changing statement that the grant names. In check mode it is planned.
    ///
    /// # Errors
    /// Those of the contract.
    pub async fn execute(&self, sql: &str, parameters: &[Parameter], options: &Options) -> Result<Execution, Error> {
        let change = self.granted.execute(sql).map_err(|refusal| self.deny(&refusal))?;
        let terms = self.terms(options, CHANGING)?;
        let number = match self.context.effect(self.effect(&change))? {
            Verdict::Plan => return Ok(Execution::Planned),
            Verdict::Apply(number) => number,
        };
        let result = self.apply(&change, parameters, &terms).await;
        self.context.outcome(number, &result.as_ref().map(|done| Some(done.row_count)).map_err(Clone::clone));
        result.map(Execution::Applied)
    }

    /// What the plan shows of a change.
    pub(crate) fn effect(&self, change: &ChangeStatement) -> Effect {
        let objects = change.objects.join(", ");
        Effect {
            request: self.label.clone(),
            operation: change.redacted.clone(),
            object: match &self.other {
                Some(database) => format!("{database}: {objects}"),
                None => objects,
            },
        }
    }

    async fn apply(
        &self,
        change: &Arc<ChangeStatement>,
        parameters: &[Parameter],
        terms: &Terms,
    ) -> Result<Completion, Error> {
        let call = self.context.begin(&self.label, &change.redacted, &rule(change))?;
        let done = async {
            let mut lease = self.lease(terms.limit).await?;
            match tokio::time::timeout(terms.patience(), self.send(&mut lease, change, parameters, terms)).await {
                Ok(done) => done,
                Err(_) => Err(Error::TimedOut(milliseconds(terms.limit))),
            }
        };
        call.settle(done.await, |done| (done.row_count, 0))
    }

    async fn send(
        &self,
        lease: &mut Lease,
        change: &ChangeStatement,
        parameters: &[Parameter],
        terms: &Terms,
    ) -> Result<Completion, Error> {
        let settings = format!("SET default_transaction_read_only = off{}", terms.assignments("SET"));
        let mut reset = String::from("RESET default_transaction_read_only; RESET statement_timeout");
        for (name, _) in &terms.settings {
            let _ = write!(reset, "; RESET {name}");
        }
        let began = Instant::now();
        while let Err(error) = lease.work().client.batch_execute(&settings).await {
            if !is_lost(&error) || lease.fresh {
                return Err(lease.session().names.statement(&error, began.elapsed(), terms.limit));
            }
            lease.replace(&self.tag).await?;
        }
        let session = lease.session();
        session.listen();
        let began = Instant::now();
        let sent = send(&session.client, &change.text, parameters).await;
        let ran = began.elapsed();
        let notices = session.heard();
        self.endpoint.described.clear();
        let reset = session.client.batch_execute(&reset).await;
        let result = match sent {
            Ok(rows) => {
                Ok(Completion { command_tag: tag(&change.words, &change.text, rows), row_count: rows, notices })
            }
            Err(Problem::Server(error)) => Err(unknown(session.names.statement(&error, ran, terms.limit))),
            Err(Problem::Invalid(problem)) => Err(Error::Invalid(problem)),
        };
        if reset.is_ok() {
            lease.rest();
        }
        result
    }
}

/// A connection that broke leaves open whether the change was made.
fn unknown(error: Error) -> Error {
    match error {
        Error::Unavailable(problem) => Error::Unavailable(format!("{problem}: whether the change was made is unknown")),
        other => other,
    }
}

/// Sends a statement, and returns how many rows it changed.
pub(crate) async fn send(client: &Arc<Client>, text: &str, parameters: &[Parameter]) -> Result<u64, Problem> {
    if parameters.is_empty() {
        return client.execute_typed(text, &[]).await.map_err(Problem::Server);
    }
    let prepared = client.prepare(text).await.map_err(Problem::Server)?;
    let encoded = encode(parameters, prepared.params()).map_err(Problem::Invalid)?;
    let encoded: Vec<_> = encoded.into_iter().map(|(encoded, _)| encoded).collect();
    client.execute_raw(&prepared, encoded).boxed().await.map_err(Problem::Server)
}

/// The rule that allowed a change, as the operator wrote it.
pub(crate) fn rule(change: &ChangeStatement) -> String {
    match (change.words.as_str(), change.objects.first()) {
        ("CALL", Some(function)) => format!("call = [\"{function}\"]"),
        (words, _) => format!("statements = [\"{words}\"]"),
    }
}

/// The command tag as the server gives it: the library keeps the number alone.
pub(crate) fn tag(words: &str, text: &str, rows: u64) -> String {
    let mut parts = words.split_whitespace();
    let first = parts.next().unwrap_or_default();
    let is_select = text.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("select"));
    match first {
        "CALL" if is_select => format!("SELECT {rows}"),
        "INSERT" => format!("INSERT 0 {rows}"),
        "UPDATE" | "DELETE" | "MERGE" => format!("{first} {rows}"),
        "TRUNCATE" => "TRUNCATE TABLE".into(),
        "REFRESH" => "REFRESH MATERIALIZED VIEW".into(),
        "ALTER" | "CREATE" | "DROP" | "COMMENT" => {
            let of = parts.find(|part| !["UNIQUE", "OR", "REPLACE", "CONCURRENTLY"].contains(part));
            let of = of.unwrap_or_default();
            let view = if of == "MATERIALIZED" { " VIEW" } else { "" };
            format!("{first} {of}{view}").trim_end().into()
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::tag;

    #[test]
    fn tags_as_the_server_gives_them() {
        for (words, text, wanted) in [
            ("VACUUM FULL", "VACUUM FULL a.b", "VACUUM"),
            ("REINDEX CONCURRENTLY", "REINDEX TABLE CONCURRENTLY a.b", "REINDEX"),
            ("INSERT", "INSERT …", "INSERT 0 3"),
            ("DELETE", "DELETE …", "DELETE 3"),
            ("ALTER TABLE DETACH PARTITION", "ALTER TABLE …", "ALTER TABLE"),
            ("ALTER EXTENSION UPDATE", "ALTER EXTENSION …", "ALTER EXTENSION"),
            ("CREATE UNIQUE INDEX CONCURRENTLY", "CREATE …", "CREATE INDEX"),
            ("REFRESH MATERIALIZED VIEW CONCURRENTLY", "REFRESH …", "REFRESH MATERIALIZED VIEW"),
            ("CALL", "SELECT a.f(1)", "SELECT 3"),
            ("CALL", "CALL a.f(1)", "CALL"),
        ] {
            assert_eq!(tag(words, text, 3), wanted);
        }
    }
}
