//! What the host adds to each call and command, by Criterion: the policy's decision on a statement, the reading of a
//! manifest and of a configuration.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use hostler_configuration::Configuration;
use hostler_manifest::{extract, imports};
use hostler_policy::sql::PostgresGrant;
use hostler_tests::{Hostler, component};

const READ: &str = "
    SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, pg_relation_size(c.oid) AS bytes
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
    WHERE c.relkind IN ('r', 'm') AND s.n_dead_tup > 50 + 0.2 * c.reltuples ORDER BY s.n_dead_tup DESC LIMIT 100";

fn policy(criterion: &mut Criterion) {
    let grant = PostgresGrant {
        statements: vec!["VACUUM".into(), "ANALYZE".into()],
        write: vec!["shop.*".into()],
        ..PostgresGrant::default()
    };
    assert!(grant.query(READ).is_ok(), "what is measured is the way of an allowed statement");
    criterion.bench_function("policy: a reading statement", |bencher| bencher.iter(|| grant.query(black_box(READ))));
    let vacuum = "VACUUM (ANALYZE, SKIP_LOCKED) \"shop\".\"orders\"";
    assert!(grant.execute(vacuum).is_ok(), "what is measured is the way of an allowed statement");
    criterion.bench_function("policy: a VACUUM", |bencher| bencher.iter(|| grant.execute(black_box(vacuum))));
}

fn reading(criterion: &mut Criterion) {
    let bytes = std::fs::read(component("postgres-vacuum")).expect("a plugin");
    let manifest = extract(&bytes).expect("a manifest");
    criterion.bench_function("manifest: extract", |bencher| bencher.iter(|| extract(black_box(&bytes))));
    criterion.bench_function("manifest: hold the imports against it", |bencher| {
        bencher.iter(|| imports(black_box(&bytes), &manifest));
    });
    let host = Hostler::new("");
    assert_eq!(host.run(&["init", "other.toml"]).code, 0);
    let path = host.path().join("other.toml");
    criterion.bench_function("configuration: load", |bencher| bencher.iter(|| Configuration::load(black_box(&path))));
}

criterion_group!(host, policy, reading);
criterion_main!(host);
