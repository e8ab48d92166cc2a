//! What the walls cost: the policy's decision, the limits and the two lines of the audit around each call, beyond the
//! same call by the same host whose audit is nowhere; and the whole host around a statement, beyond the same statement in
//! the same read-only bracket by tokio-postgres alone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures::{StreamExt, future::join};
use hostler_capability::{AuditEntry, AuditLog, Binding, Grant, Resource, RunContext, Target};
use hostler_configuration::PostgresResource;
use hostler_policy::sql::PostgresGrant;
use hostler_postgres::{Database, PostgresCapability, Run};
use hostler_tests::Postgres;
use hostler_world::postgres::Options;
use tokio_postgres::{Client, NoTls};

use crate::{
    empty::Recorded,
    measure::shown,
    table::{Goal, Line},
};

const CALLS: usize = 4000;
const FIRST: usize = 1000;
/// Cheap on the server, so that what is around it shows.
const SEEN: &str = "SELECT c.relname::text, c.reltuples FROM pg_catalog.pg_class c WHERE c.oid = 1259";

pub(crate) fn compare() -> anyhow::Result<Vec<Line>> {
    let server = Postgres::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let record = Recorded::new()?;
    let context = record.context();
    let capability = PostgresCapability::default();
    let resource = PostgresResource { dsn: server.superuser(), ..PostgresResource::default() };
    let binding = Binding {
        request: "database".into(),
        many: false,
        targets: vec![Target { name: "main".into(), resource: Resource::Postgres(resource) }],
        grant: Grant::Postgres(PostgresGrant { connections: 1, ..PostgresGrant::default() }),
    };
    let run = Run::new(&capability, std::slice::from_ref(&binding), &context)?;
    let unaudited = Run::new(&capability, &[binding], &record.context_with(Arc::new(Nowhere)))?;
    let (walls, seen, first) = runtime.block_on(async {
        let opened =
            async |run: &Run| run.open("database", None, None).await.map_err(|error| anyhow::anyhow!("{error:?}"));
        let (database, bare) = (opened(&run).await?, opened(&unaudited).await?);
        let (client, connection) = tokio_postgres::connect(&server.superuser(), NoTls).await?;
        tokio::spawn(connection);
        let walls = taken_without(&database, &bare).await?;
        anyhow::Ok((walls, taken_again(&database, &client).await?, taken_first(&database, &client).await?))
    })?;
    let lines = audited(&context)?;
    runtime.block_on(capability.settle(Duration::from_secs(5)));
    let beyond = |(hosted, alone): (Duration, Duration)| (hosted.as_secs_f64() - alone.as_secs_f64()) * 1e6;
    let beside = |what: &str, (hosted, alone): (Duration, Duration)| {
        format!("{what} {}, and {} by the host", shown(alone), shown(hosted))
    };
    let figure =
        |what: &str, other: &str, taken, goal| Line::figure(what, beside(other, taken), beyond(taken), "µs", goal);
    Ok(vec![
        figure("policy and audit of a statement seen before", "without audit", walls, Goal::AtMost(20.0)),
        Line::figure("of that, limits and two lines", "nothing".into(), lines.as_secs_f64() * 1e6, "µs", Goal::Told),
        figure("the host around a statement seen before", "tokio-postgres", seen, Goal::Told),
        figure("the host around a statement's first parse", "tokio-postgres", first, Goal::AtMost(300.0)),
    ])
}

/// An audit that keeps nothing.
struct Nowhere;

impl AuditLog for Nowhere {
    fn append(&self, _: &AuditEntry<'_>) -> std::io::Result<()> {
        Ok(())
    }
}

/// The medians of one statement with an audit and with none, by turns. What was decided is remembered in both.
async fn taken_without(database: &Database, bare: &Database) -> anyhow::Result<(Duration, Duration)> {
    let (mut hosted, mut alone) = (Vec::new(), Vec::new());
    for call in 0..CALLS {
        let began = Instant::now();
        query(database, SEEN).await?;
        let with = began.elapsed();
        let began = Instant::now();
        query(bare, SEEN).await?;
        if call >= CALLS / 10 {
            hosted.push(with);
            alone.push(began.elapsed());
        }
    }
    Ok((median(hosted), median(alone)))
}

fn median(mut taken: Vec<Duration>) -> Duration {
    taken.sort();
    taken[taken.len() / 2]
}

/// The medians of one statement, by turns.
async fn taken_again(database: &Database, client: &Client) -> anyhow::Result<(Duration, Duration)> {
    let (mut hosted, mut alone) = (Vec::new(), Vec::new());
    for call in 0..CALLS {
        let began = Instant::now();
        query(database, SEEN).await?;
        let with = began.elapsed();
        let began = Instant::now();
        // All of it is sent at once, and as in the host nobody waits for the closing.
        let rows = async { client.query_typed_raw(SEEN, Vec::<(i32, _)>::new()).await?.count_all().await };
        let mut asked = Box::pin(join(client.batch_execute("BEGIN READ ONLY"), rows));
        let sent = futures::poll!(asked.as_mut());
        let mut closing = Box::pin(client.batch_execute("COMMIT"));
        let _ = futures::poll!(closing.as_mut());
        let (opened, rows) = match sent {
            std::task::Poll::Ready(both) => both,
            std::task::Poll::Pending => asked.await,
        };
        opened?;
        rows?;
        let without = began.elapsed();
        closing.await?;
        if call >= CALLS / 10 {
            hosted.push(with);
            alone.push(without);
        }
    }
    Ok((median(hosted), median(alone)))
}

/// The medians of statements that are each sent once, by turns.
async fn taken_first(database: &Database, client: &Client) -> anyhow::Result<(Duration, Duration)> {
    let (mut hosted, mut alone) = (Vec::new(), Vec::new());
    for call in 0..FIRST {
        let began = Instant::now();
        query(database, &SEEN.replace("1259", &format!("{}", 20_000 + call))).await?;
        let with = began.elapsed();
        let sql = SEEN.replace("1259", &format!("{}", 40_000 + call));
        let began = Instant::now();
        let (opened, prepared) = join(client.batch_execute("BEGIN READ ONLY"), client.prepare(&sql)).await;
        opened?;
        let prepared = prepared?;
        let none: [i32; 0] = [];
        client.query_raw(&prepared, none).await?.count_all().await?;
        let without = began.elapsed();
        client.batch_execute("COMMIT").await?;
        if call >= FIRST / 10 {
            hosted.push(with);
            alone.push(without);
        }
    }
    Ok((median(hosted), median(alone)))
}

async fn query(database: &Database, sql: &str) -> anyhow::Result<()> {
    let options = Options { settings: vec![], timeout_ms: None };
    let rows = database.query(sql, &[], &options).await;
    let mut rows = rows.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    while let Some(batch) = rows.next().await {
        batch.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    }
    Ok(())
}

/// How many rows there are.
trait CountAll {
    async fn count_all(self) -> Result<usize, tokio_postgres::Error>;
}

impl CountAll for tokio_postgres::RowStream {
    async fn count_all(self) -> Result<usize, tokio_postgres::Error> {
        let mut rows = std::pin::pin!(self);
        let mut count = 0;
        while let Some(row) = rows.next().await {
            row?;
            count += 1;
        }
        Ok(count)
    }
}

fn audited(context: &Arc<RunContext>) -> anyhow::Result<Duration> {
    let mut taken = Vec::new();
    for _ in 0..CALLS {
        let began = Instant::now();
        let call = context.begin("database", SEEN, "query reads").ok().context("a call")?;
        call.finish(1, 1);
        taken.push(began.elapsed());
    }
    Ok(median(taken))
}
