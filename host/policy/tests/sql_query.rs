//! What plugins send to read, and what of it is refused for want of a grant.

#[macro_use]
mod sql_common;

use hostler_policy::sql::{ReadKind, Refusal};

allowed! { catalogue.query:
    a_number => "SELECT 1",
    values => "VALUES (1, 'one'), (2, 'two')",
    table => "TABLE pg_class",
    the_largest_tables => "SELECT n.nspname, c.relname, pg_total_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n \
        ON n.oid = c.relnamespace WHERE c.relkind = 'r' ORDER BY 3 DESC LIMIT 10",
    schema_spelled_out => "SELECT pg_catalog.count(*) FROM pg_catalog.pg_class",
    information_schema => "SELECT table_name FROM information_schema.tables",
    with => "WITH big AS (SELECT oid FROM pg_class), more AS (SELECT * FROM big) SELECT * FROM more, big",
    recursive => "WITH RECURSIVE tree AS (SELECT inhrelid FROM pg_inherits UNION ALL SELECT i.inhrelid FROM pg_inherits i \
        JOIN tree t ON i.inhparent = t.inhrelid) SELECT * FROM tree",
    replication => "SELECT application_name, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN \
        pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, replay_lsn)::bigint, EXTRACT(epoch FROM replay_lag) \
        FROM pg_stat_replication",
    slots => "SELECT slot_name, wal_status, safe_wal_size, active FROM pg_replication_slots",
    connections => "SELECT state, count(*) FILTER (WHERE wait_event_type = 'Lock'), max(now() - xact_start), \
        array_agg(pg_blocking_pids(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY state",
    settings_by_name => "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections', \
        true)::int, current_setting('Autovacuum_Freeze_Max_Age')",
    freeze => "SELECT c.oid::regclass::text, age(c.relfrozenxid), mxid_age(c.relminmxid) FROM pg_class c \
        WHERE c.relkind IN ('r', 'm', 't') AND age(c.relfrozenxid) > $1",
    reloptions => "SELECT c.relname, o.option_name, o.option_value FROM pg_class c, pg_options_to_table(c.reloptions) o",
    index_usage => "SELECT indexrelid::regclass, pg_get_indexdef(indexrelid), idx_scan FROM pg_stat_user_indexes \
        JOIN pg_index USING (indexrelid) WHERE NOT indisunique AND idx_scan = 0",
    key_columns => "SELECT i.indexrelid, array(SELECT a.attname FROM unnest(i.indkey) WITH ORDINALITY k(n, at) JOIN \
        pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n ORDER BY k.at) FROM pg_index i",
    collation_drift => "SELECT collname FROM pg_collation WHERE collversion IS DISTINCT FROM \
        pg_collation_actual_version(oid)",
    sequences => "SELECT schemaname, sequencename, last_value::float8 / max_value FROM pg_sequences",
    rows_from => "SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY['a', 'b'])) WITH ORDINALITY AS t(a, b, c)",
    record_columns => "SELECT * FROM json_to_recordset($1) AS x(a int, b text)",
    lateral => "SELECT * FROM pg_class c, LATERAL (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid) n",
    distinct => "SELECT DISTINCT relkind FROM pg_class",
    distinct_on => "SELECT DISTINCT ON (relkind) relkind, relname FROM pg_class ORDER BY relkind, relname",
    grouping => "SELECT relkind, relpersistence, count(*), GROUPING(relkind) FROM pg_class \
        GROUP BY ROLLUP (relkind, relpersistence), GROUPING SETS ((), (relkind))",
    windows => "SELECT relname, row_number() OVER w, lag(reltuples) OVER (PARTITION BY relkind ORDER BY relname ROWS \
        BETWEEN 1 PRECEDING AND CURRENT ROW) FROM pg_class WINDOW w AS (ORDER BY reltuples)",
    percentiles => "SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY reltuples) FROM pg_class",
    set_operations => "(SELECT oid FROM pg_class UNION ALL SELECT oid FROM pg_type) EXCEPT SELECT oid FROM pg_proc LIMIT 3",
    time_zones => "SELECT now() AT TIME ZONE 'UTC', date_trunc('hour', now()), CURRENT_TIMESTAMP, CURRENT_USER, \
        to_char(now(), 'YYYY'), OVERLAY('abc' PLACING 'x' FROM 2), SUBSTRING('abc' FROM 2), TRIM(' a '), \
        POSITION('a' IN 'b'), (now(), now()) OVERLAPS (now(), now()), 'a' SIMILAR TO 'b', 'a' LIKE 'b' ESCAPE '#'",
    casts => "SELECT 'x'::pg_catalog.text, CAST('1' AS numeric(10, 2)), int '3', ARRAY[]::text[], 'public.t'::regclass, \
        interval '1 day', NULL::\"char\"",
    collations => "SELECT relname COLLATE \"C\" FROM pg_class ORDER BY relname COLLATE pg_catalog.\"default\" USING <",
    operators => "SELECT 1 OPERATOR(pg_catalog.+) 2, ARRAY[1] @> ARRAY[1], 3 = ANY ($1), 1 BETWEEN 0 AND 2, NULLIF(1, 2)",
    fields => "SELECT (c).relname, c.relkind, (ARRAY[1,2])[1], (ARRAY[1,2])[1:2] FROM pg_class c",
    every_field => "SELECT c.*, (c).* FROM pg_class c",
    subqueries => "SELECT EXISTS (SELECT FROM pg_class), (SELECT max(oid) FROM pg_class), 1 IN (SELECT 1), \
        1 > ALL (SELECT 2), ROW(1, 2) = ROW(1, 2), COALESCE(NULL, 1), GREATEST(1, 2), CASE 1 WHEN 1 THEN 2 END",
    json => "SELECT jsonb_build_object('a', 1) #>> '{a}', json_agg(relname), '{}'::jsonb ? 'a' FROM pg_class",
    json_of_the_standard => "SELECT JSON_OBJECT('a': 1), JSON_ARRAY(1, 2), JSON_VALUE('{}', '$.a' RETURNING int), j.a FROM \
        JSON_TABLE('[1]', '$[*]' COLUMNS (a int PATH '$')) j",
    xml_of_the_standard => "SELECT XMLELEMENT(NAME a, XMLATTRIBUTES(1 AS b)), XMLFOREST(1 AS c), x.a FROM \
        XMLTABLE('/a' PASSING ('<a/>'::xml) COLUMNS a int PATH '.') x",
    sampled => "SELECT count(*) FROM pg_class TABLESAMPLE system (10) REPEATABLE (1)",
    show => "SHOW max_connections",
    show_time_zone => "SHOW TIME ZONE",
    explain => "EXPLAIN (ANALYZE, BUFFERS, FORMAT json) SELECT count(*) FROM pg_class",
    extension_versions => "SELECT name, installed_version, default_version FROM pg_available_extensions",
    superusers => "SELECT rolname, rolsuper, pg_has_role(oid, 'pg_monitor', 'USAGE') FROM pg_roles",
    access_lists => "SELECT (aclexplode(relacl)).grantee FROM pg_class",
    write_ahead_files => "SELECT count(*), sum(size) FROM pg_ls_waldir()",
    comments_and_semicolon => "/* why /* nested */ */ SELECT 1 -- ; DROP TABLE x\n ; ; -- end",
    function_that_is_a_cast => "SELECT date('2020-01-01'), int4(1.5)",
    parameters => "SELECT relname FROM pg_class WHERE oid = ANY ($1::oid[]) AND relname LIKE $2",
    row_of_a_table => "SELECT to_jsonb(c), row_to_json(c) FROM pg_class c",
}

