//! Statements that want more than was granted: what a plugin sends, and what the server has afterwards.

mod left_behind;
mod reading;
mod writing;

use hostler_tests::{Hostler, Postgres};
use serde_json::{Value, json};

use crate::puppet::refused_and_allowed;

/// A server with a table that is granted, one that is not, and what a stranger's plugin would use to get there.
pub(crate) fn server() -> Postgres {
    let server = Postgres::start();
    for sql in [
        "CREATE TABLE public.allowed AS SELECT g AS id, 'a'::text AS note FROM generate_series(1, 10) g",
        "ALTER TABLE public.allowed ADD PRIMARY KEY (id)",
        "CREATE TABLE public.secret AS SELECT 'sesame'::text AS word",
        "CREATE SCHEMA elsewhere",
        "CREATE TABLE elsewhere.allowed AS SELECT 'sesame'::text AS word",
        // The owner's own functions change: as a column's default, as a view's column, as an operator, as a cast.
        "CREATE TABLE public.traces (what text)",
        "CREATE FUNCTION public.trace() RETURNS text LANGUAGE sql VOLATILE SECURITY DEFINER AS \
         $$ INSERT INTO public.traces VALUES ('called') RETURNING what $$",
        "CREATE FUNCTION public.told(text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS \
         $$ SELECT word FROM public.secret $$",
        "CREATE FUNCTION public.both(int, int) RETURNS text LANGUAGE sql VOLATILE SECURITY DEFINER AS $$ SELECT public.trace() $$",
        "CREATE OPERATOR public.<#> (FUNCTION = public.both, LEFTARG = int, RIGHTARG = int)",
        "CREATE TYPE public.word AS (word text)",
        "CREATE FUNCTION public.cast_it(text) RETURNS public.word LANGUAGE sql VOLATILE SECURITY DEFINER AS \
         $$ SELECT ROW(public.trace())::public.word $$",
        "CREATE CAST (text AS public.word) WITH FUNCTION public.cast_it(text)",
        "CREATE VIEW public.seen AS SELECT id, public.trace() AS traced FROM public.allowed",
        "CREATE SEQUENCE public.counter",
        "SELECT lo_from_bytea(4711, 'sesame')",
    ] {
        server.execute(sql);
    }
    server
}

pub(crate) fn query(sql: &str) -> Value {
    json!({ "call": "postgres", "sql": sql })
}

pub(crate) fn change(sql: &str) -> Value {
    json!({ "call": "postgres", "sql": sql, "change": true })
}

/// Each way in which a plugin can send a statement.
fn every_way(sql: &str) -> Vec<Value> {
    vec![
        query(sql),
        change(sql),
        json!({ "call": "postgres", "sql": sql, "transaction": true }),
        json!({ "call": "postgres", "sql": sql, "transaction": true, "change": true }),
        json!({ "call": "postgres", "sql": sql, "copy": true }),
    ]
}

fn all_ways(attempts: &[&str]) -> Vec<Value> {
    attempts.iter().flat_map(|sql| every_way(sql)).collect()
}

fn host(server: &Postgres, grant: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = \"{}\"\n[tasks.puppet]\nplugin = \"test-puppet\"\n\
         bind.database = {{ resource = \"postgres.main\", {grant} }}\n",
        server.superuser()
    ));
    host.install(&["test-puppet"]);
    host
}

/// The whole cluster in one text, but for counters that every session moves.
pub(crate) fn everything(server: &Postgres) -> String {
    [
        "SELECT string_agg(t::text, ',' ORDER BY t::text) FROM public.allowed t",
        "SELECT coalesce(string_agg(t::text, ','), 'untouched') FROM public.traces t",
        "SELECT string_agg(t::text, ',') FROM public.secret t",
        "SELECT string_agg(oid::text || relname || relfilenode, ',' ORDER BY oid) FROM pg_class WHERE oid > 16383",
        "SELECT string_agg(r::text, ',' ORDER BY oid) FROM pg_authid r",
        "SELECT coalesce(string_agg(s::text, ','), 'none') FROM pg_db_role_setting s",
        "SELECT string_agg(name || setting, ',' ORDER BY name) FROM pg_settings WHERE name <> 'application_name'",
        "SELECT string_agg(md5(lo_get(oid)), ',' ORDER BY oid) FROM pg_largeobject_metadata",
        "SELECT string_agg(proname, ',' ORDER BY oid) FROM pg_proc WHERE oid > 16383",
        "SELECT string_agg(datname, ',' ORDER BY oid) FROM pg_database",
        "SELECT is_called || last_value::text FROM public.counter",
        "SELECT count(*)::text FROM pg_replication_slots",
        "SELECT count(*)::text FROM pg_prepared_xacts",
        "SELECT coalesce(min(stats_reset)::text, 'never') FROM pg_stat_database",
    ]
    .map(|sql| server.value(sql))
    .join("\n")
}

/// All attempts are refused, the honest neighbours are not, and the server has what it had.
fn without_a_trace(server: &Postgres, grant: &str, attempts: &[Value], honest: &[Value]) {
    let before = everything(server);
    refused_and_allowed(&host(server, grant), attempts, honest);
    assert_eq!(everything(server), before);
}
