use std::time::Instant;
use hostler_capability::Mode;
use hostler_policy::sql::PostgresGrant;
use crate::{context::{Fixture, ask, capability, options, read}, server::Server};

#[tokio::test(flavor = "multi_thread")]
async fn speed() {
    let server = Server::start();
    let admin = server.administrator().await;
    admin.batch_execute("CREATE TABLE public.big AS SELECT g AS id, md5(g::text) AS a, random()*1000 AS b, now() AS c FROM generate_series(1,1000000) g; GRANT SELECT ON public.big TO hostler").await.unwrap();
    let sqls = ["SELECT state, count(*) FROM pg_catalog.pg_stat_activity GROUP BY state", "SHOW max_connections"];
    let capability = capability();
    for round in 0..3 {
        let t = Instant::now();
        for n in 0..200 {
            let run = Fixture::named(&capability, server.resource(), PostgresGrant::default(), Mode::Check, &format!("run-{round}-{n}"));
            let database = run.open().await;
            for sql in sqls { ask(&database, sql).await.unwrap(); }
        }
        println!("ours {:?} a run", t.elapsed() / 200);
        let (client, connection) = tokio_postgres::connect(&server.dsn(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let t = Instant::now();
        for _ in 0..200 {
            for sql in sqls {
                client.batch_execute("BEGIN READ ONLY").await.unwrap();
                client.query(sql, &[]).await.unwrap();
                client.batch_execute("COMMIT").await.unwrap();
            }
            client.batch_execute("DISCARD ALL").await.unwrap();
        }
        println!("bare {:?} a run", t.elapsed() / 200);
    }
    let run = Fixture::new(&capability, server.resource(), read(&["public.big"]), Mode::Check);
    let database = run.open().await;
    for _ in 0..3 {
        let t = Instant::now();
        let mut rows = database.query("SELECT id, a, b, c FROM public.big", &[], &options()).await.unwrap();
        let mut n = 0;
        while let Some(batch) = rows.next().await { n += batch.unwrap().row_count; }
        println!("ours {n} {:?}", t.elapsed());
        let (client, connection) = tokio_postgres::connect(&server.dsn(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let t = Instant::now();
        let rows = client.query_raw("SELECT id, a, b, c::text FROM public.big", Vec::<i32>::new()).await.unwrap();
        let mut rows = std::pin::pin!(rows);
        let mut n = 0;
        while let Some(row) = futures::StreamExt::next(&mut rows).await { let r = row.unwrap(); let _: (i32, &str, f64, &str) = (r.get(0), r.get(1), r.get(2), r.get(3)); n += 1; }
        println!("native {n} {:?}", t.elapsed());
    }
    for _ in 0..5 {
        let t = Instant::now();
        let fresh = crate::context::capability();
        let run = Fixture::new(&fresh, server.resource(), PostgresGrant::default(), Mode::Check);
        let database = run.open().await;
        let o = t.elapsed();
        for sql in sqls { ask(&database, sql).await.unwrap(); }
        println!("cold open {o:?} all {:?}", t.elapsed());
        let t = Instant::now();
        let (client, connection) = tokio_postgres::connect(&server.dsn(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        for sql in sqls { client.simple_query(sql).await.unwrap(); }
        println!("bare cold {:?}", t.elapsed());
    }
}
