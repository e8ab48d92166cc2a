//! PostgreSQL: rows in a stream, changes that are planned or applied, transactions.

use std::rc::Rc;

use wit_bindgen::FutureReader;

use crate::bindings::base::hostler::plugin::types;
use crate::bindings::postgres::hostler::plugin::postgres as wit;
use crate::stream::Items;
use crate::{Batch, Finding, Row, Rows, Severity, TaskError};

pub use wit::{Completion, Isolation, Notice, Options, Parameter, ServerInfo};

/// The names of the databases bound to a request that takes many.
#[must_use]
pub fn targets(request: &str) -> Vec<String> {
    wit::targets(request)
}

/// A database. Not a connection: each call under way, result not read to its end and open transaction holds one of the
/// few that the grant allows.
#[derive(Debug)]
pub struct Database {
    name: String,
    database: wit::Database,
}

/// A change that was asked for.
#[derive(Debug, Clone)]
pub enum Execution {
    /// Written into the plan, and not done.
    Planned,
    /// Done.
    Applied(Completion),
}

impl Database {
    /// Opens a database bound to a request: one of its targets where it takes many, another database of the same
    /// server where the grant names it.
    ///
    /// # Errors
    /// Where it cannot be reached, or is not bound.
    pub async fn open(request: &str, target: Option<&str>, database: Option<&str>) -> Result<Self, TaskError> {
        let opened =
            wit::Database::open(request.into(), target.map(str::to_owned), database.map(str::to_owned)).await?;
        let name = target.map_or_else(|| opened.info().database, str::to_owned);
        Ok(Self { name, database: opened })
    }

    /// What findings about it call it: the target, or the database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server's version and identity.
    #[must_use]
    pub fn info(&self) -> ServerInfo {
        self.database.info()
    }

    /// One reading statement.
    ///
    /// # Errors
    /// Where it is refused, or the server answers with an error.
    pub async fn query(&self, sql: &str, parameters: &[Parameter]) -> Result<RowStream, TaskError> {
        self.query_with(sql, parameters, options()).await
    }

    /// One reading statement with settings or a time limit of its own.
    ///
    /// # Errors
    /// Where it is refused, or the server answers with an error.
    pub async fn query_with(
        &self,
        sql: &str,
        parameters: &[Parameter],
        options: Options,
    ) -> Result<RowStream, TaskError> {
        Ok(RowStream::new(self.database.query(sql.into(), parameters.to_vec(), options).await?))
    }

    /// One changing statement.
    ///
    /// # Errors
    /// Where it is refused, or the server answers with an error.
    pub async fn execute(&self, sql: &str, parameters: &[Parameter]) -> Result<Execution, TaskError> {
        self.execute_with(sql, parameters, options()).await
    }

    /// One changing statement with settings or a time limit of its own.
    ///
    /// # Errors
    /// Where it is refused, or the server answers with an error.
    pub async fn execute_with(
        &self,
        sql: &str,
        parameters: &[Parameter],
        options: Options,
    ) -> Result<Execution, TaskError> {
        Ok(self.database.execute(sql.into(), parameters.to_vec(), options).await?.into())
    }

    /// Several statements that stand or fall together, on a snapshot that each statement takes anew.
    ///
    /// # Errors
    /// Where no connection is to be had.
    pub async fn begin(&self) -> Result<Transaction, TaskError> {
        self.begin_with(Isolation::ReadCommitted, options()).await
    }

    /// Several statements that stand or fall together, with settings or a time limit of their own.
    ///
    /// # Errors
    /// Where no connection is to be had.
    pub async fn begin_with(&self, isolation: Isolation, options: Options) -> Result<Transaction, TaskError> {
        Ok(Transaction { transaction: self.database.begin(isolation, options).await? })
    }
}

/// A transaction, rolled back when dropped without `commit`. In check mode the whole of it is planned.
#[derive(Debug)]
pub struct Transaction {
    transaction: wit::Transaction,
}

impl Transaction {
    /// One reading statement inside it.
    ///
    /// # Errors
    /// Where it is refused, or the server answers with an error.
    pub async fn query(&self, sql: &str, parameters: &[Parameter]) -> Result<RowStream, TaskError> {
        self.query_with(sql, parameters, options()).await
    }

