//! Several statements that stand or fall together.
//!
//! Within one every `query` is read-only too: it runs behind a savepoint after which the transaction is set read-only,
//! and rolling back to the savepoint is the only thing that lifts that, which the host does and the plugin cannot. So
//! a query that fails does not spoil the transaction either. A change that fails does, as the server has it.

use std::{sync::Arc, time::Instant};

use futures::future::join;
use hostler_capability::{Error, Verdict, failed};
use hostler_policy::sql::ChangeStatement;
use hostler_world::postgres::{Completion, Execution, Isolation, Options, Parameter};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{
    change::{rule, send, tag},
    database::Database,
    describe::{Around, Descriptions},
    errors::{is_lost, milliseconds},
    held::{State, UnderWay, restore, roll_back, spoiled},
    holder::Holder,
    read::{Bracket, Problem, start},
    rows::RowBatches,
    terms::{CHANGING, GRACE, READING, Terms},
};

/// What allows a transaction itself.
const RULE: &str = "each of its statements is granted by itself";

const CLOSE: &str = "ROLLBACK TO SAVEPOINT hostler; RELEASE SAVEPOINT hostler";

/// An open transaction.
pub struct Transaction {
    database: Arc<Database>,
    state: Arc<Mutex<State>>,
    planned: bool,
}

/// What returned rows of a changing statement are.
pub enum Returned {
    /// In check mode.
    Planned,
    /// Rows.
    Applied(Box<RowBatches>),
}

impl Database {
    /// Opens a transaction. In check mode the server holds all of it read-only, and on a standby it is nothing else.
    ///
    /// # Errors
    /// Those of the contract.
    pub async fn begin(self: &Arc<Self>, isolation: Isolation, options: &Options) -> Result<Transaction, Error> {
        let terms = self.terms(options, READING)?;
        let level = match isolation {
            Isolation::ReadCommitted => "READ COMMITTED",
            Isolation::RepeatableRead => "REPEATABLE READ",
            Isolation::Serializable => "SERIALIZABLE",
        };
        let planned = self.context.checks();
        let access = if planned || self.info.in_recovery { "READ ONLY" } else { "READ WRITE" };
        let call = self.context.begin(&self.label, &format!("BEGIN ISOLATION LEVEL {level} {access}"), RULE)?;
        let text = format!("BEGIN ISOLATION LEVEL {level} {access}{}", terms.assignments("SET LOCAL"));
        let opened = async {
            let mut lease = self.lease(terms.limit).await?;
            let began = Instant::now();
            loop {
                let client = lease.work().client.clone();
                match tokio::time::timeout(terms.patience(), client.batch_execute(&text)).await {
                    Ok(Ok(())) => return Ok(lease),
                    Ok(Err(error)) if is_lost(&error) && !lease.fresh => lease.replace(&self.tag).await?,
                    Ok(Err(error)) => {
                        return Err(lease.session().names.statement(&error, began.elapsed(), terms.limit));
                    }
                    Err(_) => return Err(Error::TimedOut(milliseconds(terms.limit))),
                }
            }
        };
        let lease = call.settle(opened.await, |_| (0, 0))?;
        let state = State {
            context: self.context.clone(),
            lease: Some(lease),
            effects: Vec::new(),
            rows: 0,
            spoiled: false,
            settings: terms.settings,
        };
        Ok(Transaction { database: self.clone(), state: Arc::new(Mutex::new(state)), planned })
    }
}

impl Transaction {
    /// Its turn, once the statement before has ended and its rows are read or dropped.
    async fn turn(&self, terms: &Terms) -> Result<OwnedMutexGuard<State>, Error> {
        let turn = tokio::time::timeout(terms.limit, self.state.clone().lock_owned());
        let state = turn.await.map_err(|_| Error::TimedOut(milliseconds(terms.limit)))?;
        if state.spoiled { Err(spoiled()) } else { Ok(state) }
    }

