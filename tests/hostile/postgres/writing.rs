//! What a grant to maintain or change one table is asked for beyond that.

use serde_json::json;

use super::{all_ways, change, host, query, server, without_a_trace};
use crate::puppet;

#[test]
fn statements_go_no_further_than_their_options_and_objects() {
    let grant = "read = [\"public.allowed\"], statements = [\"VACUUM\", \"ANALYZE\", \"REINDEX CONCURRENTLY\"], \
                 write = [\"public.allowed\", \"public.allowed_pkey\"], settings = [\"lock_timeout\"]";
    let server = server();
    let mut attempts = all_ways(&[
        "VACUUM FULL public.allowed",
        "VACUUM (FULL) public.allowed",
        "VACUUM (FULL true, ANALYZE) public.allowed",
        "VACUUM (\"full\") public.allowed",
        "VACUUM",
        "VACUUM public.allowed, public.secret",
        "VACUUM allowed",
        "ANALYZE public.secret",
        "ANALYZE",
        "REINDEX INDEX public.allowed_pkey",
        "REINDEX TABLE public.allowed",
        "REINDEX (TABLESPACE pg_default) INDEX CONCURRENTLY public.allowed_pkey",
        "REINDEX SCHEMA CONCURRENTLY public",
        "REINDEX DATABASE CONCURRENTLY postgres",
        "CLUSTER public.allowed USING allowed_pkey",
        "UPDATE public.allowed SET note = 'b'",
        "DELETE FROM public.allowed",
    ]);
    for settings in [("work_mem", "1GB"), ("role", "postgres"), ("session_replication_role", "replica")] {
        attempts.push(json!({ "call": "postgres", "sql": "SELECT 1", "settings": [settings] }));
        attempts.push(
            json!({ "call": "postgres", "sql": "VACUUM public.allowed", "change": true, "settings": [settings] }),
        );
    }
    let honest = [
        change("VACUUM public.allowed"),
        change("VACUUM (ANALYZE, SKIP_LOCKED) public.allowed"),
        change("ANALYZE public.allowed (id)"),
        json!({ "call": "postgres", "sql": "SELECT id FROM public.allowed", "settings": [["lock_timeout", "1s"]] }),
    ];
    without_a_trace(&server, grant, &attempts, &honest);
    // The one spelling of REINDEX that does not lock others out is allowed, and makes a new file.
    let outcomes = puppet::run(&host(&server, grant), &[change("REINDEX INDEX CONCURRENTLY public.allowed_pkey")]);
    assert!(outcomes[0].get("allowed").is_some(), "{outcomes:?}");
}

#[test]
fn rows_are_changed_in_the_granted_table_alone() {
    let grant = "read = [\"public.allowed\"], statements = [\"UPDATE\", \"DELETE\"], write = [\"public.allowed\"]";
    let attempts = all_ways(&[
        "UPDATE public.secret SET word = 'open'",
        "UPDATE public.allowed SET note = (SELECT word FROM public.secret)",
        "UPDATE public.allowed SET note = word FROM public.secret",
        "UPDATE public.allowed SET note = public.trace()",
        "UPDATE public.allowed SET note = public.told('a')",
        "DELETE FROM public.allowed USING public.secret WHERE true",
        "DELETE FROM public.allowed WHERE public.trace() = 'called'",
        "WITH a AS (DELETE FROM public.secret RETURNING word) UPDATE public.allowed SET note = 'b'",
        "DELETE FROM elsewhere.allowed",
        "DELETE FROM allowed",
        "INSERT INTO public.allowed VALUES (99, 'b')",
        "INSERT INTO public.allowed TABLE public.secret",
        "TRUNCATE public.allowed",
        "UPDATE pg_catalog.pg_authid SET rolsuper = true",
    ]);
    let honest = [
        change("UPDATE public.allowed SET note = note WHERE id = -1"),
        change("DELETE FROM public.allowed WHERE id = -1"),
        query("SELECT id FROM public.allowed"),
    ];
    without_a_trace(&server(), grant, &attempts, &honest);
}
