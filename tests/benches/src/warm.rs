//! postgres-connections on a warm host, audit and history on, beside a bare loop that sends the same statements.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hostler_tests::Postgres;
use tokio_postgres::{Client, NoTls};

use crate::{
    measure::medians,
    setting::Setting,
    table::{Goal, Line},
};

const RUNS: u32 = 200;

pub(crate) fn compare() -> anyhow::Result<Vec<Line>> {
    let statements = statements()?;
    let server = Postgres::start();
    let setting = host_on(&server)?;
    let job = setting.job("connections")?;
    let client = setting.runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&server.superuser(), NoTls).await?;
        tokio::spawn(connection);
        Ok::<_, tokio_postgres::Error>(Arc::new(client))
    })?;
    let statements = Arc::new(statements);
    let [sandboxed, bare] = medians(
        9,
        [
            &mut || {
                let started = Instant::now();
                for _ in 0..RUNS {
                    setting.run(&job)?;
                }
                Ok(started.elapsed())
            },
            &mut || {
                let started = Instant::now();
                for _ in 0..RUNS {
                    let (client, statements) = (client.clone(), statements.clone());
                    setting.on_a_worker(async move { native(&client, &statements).await })??;
                }
                Ok(started.elapsed())
            },
        ],
    )?;
    let a_second = |taken: Duration| f64::from(RUNS) / taken.as_secs_f64();
    Ok(vec![Line::ratio(
        "runs of postgres-connections a second on a warm host, audit and history on",
        format!("{:.0} /s", a_second(sandboxed)),
        format!("a bare tokio-postgres loop {:.0} /s", a_second(bare)),
        a_second(sandboxed) / a_second(bare),
        Goal::AtLeast(0.8),
    )])
}

fn host_on(server: &Postgres) -> anyhow::Result<Setting> {
    let configuration = format!(
        "[postgres.main]\ndsn = \"{}\"\n[tasks.connections]\nplugin = \"postgres-connections\"\n\
         bind.database = \"postgres.main\"\n",
        server.superuser()
    );
    Setting::new(&configuration, &["postgres-connections"])
}

/// The statements of a run, as the log of a server has them that writes each one down.
fn statements() -> anyhow::Result<Vec<String>> {
    let server = Postgres::start_with(&["log_statement=all"]);
    let setting = host_on(&server)?;
    setting.run(&setting.job("connections")?)?;
    let log = std::fs::read_to_string(server.directory().join("log"))?;
    let mut statements: Vec<String> = Vec::new();
    let mut within = false;
    for line in log.lines() {
        if let Some((_, message)) = line.split_once(" LOG:  ") {
            let sql = message.strip_prefix("execute ").and_then(|named| named.split_once(": "));
            within = sql.is_some();
            statements.extend(sql.map(|(_, sql)| sql.to_owned()));
        } else if within && let Some(last) = statements.last_mut() {
            last.push('\n');
            last.push_str(line);
        }
    }
    statements.retain(|sql| sql.contains("pg_stat_activity") || sql.contains("pg_prepared_xacts"));
    anyhow::ensure!(statements.len() == 3, "the run had {} statements: {statements:#?}", statements.len());
    Ok(statements)
}

async fn native(client: &Client, statements: &[String]) -> anyhow::Result<()> {
    client.batch_execute("BEGIN READ ONLY").await?;
    for sql in statements {
        let rows = client.query(sql.as_str(), &[]).await?;
        std::hint::black_box(rows);
    }
    client.batch_execute("COMMIT").await?;
    client.batch_execute("DISCARD ALL").await?;
    Ok(())
}
