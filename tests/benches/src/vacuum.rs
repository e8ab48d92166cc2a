//! postgres-vacuum over 2,000 small tables, each past its threshold, beside `vacuumdb -z` of the same.

use std::process::Command;

use hostler_tests::{Hostler, Postgres};

use crate::{
    measure::{medians, process, ratio, shown},
    peers,
    table::{Goal, Line},
};

const TABLES: usize = 2000;

pub(crate) fn compare() -> anyhow::Result<Vec<Line>> {
    let server = Postgres::start();
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = {:?}\n[tasks.vacuum]\nplugin = \"postgres-vacuum\"\nbind.database = \"postgres.main\"\n\
         settings = {{ limit = 10000 }}\n",
        server.superuser()
    ));
    host.install(&["postgres-vacuum"]);
    server.execute(&format!(
        "DO $$ BEGIN FOR n IN 1..{TABLES} LOOP
             EXECUTE format('CREATE TABLE small_%s AS SELECT m AS id, m AS value FROM generate_series(1, 200) m', n);
         END LOOP; END $$"
    ));
    server.execute("VACUUM ANALYZE");
    let port = server.port.to_string();
    let [ours, theirs] = medians(
        3,
        [
            &mut || {
                wear(&server);
                process(&mut host.command(&["run", "vacuum"]), &[0])
            },
            &mut || {
                wear(&server);
                let mut command = Command::new(peers::of_postgres("vacuumdb"));
                command.args(["-q", "-z", "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", "postgres"]);
                process(&mut command, &[0])
            },
        ],
    )?;
    let left = server.value("SELECT count(*) FROM pg_stat_user_tables WHERE n_dead_tup > 90");
    anyhow::ensure!(left == "0", "{left} tables were left");
    Ok(vec![Line::ratio(
        "postgres-vacuum of 2,000 small tables, each past its threshold",
        shown(ours),
        format!("vacuumdb -z {}", shown(theirs)),
        ratio(ours, theirs),
        Goal::AtMost(1.1),
    )])
}

/// Puts each table past its threshold: 200 dead rows, where 90 are enough.
fn wear(server: &Postgres) {
    server.execute(&format!(
        "DO $$ BEGIN FOR n IN 1..{TABLES} LOOP EXECUTE format('UPDATE small_%s SET value = value + 1', n); END LOOP; END $$"
    ));
    server.execute("CHECKPOINT");
}