allowed! { shop.query:
    granted_relation => "SELECT avg(value) FROM public.metrics_2024 WHERE month = $1",
    granted_view_of_an_extension => "SELECT queryid, calls FROM statements.pg_stat_statements",
    granted_secret => "SELECT avg_width FROM pg_stats WHERE schemaname = 'public'",
    granted_function => "SELECT approx_free_percent FROM public.pgstattuple_approx('public.orders'::regclass)",
    granted_functions => "SELECT \"check\".bt_index_check(c.oid, true) FROM pg_class c WHERE relkind = 'i'",
    granted_function_of_the_catalogue => "SELECT pg_tablespace_location(oid) FROM pg_tablespace",
}

refused! { shop.query:
    other_table => "SELECT * FROM public.customers", r#"read = ["public.customers"]"#;
    other_schema => "SELECT * FROM private.orders", r#"read = ["private.orders"]"#;
    other_case => "SELECT * FROM public.\"Orders\"", r#"read = ["public.\"Orders\""]"#.replace('\\', "");
    dot_in_a_name => "SELECT * FROM \"public.orders\".x", "read = [\"\"public.orders\".x\"]";
    no_schema => "SELECT * FROM orders", "search_path = pg_catalog";
    other_database => "SELECT * FROM other.public.orders", "always refused";
    in_a_subquery => "SELECT (SELECT count(*) FROM public.customers)", r#"read = ["public.customers"]"#;
    in_a_join => "SELECT 1 FROM public.orders o LEFT JOIN LATERAL (TABLE public.customers) c ON true",
        r#"read = ["public.customers"]"#;
    in_a_with => "WITH a AS (SELECT * FROM public.customers) SELECT 1", r#"read = ["public.customers"]"#;
    in_explain => "EXPLAIN SELECT * FROM public.customers", r#"read = ["public.customers"]"#;
    other_function => "SELECT public.f()", r#"functions = ["public.f"]"#;
    function_to_call => "SELECT squeeze.squeeze_table('public', 'orders')", r#"functions = ["squeeze.squeeze_table"]"#;
    a_change => "DELETE FROM public.orders", "query reads";
    an_explained_change => "EXPLAIN ANALYZE DELETE FROM public.orders", "query reads";
    an_explained_execution => "EXPLAIN EXECUTE p", "query reads";
    an_explained_creation => "EXPLAIN ANALYZE CREATE TABLE public.x AS SELECT 1", "query reads";
    vacuum => "VACUUM public.orders", "query reads";
    call => "CALL partman.run_maintenance_proc()", "query reads";
}

