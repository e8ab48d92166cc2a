//! What fits and what does not, at the edges, and with the guide's own figures.

use hostler_sdk::machine::{ListeningSocket, Memory, Process};
use hostler_sdk::testing::{Recorded, record, refuses_each, rows, settings};
use serde_json::json;

use super::*;
use crate::server::Unit;

const MANIFEST: &str = include_str!("../plugin.toml");
const GIB: u64 = 1 << 30;

/// A server's settings as PostgreSQL 15 delivers them, with some changed: name, value, unit.
fn server(changed: &[(&str, &str)]) -> Server {
    server_from(changed, "configuration file", &[])
}

fn server_from(changed: &[(&str, &str)], source: &str, pending: &[&str]) -> Server {
    let delivered = [
        ("autovacuum", "on", "", "sighup"),
        ("autovacuum_max_workers", "3", "", "postmaster"),
        ("autovacuum_vacuum_cost_delay", "2", "ms", "sighup"),
        ("autovacuum_vacuum_cost_limit", "-1", "", "sighup"),
        ("autovacuum_work_mem", "-1", "kB", "sighup"),
        ("checkpoint_completion_target", "0.9", "", "sighup"),
        ("checkpoint_timeout", "300", "s", "sighup"),
        ("effective_cache_size", "524288", "8kB", "user"),
        ("hash_mem_multiplier", "2", "", "user"),
        ("listen_addresses", "localhost", "", "postmaster"),
        ("maintenance_work_mem", "65536", "kB", "user"),
        ("max_connections", "100", "", "postmaster"),
        ("max_parallel_workers", "8", "", "user"),
        ("max_parallel_workers_per_gather", "2", "", "user"),
        ("max_wal_size", "1024", "MB", "sighup"),
        ("port", "5432", "", "postmaster"),
        ("shared_buffers", "16384", "8kB", "postmaster"),
        ("superuser_reserved_connections", "3", "", "postmaster"),
        ("track_counts", "on", "", "superuser"),
        ("vacuum_cost_delay", "0", "ms", "user"),
        ("vacuum_cost_limit", "200", "", "user"),
        ("vacuum_cost_page_dirty", "20", "", "user"),
        ("vacuum_cost_page_miss", "2", "", "user"),
        ("wal_buffers", "512", "8kB", "postmaster"),
        ("wal_segment_size", "16777216", "B", "internal"),
        ("work_mem", "4096", "kB", "user"),
    ];
    let rows = delivered.map(|(name, value, unit, context)| {
        let value = changed.iter().find(|(changed, _)| *changed == name).map_or(value, |(_, value)| *value);
        vec![name.into(), value.into(), unit.into(), source.into(), context.into(), pending.contains(&name).into()]
    });
    let columns = ["name", "setting", "unit", "source", "context", "pending"];
    Server::of(&hostler_sdk::testing::rows_of(&columns, &rows)).expect("rows")
}

fn budget(gibibytes: u64) -> Budget {
    Budget { bytes: (gibibytes * GIB) as f64, known_from: "the machine's memory".into() }
}

fn idle() -> Load {
    let elapsed = Duration::from_days(1.0);
    Load { elapsed, timed: 288.0, requested: 0.0, buffers_full: 0.0, wal: 0.0, spilled: 0.0, changed: 0.0 }
}

fn told(server: &Server, gibibytes: u64, load: Load) -> Recorded {
    let settings: Settings = settings(MANIFEST, json!({}));
    record(|| {
        report(server, Some(&budget(gibibytes)), Some(&load), &Peaks::new(), Some(1e9), &settings);
    })
}

fn subjects(recorded: &Recorded) -> Vec<(&str, &str)> {
    recorded.findings.iter().map(|one| (one.code.as_str(), one.subject.as_str())).collect()
}

/// `shared_buffers = '4GB'`, `work_mem = '32MB'`, `maintenance_work_mem = '512MB'`, 200 connections.
const GUIDE: [(&str, &str); 6] = [
    ("shared_buffers", "524288"),
    ("work_mem", "32768"),
    ("maintenance_work_mem", "524288"),
    ("max_connections", "200"),
    ("wal_buffers", "2048"),
    ("checkpoint_timeout", "900"),
];

