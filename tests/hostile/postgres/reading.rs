//! What a grant to read one table is asked for beyond that table.

use serde_json::Value;

use super::{all_ways, query, server, without_a_trace};

const READ: &str = "read = [\"public.allowed\", \"public.seen\"], write = [], statements = []";

fn honest() -> Vec<Value> {
    ["SELECT id FROM public.allowed", "SELECT ';' AS a -- ; \n", "SELECT count(*) FROM public.allowed WHERE note = 'a'"]
        .map(query)
        .into()
}

macro_rules! attempts {
    ($($(#[$meta:meta])* $name:ident: [$($sql:expr),+ $(,)?])+) => {$(
        $(#[$meta])*
        #[test]
        fn $name() {
            without_a_trace(&server(), READ, &all_ways(&[$($sql),+]), &honest());
        }
    )+};
}

attempts! {
    several_statements_in_one_are_refused: [
        "SELECT 1; SELECT 2",
        "SELECT id FROM public.allowed; DROP TABLE public.allowed",
        "SELECT 1;\u{a0}DROP TABLE public.allowed",
        "SELECT 1 /* ; */ ; /* */ TABLE public.secret",
        "SELECT $a$;$a$; TABLE public.secret",
        "SELECT 1 \0; TABLE public.secret",
    ]
    a_transaction_is_the_hosts_own: [
        "COMMIT", "commit work", "END", "END TRANSACTION", "ROLLBACK", "ABORT", "ROLLBACK AND CHAIN", "COMMIT AND CHAIN",
        "BEGIN", "START TRANSACTION READ WRITE", "/**/COMMIT", "-- \nCOMMIT", "SAVEPOINT a", "RELEASE a", "ROLLBACK TO a",
        "PREPARE TRANSACTION 'a'", "COMMIT PREPARED 'a'", "ROLLBACK PREPARED 'a'", "SET TRANSACTION READ WRITE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "SET CONSTRAINTS ALL DEFERRED",
    ]
    settings_and_roles_stay_as_they_are: [
        "SET work_mem = '1GB'", "SET LOCAL work_mem = '1GB'", "SET SESSION transaction_read_only = off", "RESET ALL",
        "RESET statement_timeout", "DISCARD ALL", "SET ROLE postgres", "SET SESSION AUTHORIZATION DEFAULT", "RESET ROLE",
        "SET search_path = elsewhere", "SELECT set_config('search_path', 'elsewhere', false)",
        "SELECT U&\"s\\0065t_config\"('role', 'postgres', false)", "SELECT pg_catalog.\"set_config\"('a.b', 'c', false)",
        "UPDATE pg_settings SET setting = '1GB' WHERE name = 'work_mem'", "ALTER SYSTEM SET work_mem = '1GB'",
        "ALTER ROLE postgres SET work_mem = '1GB'", "ALTER DATABASE postgres SET work_mem = '1GB'", "SHOW ALL",
        "SHOW data_directory", "SELECT current_setting('data_directory')", "SELECT setting FROM pg_settings",
    ]
    files_and_programs_of_the_server_are_out_of_reach: [
        "COPY public.allowed TO '/tmp/hostler-was-here'", "COPY public.allowed TO PROGRAM 'touch /tmp/hostler-was-here'",
        "COPY public.allowed FROM '/etc/passwd'", "COPY public.allowed FROM PROGRAM 'id'", "COPY (SELECT 1) TO '/tmp/x'",
        "COPY public.secret TO STDOUT", "SELECT pg_read_file('/etc/passwd')", "SELECT pg_read_binary_file('PG_VERSION')",
        "SELECT pg_ls_dir('/')", "SELECT (pg_stat_file('PG_VERSION')).size", "SELECT * FROM pg_ls_dir('pg_wal')",
        "SELECT lo_import('/etc/passwd')", "SELECT lo_export(4711, '/tmp/x')", "LOAD '/tmp/x.so'",
        "SELECT t.pg_read_file FROM (SELECT '/etc/passwd'::text) AS t", "SELECT pg_current_logfile()",
    ]
    code_and_text_that_is_run_are_refused: [
        "DO $$ BEGIN DELETE FROM public.allowed; END $$", "CALL public.trace()", "PREPARE a AS SELECT 1", "EXECUTE a",
        "DEALLOCATE ALL", "LISTEN a", "UNLISTEN *", "NOTIFY a, 'b'", "SELECT pg_notify('a', 'b')",
        "DECLARE a CURSOR WITH HOLD FOR SELECT 1", "FETCH ALL FROM a", "CLOSE ALL", "MOVE NEXT FROM a",
        "SELECT query_to_xml('SELECT * FROM public.secret', true, false, '')",
        "SELECT table_to_xml('public.secret', true, false, '')", "SELECT database_to_xml(true, false, '')",
        "SELECT * FROM ts_stat('SELECT word::tsvector FROM public.secret')",
        "SELECT ts_rewrite('a'::tsquery, 'SELECT a, b FROM public.secret')",
        "SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS t(a int)", "SELECT dblink_connect('host=127.0.0.1')",
        "EXPLAIN ANALYZE DELETE FROM public.allowed", "EXPLAIN (ANALYZE, BUFFERS) UPDATE public.allowed SET note = 'b'",
        "EXPLAIN ANALYZE CREATE TABLE public.stolen AS SELECT 1", "EXPLAIN ANALYZE EXECUTE a",
    ]
    what_makes_or_keeps_something_is_refused: [
        "CREATE TEMPORARY TABLE a (b int)", "CREATE TEMP TABLE a AS TABLE public.allowed", "SELECT 1 AS a INTO public.stolen",
        "SELECT 1 AS a INTO TEMP stolen", "TABLE public.allowed FOR UPDATE", "SELECT id FROM public.allowed FOR KEY SHARE",
        "LOCK TABLE public.allowed", "CREATE VIEW public.a AS TABLE public.secret", "CREATE ROLE a SUPERUSER",
        "WITH gone AS (DELETE FROM public.allowed RETURNING id) SELECT * FROM gone",
        "SELECT * FROM (WITH a AS (UPDATE public.allowed SET note = 'b' RETURNING id) SELECT id FROM a) AS b",
        "WITH a AS (INSERT INTO public.traces VALUES ('b') RETURNING what) TABLE a", "TRUNCATE public.allowed",
        "MERGE INTO public.allowed a USING public.allowed b ON a.id = b.id WHEN MATCHED THEN DELETE",
        "GRANT ALL ON public.secret TO PUBLIC", "COMMENT ON TABLE public.allowed IS 'b'", "CHECKPOINT",
    ]
    functions_that_change_or_signal_are_refused: [
        "SELECT nextval('public.counter')", "SELECT setval('public.counter', 9)", "SELECT lo_unlink(4711)",
        "SELECT lo_put(4711, 0, 'open')", "SELECT lo_create(1)", "SELECT convert_from(lo_get(4711), 'UTF8')",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity", "SELECT pg_cancel_backend(1)", "SELECT pg_reload_conf()",
        "SELECT pg_rotate_logfile()", "SELECT pg_switch_wal()", "SELECT pg_stat_reset()", "SELECT pg_promote()",
        "SELECT pg_stat_reset_shared('bgwriter')", "SELECT pg_create_restore_point('a')", "SELECT pg_backup_start('a')",
        "SELECT pg_create_physical_replication_slot('a')", "SELECT pg_drop_replication_slot('a')",
        "SELECT pg_advisory_lock(1)", "SELECT pg_advisory_xact_lock(1)", "SELECT pg_try_advisory_lock(1)",
        "SELECT pg_export_snapshot()", "SELECT pg_logical_emit_message(true, 'a', 'b')", "SELECT txid_current()",
        "SELECT pg_sleep(3600)", "SELECT pg_sleep_for('1 hour')", "SELECT pg_sleep_until('infinity')",
    ]
    a_function_is_found_however_it_is_hidden: [
        "SELECT public.trace()", "SELECT trace()", "SELECT \"trace\"()", "SELECT public . /* */ trace ( )",
        "SELECT U&\"\\0074race\"()", "SELECT U&\"!0074race\" UESCAPE '!' ()", "SELECT * FROM public.trace()",
        "SELECT 1 WHERE public.trace() = 'called'", "SELECT 1 ORDER BY public.trace()", "SELECT 1 LIMIT length(trace())",
        "SELECT 1 OPERATOR(public.<#>) 2", "SELECT 'a'::text::public.word", "SELECT CAST('a' AS public.word)",
        "SELECT public.told('a')",
        "SELECT count(*) FILTER (WHERE public.trace() = 'a') FROM public.allowed",
        "SELECT ARRAY(SELECT public.trace())", "SELECT COALESCE(NULL, public.trace())", "VALUES (public.trace())",
        "SELECT * FROM public.allowed TABLESAMPLE system (length(public.trace()))",
    ]
    other_relations_stay_unseen: [
        "SELECT word FROM public.secret", "TABLE public.secret", "SELECT * FROM secret", "SELECT * FROM \"secret\"",
        "SELECT * FROM U&\"s\\0065cret\"", "SELECT * FROM public.\"secret\"", "SELECT * FROM ONLY public.secret",
        "SELECT * FROM postgres.public.secret", "SELECT * FROM elsewhere.allowed", "SELECT (SELECT word FROM public.secret)",
        "SELECT id FROM public.allowed UNION ALL SELECT length(word) FROM public.secret",
        "SELECT id FROM public.allowed WHERE EXISTS (SELECT FROM public.secret WHERE word LIKE 's%')",
        "WITH allowed AS (SELECT * FROM public.secret) SELECT * FROM allowed", "EXPLAIN SELECT * FROM public.secret",
        "SELECT a FROM public.allowed JOIN LATERAL (SELECT word AS a FROM public.secret) b ON true",
        "SELECT 'public.secret'::regclass::text::xml, * FROM public.secret",
    ]
    what_the_catalogue_keeps_secret_stays_secret: [
        "SELECT rolpassword FROM pg_authid", "SELECT passwd FROM pg_shadow", "SELECT * FROM pg_catalog.\"pg_authid\"",
        "SELECT umoptions FROM pg_user_mappings", "SELECT subconninfo FROM pg_subscription",
        "SELECT conninfo FROM pg_stat_wal_receiver", "SELECT * FROM pg_hba_file_rules", "SELECT * FROM pg_file_settings",
        "SELECT * FROM pg_statistic", "SELECT most_common_vals FROM pg_stats WHERE tablename = 'secret'",
        "SELECT data FROM pg_largeobject", "SELECT setconfig FROM pg_db_role_setting", "SELECT * FROM pg_config",
        "SELECT inet_server_addr()", "SELECT * FROM information_schema.user_mapping_options",
    ]
}
