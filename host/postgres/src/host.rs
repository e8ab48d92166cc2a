//! The generated traits: they look a handle up, call what does the work, and turn rows into streams.

use std::sync::Arc;

use hostler_capability::{Error, Table, completion};
use hostler_world::postgres::{self, Batch, Execution, Isolation, Options, Parameter, Returning, Rows, ServerInfo};
use wasmtime::{
    AsContextMut, Result,
    component::{Accessor, FutureReader, HasData, Resource, StreamReader},
};

use crate::{
    database::Database,
    rows::RowBatches,
    run::Run,
    stream::{Batches, Bytes},
    transaction::{Returned, Transaction},
};

/// A run's part, kept in its store.
pub struct PostgresRun {
    run: Arc<Run>,
    databases: Table<postgres::Database, Arc<Database>>,
    transactions: Table<postgres::Transaction, Arc<Transaction>>,
}

impl PostgresRun {
    pub(crate) fn new(run: Run) -> Self {
        let most = run.context().limits.handles;
        Self { run: Arc::new(run), databases: Table::new(most), transactions: Table::new(most) }
    }
}

/// Tells the linker where a run's part is.
pub struct Postgres;

impl HasData for Postgres {
    type Data<'a> = &'a mut PostgresRun;
}

/// Rows for the plugin. `what` names the call where the plugin does not look how it ended.
fn rows<D: 'static>(mut store: impl AsContextMut<Data = D>, run: &Run, rows: RowBatches) -> Result<Rows> {
    let columns = rows.columns.clone();
    let (completion, completed) = completion(run.context(), "a query's rows");
    Ok(Rows {
        columns,
        batches: StreamReader::<Batch>::new(&mut store, Batches { rows, completion })?,
        completed: FutureReader::new(&mut store, completed)?,
    })
}

impl postgres::Host for &mut PostgresRun {
    fn targets(&mut self, request: String) -> Result<Vec<String>> {
        Ok(self.run.targets(&request))
    }
}

impl postgres::HostDatabase for &mut PostgresRun {
    fn info(&mut self, database: Resource<postgres::Database>) -> Result<ServerInfo> {
        Ok(self.databases.get(&database)?.info())
    }

    fn drop(&mut self, database: Resource<postgres::Database>) -> Result<()> {
        self.databases.remove(&database).map(drop)
    }
}

impl postgres::HostTransaction for &mut PostgresRun {
    fn drop(&mut self, transaction: Resource<postgres::Transaction>) -> Result<()> {
        self.transactions.remove(&transaction).map(drop)
    }
}

type Found<T> = Result<(Arc<Run>, Arc<T>)>;

fn database<U: 'static>(accessor: &Accessor<U, Postgres>, database: &Resource<postgres::Database>) -> Found<Database> {
    accessor.with(|mut access| {
        let part = access.get();
        Ok((part.run.clone(), part.databases.get(database)?.clone()))
    })
}

fn transaction<U: 'static>(
    accessor: &Accessor<U, Postgres>,
    transaction: &Resource<postgres::Transaction>,
) -> Found<Transaction> {
    accessor.with(|mut access| {
        let part = access.get();
        Ok((part.run.clone(), part.transactions.get(transaction)?.clone()))
    })
}

/// Takes a transaction out at its end. Another call of it that is still under way keeps it from ending.
fn ended<U: 'static>(
    accessor: &Accessor<U, Postgres>,
    transaction: &Resource<postgres::Transaction>,
) -> Result<std::result::Result<Transaction, Error>> {
    let taken = accessor.with(|mut access| access.get().transactions.remove(transaction))?;
    Ok(Arc::try_unwrap(taken)
        .map_err(|_| Error::Invalid("a call of the transaction is still under way: it is rolled back".into())))
}

