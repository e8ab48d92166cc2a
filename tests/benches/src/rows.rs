//! Reading a million rows of four columns, each value touched: in a plugin, and natively with tokio-postgres.

use std::{sync::Arc, time::Instant};

use futures::{TryStreamExt, pin_mut};
use hostler_tests::Postgres;
use tokio_postgres::{Client, NoTls};

use crate::{
    measure::{medians, ratio, shown},
    setting::Setting,
    table::{Goal, Line},
};

pub(crate) fn compare() -> anyhow::Result<Vec<Line>> {
    let server = Postgres::start();
    server.execute(
        "CREATE TABLE measured AS SELECT i::int8 AS id, i * 0.5::float8 AS price, 'the name of item ' || i AS name, \
         i % 3 = 0 AS sold FROM generate_series(1, 1000000) i; ANALYZE measured",
    );
    let setting = Setting::new(
        &format!(
            "[postgres.main]\ndsn = \"{}\"\n[tasks.rows]\nplugin = \"test-rows\"\nbind.database = \"postgres.main\"\n",
            server.superuser()
        ),
        &["test-rows"],
    )?;
    let job = setting.job("rows")?;
    let client = setting.runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&server.superuser(), NoTls).await?;
        tokio::spawn(connection);
        Ok::<_, tokio_postgres::Error>(Arc::new(client))
    })?;
    let alone = || {
        let client = client.clone();
        setting.on_a_worker(async move { native(&client).await })?
    };
    anyhow::ensure!(setting.run(&job)? == alone()?, "the sums differ");
    // Natively it is waited for on a worker, as a run is, and outside of the workers: the faster one counts.
    let [sandboxed, worker, outside] = medians(
        20,
        [
            &mut || {
                let started = Instant::now();
                setting.run(&job)?;
                Ok(started.elapsed())
            },
            &mut || {
                let started = Instant::now();
                alone()?;
                Ok(started.elapsed())
            },
            &mut || {
                let started = Instant::now();
                setting.runtime.block_on(native(&client))?;
                Ok(started.elapsed())
            },
        ],
    )?;
    let natively = worker.min(outside);
    let what = "a million rows of four columns, each value touched";
    let beside = format!("tokio-postgres {}", shown(natively));
    Ok(vec![Line::ratio(what, shown(sandboxed), beside, ratio(sandboxed, natively), Goal::AtMost(1.10))])
}

async fn native(client: &Client) -> anyhow::Result<String> {
    let none: [i64; 0] = [];
    let stream = client.query_raw("SELECT id, price, name, sold FROM public.measured", none).await?;
    pin_mut!(stream);
    let (mut rows, mut ids, mut prices, mut letters, mut sold) = (0_usize, 0_i64, 0.0_f64, 0_usize, 0_usize);
    while let Some(row) = stream.try_next().await? {
        rows += 1;
        ids += row.try_get::<_, i64>(0)?;
        prices += row.try_get::<_, f64>(1)?;
        letters += row.try_get::<_, &str>(2)?.len();
        sold += usize::from(row.try_get::<_, bool>(3)?);
    }
    Ok(format!("{rows} rows, {ids}, {prices}, {letters}, {sold}"))
}