allowed! { shop.copy_out:
    copied => "SELECT * FROM public.orders WHERE id < 10;",
}

refused! { shop.copy_out:
    copied_without_a_grant => "TABLE public.customers", r#"read = ["public.customers"]"#;
    copied_show => "SHOW max_connections", "always refused";
    copied_explain => "EXPLAIN SELECT 1", "always refused";
}

#[test]
fn what_is_sent_is_what_was_judged() {
    let statement = sql_common::catalogue().query("  SELECT 'a;--b' /* c */, $$;$$ -- d\n, 2 ; -- e").unwrap();
    assert_eq!(statement.text, "SELECT 'a;--b'  , $$;$$  \n, 2");
    assert_eq!(statement.kind, ReadKind::Select);
    assert_eq!(sql_common::catalogue().query("SHOW work_mem").unwrap().kind, ReadKind::Show);
    assert_eq!(sql_common::catalogue().query("EXPLAIN SELECT 1").unwrap().kind, ReadKind::Explain);
}

#[test]
fn the_audit_shows_no_literal_and_no_more_than_it_should() {
    let sql = "SELECT 'secret', E'secret', U&'secret', $tag$secret$tag$, B'0', X'ff', 42, 4.2, $1 FROM pg_class \
        WHERE relname = 'secret' -- secret";
    let statement = sql_common::catalogue().query(sql).unwrap();
    assert_eq!(statement.redacted, "SELECT ?, ?, ?, ?, ?, ?, ?, ?, $1 FROM pg_class WHERE relname = ?");
    let long = format!("SELECT {}", vec!["relname"; 200].join(", ")) + " FROM pg_class";
    assert_eq!(sql_common::catalogue().query(&long).unwrap().redacted.chars().count(), 300);
}

#[test]
fn a_refusal_repeats_no_literal() {
    for sql in [
        "SELECT current_setting('topsecret')",
        "SELECT public.f('topsecret')",
        "SELECT FROM WHERE 'topsecret'",
        "SELECT set_config('topsecret', 'topsecret', false)",
        "SELECT * FROM public.t WHERE a = 'topsecret'",
    ] {
        let refusal = sql_common::catalogue().query(sql).unwrap_err();
        assert!(!format!("{refusal} {refusal:?} {}", refusal.rule()).contains("topsecret"), "{refusal}");
    }
}

#[test]
fn every_setting_is_readable_where_the_view_is_granted() {
    let mut grant = sql_common::catalogue();
    grant.read = vec!["pg_catalog.pg_settings".into()];
    for sql in [
        "SELECT * FROM pg_settings",
        "SHOW archive_command",
        "SHOW ALL",
        "SELECT current_setting(name) FROM pg_settings",
    ] {
        grant.query(sql).unwrap();
    }
    grant.read = vec!["*.*".into(), "pg_catalog.*".into()];
    assert!(matches!(grant.query("SHOW archive_command"), Err(Refusal::ReadSetting { .. })));
    assert!(matches!(grant.query("SELECT * FROM pg_settings"), Err(Refusal::Secret { .. })));
}