    /// One reading statement inside it, with a time limit of its own.
    ///
    /// # Errors
    /// Where it is refused, or the server answers with an error.
    pub async fn query_with(
        &self,
        sql: &str,
        parameters: &[Parameter],
        options: Options,
    ) -> Result<RowStream, TaskError> {
        Ok(RowStream::new(self.transaction.query(sql.into(), parameters.to_vec(), options).await?))
    }

    /// One changing statement inside it.
    ///
    /// # Errors
    /// Where it is refused, or the server answers with an error.
    pub async fn execute(&self, sql: &str, parameters: &[Parameter]) -> Result<Execution, TaskError> {
        Ok(self.transaction.execute(sql.into(), parameters.to_vec(), options()).await?.into())
    }

    /// A changing statement with RETURNING; nothing where it was only planned.
    ///
    /// # Errors
    /// Where it is refused, or the server answers with an error.
    pub async fn execute_returning(&self, sql: &str, parameters: &[Parameter]) -> Result<Option<RowStream>, TaskError> {
        match self.transaction.execute_returning(sql.into(), parameters.to_vec(), options()).await? {
            wit::Returning::Planned => Ok(None),
            wit::Returning::Applied(rows) => Ok(Some(RowStream::new(rows))),
        }
    }

    /// Makes it stand.
    ///
    /// # Errors
    /// Where the server does not.
    pub async fn commit(self) -> Result<Execution, TaskError> {
        Ok(wit::Transaction::commit(self.transaction).await?.into())
    }

    /// Takes it back.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn rollback(self) -> Result<(), TaskError> {
        Ok(wit::Transaction::rollback(self.transaction).await?)
    }
}

/// A result as it comes. Holds a connection until it is read to its end or dropped.
pub struct RowStream {
    columns: Rc<[wit::Column]>,
    batches: Items<wit::Batch>,
    completed: Option<FutureReader<Result<(), types::Error>>>,
}

impl RowStream {
    fn new(rows: wit::Rows) -> Self {
        Self { columns: rows.columns.into(), batches: Items::new(rows.batches), completed: Some(rows.completed) }
    }

    /// The next rows; nothing at the end, where the result is known to be whole.
    ///
    /// # Errors
    /// Where the result broke off.
    pub async fn next(&mut self) -> Result<Option<Batch>, TaskError> {
        if let Some(batch) = self.batches.next().await {
            return Ok(Some(Batch::new(self.columns.clone(), batch)));
        }
        match self.completed.take() {
            Some(completed) => Ok(completed.await.map(|()| None)?),
            None => Ok(None),
        }
    }

    /// All rows.
    ///
    /// # Errors
    /// Where the result broke off.
    pub async fn rows(mut self) -> Result<Rows, TaskError> {
        let mut rows = Rows::default();
        while let Some(batch) = self.next().await? {
            rows.0.push(batch);
        }
        Ok(rows)
    }

    /// The only row.
    ///
    /// # Errors
    /// Where there are none, or several, or the result broke off.
    pub async fn one(self) -> Result<Row, TaskError> {
        self.rows().await?.one()
    }
}

impl From<wit::Execution> for Execution {
    fn from(execution: wit::Execution) -> Self {
        match execution {
            wit::Execution::Planned => Self::Planned,
            wit::Execution::Applied(completion) => Self::Applied(completion),
        }
    }
}

/// What could not be looked at because the role does not see other sessions: `role` quoted, as `quote_ident(current_user)`
/// gives it.
pub fn needs_monitor(role: &str, subject: &str, what: &str) -> Finding {
    Finding::new(
        Severity::Unknown,
        "privilege-missing",
        subject,
        format!("{what} cannot be seen: the role {role} is not in pg_monitor"),
    )
    .remedy(format!("GRANT pg_monitor TO {role};"))
}

/// No settings, and the host's time limit.
#[must_use]
pub fn options() -> Options {
    Options { settings: vec![], timeout_ms: None }
}

macro_rules! parameter {
    ($($kind:ty => $case:ident),*) => {$(
        impl From<$kind> for Parameter {
            fn from(value: $kind) -> Self {
                Self::$case(value.into())
            }
        }
    )*};
}

parameter!(bool => Boolean, i64 => Int64, f64 => Float64, &str => Text, String => Text);

impl From<&[i64]> for Parameter {
    fn from(values: &[i64]) -> Self {
        Self::Int64s(values.to_vec())
    }
}

impl From<&[String]> for Parameter {
    fn from(values: &[String]) -> Self {
        Self::Texts(values.iter().cloned().map(Some).collect())
    }
}
