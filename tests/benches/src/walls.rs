//! What the walls cost: the policy's decision, the limits and the two lines of the audit around each call, beyond the
//! same statement in the same read-only bracket by tokio-postgres alone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures::{StreamExt, future::join, future::join3};
use hostler_capability::{Binding, Grant, Resource, RunContext, Target};
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
/// As tasks have them: two relations, a condition, an order.
const SEEN: &str = "SELECT c.relname::text, s.n_dead_tup FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_stat_user_tables s ON s.relid = c.oid WHERE s.n_dead_tup > 50 ORDER BY s.n_dead_tup DESC LIMIT 10";

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
    let run = Run::new(&capability, &[binding], &context)?;
    let (seen, first) = runtime.block_on(async {
        let database = run.open("database", None, None).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let (client, connection) = tokio_postgres::connect(&server.superuser(), NoTls).await?;
        tokio::spawn(connection);
        anyhow::Ok((taken_again(&database, &client).await?, taken_first(&database, &client).await?))
    })?;
    let lines = audited(&context)?;
    runtime.block_on(capability.settle(Duration::from_secs(5)));
    let beyond = |(hosted, alone): (Duration, Duration)| hosted.saturating_sub(alone).as_secs_f64() * 1e6;
    let beside = |(hosted, alone): (Duration, Duration)| {
        format!("tokio-postgres {}, and {} with the walls", shown(alone), shown(hosted))
    };
    Ok(vec![
        Line::figure("the walls around a statement seen before", beside(seen), beyond(seen), "µs", Goal::AtMost(20.0)),
        Line::figure(
            "the walls around a statement's first parse",
            beside(first),
            beyond(first),
            "µs",
            Goal::AtMost(300.0),
        ),
        Line::figure(
            "limits and two lines of audit alone",
            "nothing".into(),
            lines.as_secs_f64() * 1e6,
            "µs",
            Goal::Told,
        ),
    ])
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
        let (opened, rows, closed) = join3(
            client.batch_execute("BEGIN READ ONLY"),
            async {
                let rows = client.query_typed_raw(SEEN, Vec::<(i32, _)>::new()).await?;
                rows.count_all().await
            },
            client.batch_execute("COMMIT"),
        )
        .await;
        (opened?, rows?, closed?);
        if call >= CALLS / 10 {
            hosted.push(with);
            alone.push(began.elapsed());
        }
    }
    Ok((median(hosted), median(alone)))
}

/// The medians of statements that are each sent once, by turns.
async fn taken_first(database: &Database, client: &Client) -> anyhow::Result<(Duration, Duration)> {
    let (mut hosted, mut alone) = (Vec::new(), Vec::new());
    for call in 0..FIRST {
        let began = Instant::now();
        query(database, &SEEN.replace("50", &format!("{call}"))).await?;
        let with = began.elapsed();
        let sql = SEEN.replace("50", &format!("{}", FIRST + call));
        let began = Instant::now();
        let (opened, prepared) = join(client.batch_execute("BEGIN READ ONLY"), client.prepare(&sql)).await;
        opened?;
        let prepared = prepared?;
        let none: [i32; 0] = [];
        let (rows, closed) =
            join(async { client.query_raw(&prepared, none).await?.count_all().await }, client.batch_execute("COMMIT"))
                .await;
        (rows?, closed?);
        if call >= FIRST / 10 {
            hosted.push(with);
            alone.push(began.elapsed());
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