impl<U: 'static> postgres::HostDatabaseWithStore<U> for Postgres {
    async fn open(
        accessor: &Accessor<U, Self>,
        request: String,
        target: Option<String>,
        database: Option<String>,
    ) -> Result<std::result::Result<Resource<postgres::Database>, Error>> {
        let run = accessor.with(|mut access| access.get().run.clone());
        let opened = run.open(&request, target.as_deref(), database.as_deref()).await;
        let over = |_| run.context().over("handles");
        Ok(opened.and_then(|opened| accessor.with(|mut access| access.get().databases.push(opened).map_err(over))))
    }

    async fn query(
        accessor: &Accessor<U, Self>,
        handle: Resource<postgres::Database>,
        sql: String,
        parameters: Vec<Parameter>,
        options: Options,
    ) -> Result<std::result::Result<Rows, Error>> {
        let (run, database) = database(accessor, &handle)?;
        match database.query(&sql, &parameters, &options).await {
            Ok(batches) => accessor.with(|access| rows(access, &run, batches)).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn execute(
        accessor: &Accessor<U, Self>,
        handle: Resource<postgres::Database>,
        sql: String,
        parameters: Vec<Parameter>,
        options: Options,
    ) -> Result<std::result::Result<Execution, Error>> {
        let (_, database) = database(accessor, &handle)?;
        Ok(database.execute(&sql, &parameters, &options).await)
    }

    async fn copy_out(
        accessor: &Accessor<U, Self>,
        handle: Resource<postgres::Database>,
        query: String,
    ) -> Result<std::result::Result<(StreamReader<u8>, FutureReader<std::result::Result<u64, Error>>), Error>> {
        let (run, database) = database(accessor, &handle)?;
        match database.copy_out(&query).await {
            Ok(copied) => accessor.with(|mut access| {
                let (completion, completed) = completion(run.context(), "a query's copy");
                let bytes = StreamReader::new(&mut access, Bytes { copied, completion })?;
                Ok(Ok((bytes, FutureReader::new(&mut access, completed)?)))
            }),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn begin(
        accessor: &Accessor<U, Self>,
        handle: Resource<postgres::Database>,
        isolation: Isolation,
        options: Options,
    ) -> Result<std::result::Result<Resource<postgres::Transaction>, Error>> {
        let (run, database) = database(accessor, &handle)?;
        let begun = database.begin(isolation, &options).await;
        let kept = |begun| accessor.with(|mut access| access.get().transactions.push(Arc::new(begun)));
        Ok(begun.and_then(|begun| kept(begun).map_err(|_| run.context().over("handles"))))
    }
}

impl<U: 'static> postgres::HostTransactionWithStore<U> for Postgres {
    async fn query(
        accessor: &Accessor<U, Self>,
        handle: Resource<postgres::Transaction>,
        sql: String,
        parameters: Vec<Parameter>,
        options: Options,
    ) -> Result<std::result::Result<Rows, Error>> {
        let (run, transaction) = transaction(accessor, &handle)?;
        match transaction.query(&sql, &parameters, &options).await {
            Ok(batches) => accessor.with(|access| rows(access, &run, batches)).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn execute(
        accessor: &Accessor<U, Self>,
        handle: Resource<postgres::Transaction>,
        sql: String,
        parameters: Vec<Parameter>,
        options: Options,
    ) -> Result<std::result::Result<Execution, Error>> {
        let (_, transaction) = transaction(accessor, &handle)?;
        Ok(transaction.execute(&sql, &parameters, &options).await)
    }

    async fn execute_returning(
        accessor: &Accessor<U, Self>,
        handle: Resource<postgres::Transaction>,
        sql: String,
        parameters: Vec<Parameter>,
        options: Options,
    ) -> Result<std::result::Result<Returning, Error>> {
        let (run, transaction) = transaction(accessor, &handle)?;
        match transaction.execute_returning(&sql, &parameters, &options).await {
            Ok(Returned::Planned) => Ok(Ok(Returning::Planned)),
            Ok(Returned::Applied(batches)) => {
                accessor.with(|access| rows(access, &run, *batches)).map(|rows| Ok(Returning::Applied(rows)))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn commit(
        accessor: &Accessor<U, Self>,
        handle: Resource<postgres::Transaction>,
    ) -> Result<std::result::Result<Execution, Error>> {
        match ended(accessor, &handle)? {
            Ok(transaction) => Ok(transaction.commit().await),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn rollback(
        accessor: &Accessor<U, Self>,
        handle: Resource<postgres::Transaction>,
    ) -> Result<std::result::Result<(), Error>> {
        match ended(accessor, &handle)? {
            Ok(transaction) => Ok(transaction.rollback().await),
            Err(error) => Ok(Err(error)),
        }
    }
}