#[test]
fn the_guides_200_connections_of_32_mb_fit_16_gib_for_one_sort_each_and_no_less() {
    let guide = server(&[GUIDE.as_slice(), &[("effective_cache_size", "1572864")]].concat());
    assert_eq!(subjects(&told(&guide, 16, idle())), []);
    let small = server(&[GUIDE.as_slice(), &[("effective_cache_size", "786432")]].concat());
    let recorded = told(&small, 8, idle());
    assert_eq!(subjects(&recorded), [("setting-too-high", "work_mem")]);
    let finding = &recorded.findings[0];
    assert_eq!(finding.summary, "32MB is set and 6MB fits: too high by a factor of 5.2, warning above 2");
    let why = finding.detail.as_deref().unwrap_or_default();
    assert!(
        why.starts_with(
            "200 connections × 32.0 MiB = 6.2 GiB for one sort each; hash_mem_multiplier makes it 12.5 GiB"
        ),
        "{why}"
    );
    assert_eq!(finding.remedy.as_deref(), Some("ALTER SYSTEM SET work_mem = '6MB'; SELECT pg_reload_conf();"));
    assert_eq!(recorded.metric("postgres_sorts_worst_bytes"), Some(6_710_886_400.0));
}

#[test]
fn what_a_server_is_delivered_with_is_too_small_for_a_large_machine() {
    let recorded = told(&server(&[]), 64, idle());
    assert_eq!(
        subjects(&recorded),
        [
            ("setting-too-low", "shared_buffers"),
            ("setting-too-low", "effective_cache_size"),
            ("setting-too-low", "maintenance_work_mem")
        ]
    );
    assert_eq!(
        recorded.findings[0].remedy.as_deref(),
        Some("ALTER SYSTEM SET shared_buffers = '16GB'; -- and restart the server")
    );
}

