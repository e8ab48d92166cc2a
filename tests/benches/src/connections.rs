//! `hostler check` of postgres-connections as a whole process, beside psql and two monitoring checks.

use std::process::Command;

use hostler_tests::{Hostler, Postgres, component};

use crate::{
    measure::{medians, process, ratio, shown},
    peers,
    table::{Goal, Line},
};

pub(crate) fn compare() -> anyhow::Result<Vec<Line>> {
    let server = Postgres::start();
    let host = Hostler::new("");
    let plugin = component("postgres-connections").display().to_string();
    let bind = format!("database={}", server.superuser());
    let mut ours = || process(&mut host.command(&["check", &plugin, "--accept", "--bind", &bind]), &[0]);
    let port = server.port.to_string();
    let mut psql = || {
        let query = "SELECT state, count(*) FROM pg_stat_activity GROUP BY state";
        let mut command = Command::new(peers::psql());
        command.args(["-X", "-At", "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", "postgres", "-c", query]);
        process(&mut command, &[0])
    };
    let [host_time, psql_time] = medians(60, [&mut ours, &mut psql])?;
    let what = "`hostler check` of postgres-connections, a whole process";
    let mut lines = vec![Line::ratio(
        what,
        shown(host_time),
        format!("psql -X -At -c {}", shown(psql_time)),
        ratio(host_time, psql_time),
        Goal::AtMost(1.0),
    )];
    let address = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres"];
    let checks: [(&str, Vec<&str>); 2] = [
        (
            "check_postgres",
            [&["--action=backends", "-H", "127.0.0.1", "-p", &port, "-u", "postgres"][..], &["-db", "postgres"]]
                .concat(),
        ),
        (
            "check_pgactivity",
            [&["-s", "backends"][..], &address, &["-d", "postgres", "-w", "80%", "-c", "90%"]].concat(),
        ),
    ];
    for (program, arguments) in checks {
        let mut theirs = || process(Command::new(program).args(&arguments), &[0, 1, 2, 3]);
        match medians(10, [&mut ours, &mut theirs]) {
            Ok([host_time, time]) => lines.push(Line::ratio(
                what,
                shown(host_time),
                format!("{program} {}", shown(time)),
                ratio(host_time, time),
                Goal::AtMost(0.1),
            )),
            Err(error) => lines.push(Line::missing(program, &format!("{error:#}"))),
        }
    }
    Ok(lines)
}