    /// One reading statement.
    ///
    /// # Errors
    /// Those of the contract.
    pub async fn query(&self, sql: &str, parameters: &[Parameter], options: &Options) -> Result<RowBatches, Error> {
        let database = &self.database;
        let statement = database.granted.query(sql).map_err(|refusal| database.deny(&refusal))?;
        let terms = database.terms(options, READING)?;
        let call = database.context.begin(&database.label, &statement.redacted, "query reads")?;
        let bracket = Bracket {
            open: format!("SAVEPOINT hostler; SET LOCAL transaction_read_only = on{}", terms.assignments("SET LOCAL")),
            close: CLOSE.into(),
            awaited: true,
        };
        let read = async {
            let mut state = self.turn(&terms).await?;
            let began = Instant::now();
            // Its own changes may have altered what is described.
            let own = Descriptions::default();
            let known = if self.planned { &database.endpoint.described } else { &own };
            let sent = (statement.text.as_str(), Around::from(statement.kind));
            let under_way = UnderWay::of(&mut state);
            let work = start(state.lease().session(), &bracket, known, sent, parameters);
            let done = tokio::time::timeout(terms.patience(), work).await;
            if done.is_ok() {
                under_way.over();
            }
            match done {
                Ok(Ok(started)) => {
                    state.spoiled = false;
                    Ok(RowBatches::new(started, Holder::Transaction(state, None), &database.context, &terms, began))
                }
                Ok(Err(refused)) => {
                    state.spoiled = !refused.clean;
                    Err(refused.into_error(state.lease(), began, terms.limit))
                }
                Err(_) => Err(Error::TimedOut(milliseconds(terms.limit))),
            }
        };
        match read.await {
            Ok(rows) => Ok(rows.of(call)),
            Err(error) => Err(call.fail(error)),
        }
    }

    /// What all changes begin with. `None` where it is planned.
    fn ask(&self, sql: &str, options: &Options) -> Result<(Arc<ChangeStatement>, Terms, Option<usize>), Error> {
        let database = &self.database;
        let change = database.granted.execute(sql).map_err(|refusal| database.deny(&refusal))?;
        if !change.transactional {
            return Err(Error::Invalid(format!(
                "{} cannot stand in a transaction: call execute on the database",
                change.words
            )));
        }
        let terms = database.terms(options, CHANGING)?;
        match database.context.effect(database.effect(&change))? {
            Verdict::Plan => Ok((change, terms, None)),
            Verdict::Apply(number) => Ok((change, terms, Some(number))),
        }
    }

    /// One changing statement.
    ///
    /// # Errors
    /// Those of the contract.
    pub async fn execute(&self, sql: &str, parameters: &[Parameter], options: &Options) -> Result<Execution, Error> {
        let (change, terms, number) = self.ask(sql, options)?;
        let Some(number) = number else { return Ok(Execution::Planned) };
        let context = &self.database.context;
        let result = async {
            let call = context.begin(&self.database.label, &change.redacted, &rule(&change))?;
            call.settle(self.apply(&change, parameters, &terms, number).await, |done| (done.row_count, 0))
        };
        let result = result.await;
        if let Err(error) = &result {
            context.outcome(number, &Err(error.clone()));
        }
        result.map(Execution::Applied)
    }

    async fn apply(
        &self,
        change: &ChangeStatement,
        parameters: &[Parameter],
        terms: &Terms,
        number: usize,
    ) -> Result<Completion, Error> {
        let mut state = self.turn(terms).await?;
        let restore = restore(terms, &state.settings);
        let under_way = UnderWay::of(&mut state);
        let session = state.lease().session();
        session.listen();
        let began = Instant::now();
        let settings = terms.assignments("SET LOCAL");
        let work = async {
            let client = &session.client;
            let (set, sent) =
                join(client.batch_execute(settings.trim_start_matches("; ")), send(client, &change.text, parameters))
                    .await;
            set.map_err(Problem::Server)?;
            if !matches!(sent, Err(Problem::Server(_))) {
                client.batch_execute(&restore).await.map_err(Problem::Server)?;
            }
            sent
        };
        let done = tokio::time::timeout(terms.patience(), work).await;
        if done.is_ok() {
            under_way.over();
        }
        let ran = began.elapsed();
        let notices = session.heard();
        let error = match done {
            Ok(Ok(rows)) => {
                state.spoiled = false;
                state.changed(number, rows, None, true);
                let command_tag = tag(&change.words, &change.text, rows);
                return Ok(Completion { command_tag, row_count: rows, notices });
            }
            Ok(Err(Problem::Server(error))) => session.names.statement(&error, ran, terms.limit),
            Ok(Err(Problem::Invalid(problem))) => Error::Invalid(problem),
            Err(_) => Error::TimedOut(milliseconds(terms.limit)),
        };
        // Parameters that do not fit were never sent.
        state.spoiled = !matches!(error, Error::Invalid(_));
        Err(error)
    }