#[test]
fn twice_is_allowed_and_more_is_not() {
    let shared = |blocks: &str| {
        let server = server(&[
            ("shared_buffers", blocks),
            ("effective_cache_size", "1572864"),
            ("maintenance_work_mem", "524288"),
            ("wal_buffers", "2048"),
        ]);
        told(&server, 16, idle()).told().iter().map(|(code, _, _)| (*code).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(shared("262144"), Vec::<String>::new(), "2 GiB of 4");
    assert_eq!(shared("262143"), ["setting-too-low"]);
    assert_eq!(shared("1048576"), Vec::<String>::new(), "8 GiB of 4");
    assert_eq!(shared("1048577"), ["setting-too-high"]);
}

#[test]
fn work_mem_is_only_too_small_where_something_spilled() {
    let server = server(&[
        ("shared_buffers", "2097152"),
        ("effective_cache_size", "6291456"),
        ("maintenance_work_mem", "1048576"),
        ("wal_buffers", "2048"),
    ]);
    assert_eq!(subjects(&told(&server, 64, idle())), []);
    let spilling = Load { spilled: 1e9, ..idle() };
    assert_eq!(subjects(&told(&server, 64, spilling)), [("setting-too-low", "work_mem")]);
}

fn wal(load: Load, changed: &[(&str, &str)]) -> Vec<(String, String)> {
    let settings: Settings = settings(MANIFEST, json!({}));
    let recorded = record(|| {
        report(&server(changed), None, Some(&load), &Peaks::new(), Some(1e9), &settings);
    });
    recorded.findings.iter().map(|one| (one.subject.clone(), one.remedy.clone().unwrap_or_default())).collect()
}

#[test]
fn max_wal_size_is_too_small_where_wal_forces_more_checkpoints_than_it_should() {
    let forced = |timed, requested| {
        let told = wal(Load { timed, requested, ..idle() }, &[]);
        told.into_iter().map(|(subject, _)| subject).collect::<Vec<_>>()
    };
    assert_eq!(forced(80.0, 20.0), Vec::<String>::new(), "20 % are allowed");
    assert_eq!(forced(79.0, 21.0), ["max_wal_size"]);
    assert_eq!(forced(1.0, 2.0), Vec::<String>::new(), "two may be by hand");
    let heavy = wal(Load { timed: 1.0, requested: 99.0, wal: 20e6, ..idle() }, &[("checkpoint_timeout", "900")]);
    assert_eq!(heavy.len(), 1, "{heavy:?}");
    assert_eq!(heavy[0].1, "ALTER SYSTEM SET max_wal_size = '48896MB'; SELECT pg_reload_conf();");
    assert_eq!(wal(Load { timed: 0.0, requested: 0.0, ..idle() }, &[]), [], "no checkpoint, no word");
}

#[test]
fn checkpoints_and_buffers_are_judged_by_what_is_written() {
    let subjects = |load: Load, changed: &[(&str, &str)]| {
        wal(load, changed).into_iter().map(|(subject, _)| subject).collect::<Vec<_>>()
    };
    let writing = Load { wal: 2e6, ..idle() };
    assert_eq!(subjects(writing, &[("checkpoint_timeout", "449"), ("max_wal_size", "8192")]), ["checkpoint_timeout"]);
    assert_eq!(subjects(writing, &[("checkpoint_timeout", "450"), ("max_wal_size", "8192")]), Vec::<String>::new());
    assert_eq!(subjects(idle(), &[("checkpoint_timeout", "300")]), Vec::<String>::new());
    assert_eq!(subjects(idle(), &[("checkpoint_timeout", "3600")]), Vec::<String>::new());
    assert_eq!(subjects(idle(), &[("checkpoint_timeout", "3601")]), ["checkpoint_timeout"]);
    assert_eq!(subjects(Load { buffers_full: 1.1, ..idle() }, &[]), ["wal_buffers"]);
    assert_eq!(subjects(idle(), &[("wal_buffers", "8192")]), Vec::<String>::new(), "64 MiB");
    assert_eq!(subjects(idle(), &[("wal_buffers", "8193")]), ["wal_buffers"]);
    assert_eq!(subjects(idle(), &[("checkpoint_completion_target", "0.4")]), ["checkpoint_completion_target"]);
}

#[test]
fn autovacuum_is_to_be_on_and_as_fast_as_the_changes() {
    let subjects = |load: Load, changed: &[(&str, &str)]| {
        wal(load, changed).into_iter().map(|(subject, _)| subject).collect::<Vec<_>>()
    };
    assert_eq!(subjects(idle(), &[("autovacuum", "off")]), ["autovacuum"]);
    assert_eq!(subjects(idle(), &[("track_counts", "off")]), ["track_counts"]);
    let changing = |changed| Load { changed, ..idle() };
    assert_eq!(subjects(changing(10_000.0), &[]), Vec::<String>::new(), "5000 pages a second, twice is allowed");
    assert_eq!(subjects(changing(10_001.0), &[]), ["vacuum_cost_limit"]);
    assert_eq!(
        subjects(idle(), &[("autovacuum_vacuum_cost_delay", "20"), ("autovacuum_vacuum_cost_limit", "200")]),
        ["autovacuum_vacuum_cost_limit"],
        "what was usual before PostgreSQL 12"
    );
    assert_eq!(subjects(changing(1e9), &[("autovacuum_vacuum_cost_delay", "0")]), Vec::<String>::new());
}

#[test]
fn connections_are_judged_after_a_week_and_some_are_kept_for_superusers() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let most = |days: u64, peak: i64| {
        let mut peaks = Peaks::new();
        for day in 0..days {
            connections::remember(&mut peaks, Timestamp(day * 86_400_000), peak);
        }
        assert!(peaks.len() <= 35);
        let server = server(&[("max_connections", "200"), ("superuser_reserved_connections", "1")]);
        record(|| {
            report(&server, None, None, &peaks, None, &settings);
        })
        .findings
        .iter()
        .map(|one| one.subject.clone())
        .collect::<Vec<_>>()
    };
    assert_eq!(most(6, 10), ["superuser_reserved_connections"]);
    assert_eq!(most(7, 10), ["superuser_reserved_connections", "max_connections"]);
    assert_eq!(most(40, 50), ["superuser_reserved_connections"]);
}

#[test]
fn a_setting_that_waits_or_belongs_to_the_role_or_the_command_line_is_told_as_such() {
    let settings: Settings = settings(MANIFEST, json!({}));
    let tell = |server: &Server| {
        record(|| {
            report(server, Some(&budget(8)), None, &Peaks::new(), None, &settings);
        })
    };
    let fits = [&[("effective_cache_size", "786432"), ("work_mem", "4096")], GUIDE.as_slice()].concat();
    let pending = tell(&server_from(&fits, "configuration file", &["max_connections"]));
    assert_eq!(subjects(&pending), [("restart-pending", "max_connections")]);
    assert_eq!(pending.metric("postgres_settings_pending_restart"), Some(1.0));
    let given = tell(&server_from(&fits, "command line", &["max_connections"]));
    assert_eq!(subjects(&given), [], "no restart changes what the command line gives");
    let own = tell(&server_from(&GUIDE, "user", &[]));
    assert!(own.findings.iter().all(|one| one.code == "setting-unseen" && one.severity == Severity::Unknown));
    let line = tell(&server_from(&GUIDE, "command line", &[]));
    assert_eq!(
        line.finding("setting-too-high").and_then(|one| one.remedy.clone()).as_deref(),
        Some("it is given where the server is started (command line): write work_mem = 6MB there")
    );
}

#[test]
fn the_memory_is_the_groups_where_it_is_less_and_the_servers_only_where_it_runs_here() {
    let memory = |limit| Memory {
        total_bytes: 16 * GIB,
        available_bytes: 8 * GIB,
        swap_total_bytes: 0,
        swap_used_bytes: 0,
        limit_bytes: limit,
    };
    assert_eq!(Budget::of_machine(&memory(None)).bytes, (16 * GIB) as f64);
    assert_eq!(Budget::of_machine(&memory(Some(2 * GIB))).bytes, (2 * GIB) as f64);
    assert_eq!(Budget::of_machine(&memory(Some(64 * GIB))).bytes, (16 * GIB) as f64);
    let socket = |port, process: Option<&str>| ListeningSocket {
        protocol: "tcp".into(),
        address: "127.0.0.1".into(),
        port,
        process: process.map(str::to_owned),
    };
    let process =
        |name: &str| Process { id: 1, name: name.into(), user: "postgres".into(), unit: None, deleted_code: false };
    let here = |sockets: &[ListeningSocket], name: &str| memory::is_here(&server(&[]), sockets, &[process(name)]);
    assert!(here(&[socket(5432, Some("postgres"))], "postgres"));
    assert!(here(&[socket(5432, None)], "postgres"), "only root sees whose it is");
    assert!(!here(&[socket(5432, Some("docker-proxy"))], "postgres"));
    assert!(!here(&[socket(5433, Some("postgres"))], "postgres"));
    assert!(!here(&[], "postgres") && !here(&[socket(5432, None)], "sshd"));
    assert!(memory::is_here(&server(&[("listen_addresses", "")]), &[], &[process("postgres")]));
}

#[test]
fn values_are_written_as_the_server_takes_them() {
    for (unit, value, text) in [
        (Unit::Bytes, 536_870_912.0, "512MB"),
        (Unit::Bytes, 1_610_612_736.0, "1536MB"),
        (Unit::Bytes, 65_536.0, "64kB"),
        (Unit::Seconds, 900.0, "15min"),
        (Unit::Seconds, 0.002, "2ms"),
        (Unit::Plain, 0.9, "0.9"),
        (Unit::Plain, 200.0, "200"),
        (Unit::Bytes, -1.0, "-1"),
    ] {
        assert_eq!(unit.written(value), text);
    }
}

#[test]
fn the_load_is_read_from_where_each_version_keeps_it() {
    assert!(
        load::query(150_018).contains("pg_stat_bgwriter c") && load::query(170_000).contains("pg_stat_checkpointer c")
    );
    let row = rows!(["epoch", "timed", "requested", "buffers_full", "wal", "temporary", "changed"]; ["a", 1.0, 2.0, 3.0, 4.0, None::<f64>, 6.0]);
    let counters = load::counters(&row.one().expect("a row")).expect("counters");
    assert_eq!(counters.values.len(), 6);
    assert_eq!(
        record(|| {
            since(counters.since(None));
        })
        .told(),
        [("baseline-taken", "load", Severity::Unknown)]
    );
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[("memory", json!("1MB")), ("factor", json!(1)), ("requested", json!(101)), ("least_days", json!(0))],
    );
}
