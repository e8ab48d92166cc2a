//! redis-ttl over a million keys, beside a native pipelined loop and redis-py with hiredis.

use std::{process::Command, time::Instant};

use hostler_tests::{Hostler, RedisServer};

use crate::{
    measure::{medians, process, ratio, shown},
    table::{Goal, Line},
};

const KEYS: usize = 1_000_000;
const BATCH: usize = 1000;

/// The same in Python: SCAN, and a pipeline of TTL for each page.
const PYTHON: &str = "
import sys, redis
client = redis.Redis(port=int(sys.argv[1]))
cursor, keys, forever = 0, 0, 0
while True:
    cursor, page = client.scan(cursor, count=1000)
    pipeline = client.pipeline(transaction=False)
    for key in page:
        pipeline.ttl(key)
    answers = pipeline.execute()
    keys += len(answers)
    forever += answers.count(-1)
    if cursor == 0:
        break
assert keys >= 1000000, keys
";

pub(crate) fn compare() -> anyhow::Result<Vec<Line>> {
    let server = RedisServer::start();
    fill(&server)?;
    let host = Hostler::new(&format!(
        "[redis.cache]\nurl = \"{}\"\n[tasks.ttl]\nplugin = \"redis-ttl\"\nbind.server = \"redis.cache\"\n",
        server.url()
    ));
    host.install(&["redis-ttl"]);
    let mut ours = || process(&mut host.command(&["plan", "ttl"]), &[0, 1, 2]);
    let mut rust = || native(&server);
    let mut python = || {
        let port = server.port.to_string();
        process(Command::new("/usr/bin/python3").args(["-c", PYTHON, &port]), &[0])
    };
    let what = "redis-ttl over a million keys: SCAN, and TTL of each";
    let [host_time, rust_time] = medians(7, [&mut ours, &mut rust])?;
    let beside = format!("a native pipelined loop in Rust {}", shown(rust_time));
    let mut lines = vec![Line::ratio(what, shown(host_time), beside, ratio(host_time, rust_time), Goal::AtMost(1.3))];
    lines.push(match medians(3, [&mut ours, &mut python]) {
        Ok([host_time, time]) => {
            let beside = format!("redis-py with hiredis, pipelined {}", shown(time));
            Line::ratio(what, shown(host_time), beside, ratio(host_time, time), Goal::AtMost(0.25))
        }
        Err(error) => Line::missing(what, &format!("{error:#}")),
    });
    Ok(lines)
}

/// Half of the keys expire in a day, half never do.
fn fill(server: &RedisServer) -> anyhow::Result<()> {
    let mut connection = server.connection();
    for start in (0..KEYS).step_by(BATCH) {
        let mut pipeline = redis::pipe();
        for number in start..start + BATCH {
            let command = pipeline.cmd("SET").arg(format!("page:{number}")).arg("a page of the shop").ignore();
            if number % 2 == 0 {
                command.arg("EX").arg(86_400);
            }
        }
        pipeline.query::<()>(&mut connection)?;
    }
    Ok(())
}

fn native(server: &RedisServer) -> anyhow::Result<std::time::Duration> {
    let started = Instant::now();
    let mut connection = server.connection();
    let (mut cursor, mut keys, mut forever) = (0_u64, 0_usize, 0_usize);
    loop {
        let (next, page): (u64, Vec<Vec<u8>>) =
            redis::cmd("SCAN").arg(cursor).arg("COUNT").arg(BATCH).query(&mut connection)?;
        let mut pipeline = redis::pipe();
        for key in &page {
            pipeline.cmd("TTL").arg(key);
        }
        let answers: Vec<i64> = pipeline.query(&mut connection)?;
        keys += answers.len();
        forever += answers.iter().filter(|seconds| **seconds == -1).count();
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    anyhow::ensure!(keys >= KEYS && forever >= KEYS / 2, "{keys} keys, {forever} of them for ever");
    Ok(started.elapsed())
}