    /// A changing statement with RETURNING.
    ///
    /// # Errors
    /// Those of the contract.
    pub async fn execute_returning(
        &self,
        sql: &str,
        parameters: &[Parameter],
        options: &Options,
    ) -> Result<Returned, Error> {
        let database = &self.database;
        if let Ok(change) = database.granted.execute(sql)
            && !change.returning
        {
            return Err(Error::Invalid(format!("{} returns no rows: add RETURNING, or call execute", change.words)));
        }
        let (change, terms, number) = self.ask(sql, options)?;
        let Some(number) = number else { return Ok(Returned::Planned) };
        let begun = database.context.begin(&database.label, &change.redacted, &rule(&change));
        let call = match begun {
            Ok(call) => call,
            Err(error) => {
                database.context.outcome(number, &Err(error.clone()));
                return Err(error);
            }
        };
        match self.returning(&change, parameters, &terms, number).await {
            Ok(rows) => Ok(Returned::Applied(Box::new(rows.of(call)))),
            Err(error) => {
                database.context.outcome(number, &Err(error.clone()));
                Err(call.fail(error))
            }
        }
    }

    async fn returning(
        &self,
        change: &ChangeStatement,
        parameters: &[Parameter],
        terms: &Terms,
        number: usize,
    ) -> Result<RowBatches, Error> {
        let mut state = self.turn(terms).await?;
        let bracket = Bracket {
            open: terms.assignments("SET LOCAL").trim_start_matches("; ").into(),
            close: restore(terms, &state.settings),
            awaited: true,
        };
        let under_way = UnderWay::of(&mut state);
        let began = Instant::now();
        let own = Descriptions::default();
        let work = start(state.lease().session(), &bracket, &own, (&change.text, Around::With), parameters);
        let done = tokio::time::timeout(terms.patience(), work).await;
        if done.is_ok() {
            under_way.over();
        }
        match done {
            Ok(Ok(started)) => {
                state.spoiled = false;
                let holder = Holder::Transaction(state, Some(number));
                Ok(RowBatches::new(started, holder, &self.database.context, terms, began))
            }
            Ok(Err(refused)) => {
                state.spoiled = !(refused.clean && matches!(refused.problem, Problem::Invalid(_)));
                Err(refused.into_error(state.lease(), began, terms.limit))
            }
            Err(_) => Err(Error::TimedOut(milliseconds(terms.limit))),
        }
    }

    /// Makes all of it hold.
    ///
    /// # Errors
    /// Those of the contract; then nothing of it holds, unless the error says that this is unknown.
    pub async fn commit(self) -> Result<Execution, Error> {
        let database = &self.database;
        let call = database.context.begin(&database.label, "COMMIT", RULE)?;
        if self.planned {
            return call.settle(self.end("ROLLBACK").await.map(|_| Execution::Planned), |_| (0, 0));
        }
        // A transaction that failed takes COMMIT for ROLLBACK, and says so where the library does not look: the
        // statement before it fails in such a one.
        let end = format!("SET LOCAL statement_timeout = {}; COMMIT", READING.as_millis());
        let done = self.end(&end).await.map(Execution::Applied);
        database.endpoint.described.clear();
        call.settle(done, |_| (0, 0))
    }

    /// Undoes all of it.
    ///
    /// # Errors
    /// Those of the contract.
    pub async fn rollback(self) -> Result<(), Error> {
        let database = &self.database;
        let call = database.context.begin(&database.label, "ROLLBACK", RULE)?;
        call.settle(self.end("ROLLBACK").await.map(|_| ()), |()| (0, 0))
    }

    async fn end(&self, text: &str) -> Result<Completion, Error> {
        let commits = text != "ROLLBACK";
        let turn = tokio::time::timeout(READING, self.state.clone().lock_owned());
        let mut state = turn.await.map_err(|_| Error::TimedOut(milliseconds(READING)))?;
        if commits && state.spoiled {
            return Err(spoiled());
        }
        let Some(mut lease) = state.lease.take() else { return Err(spoiled()) };
        let session = lease.session();
        session.listen();
        let began = Instant::now();
        let done = tokio::time::timeout(READING + GRACE, session.client.batch_execute(text)).await;
        let notices = session.heard();
        let (error, known) = match done {
            Ok(Ok(())) => {
                let row_count = state.rows;
                if commits {
                    state.effects.clear();
                } else {
                    state.take_back(&failed("40000", "the transaction was rolled back"));
                }
                lease.rest();
                return Ok(Completion { command_tag: "COMMIT".into(), row_count, notices });
            }
            Ok(Err(error)) => {
                (session.names.statement(&error, began.elapsed(), READING), error.as_db_error().is_some())
            }
            Err(_) => (Error::TimedOut(milliseconds(READING)), false),
        };
        let error = if commits && !known {
            failed("08007", format!("{} was lost during COMMIT: whether it holds is unknown", session.names.resource))
        } else {
            error
        };
        state.take_back(&error);
        if known {
            // The server said no, so the session is in a transaction that failed, or in none.
            let (background, runtime) = (lease.endpoint.background.clone(), session.runtime.clone());
            background.spawn(&runtime, roll_back(lease));
        }
        Err(error)
    }
}
