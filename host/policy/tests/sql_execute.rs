//! What plugins send to change, and what of it is refused for want of a grant.

#[macro_use]
mod sql_common;

allowed! { shop.execute:
    vacuum => "VACUUM (ANALYZE, SKIP_LOCKED, PARALLEL 2, INDEX_CLEANUP auto) public.orders",
    vacuum_not_full => "VACUUM (FULL false) public.orders",
    vacuum_columns => "VACUUM ANALYZE public.orders (id, name), public.metrics",
    vacuum_catalogue => "VACUUM pg_catalog.pg_attribute",
    vacuum_toast => "VACUUM pg_toast.pg_toast_1234",
    analyze => "ANALYZE public.orders",
    reindex_index => "REINDEX INDEX CONCURRENTLY public.orders_pkey",
    reindex_table => "REINDEX (VERBOSE, CONCURRENTLY) TABLE public.orders",
    drop_leftover => "DROP INDEX CONCURRENTLY IF EXISTS public.orders_pkey_ccnew",
    drop_table => "DROP TABLE IF EXISTS archive.orders_2019, archive.orders_2020",
    insert_values => "INSERT INTO public.customers (name) VALUES ($1), (DEFAULT)",
    insert_select => "INSERT INTO archive.orders SELECT * FROM public.orders WHERE id = ANY ($1) ON CONFLICT DO NOTHING",
    insert_returning => "INSERT INTO public.orders DEFAULT VALUES RETURNING id",
    delete => "DELETE FROM public.customers WHERE ctid = ANY ($1)",
    delete_using => "DELETE FROM public.customers c USING public.orders o WHERE o.id = c.id",
    delete_returning => "DELETE FROM public.orders WHERE id = ANY ($1) RETURNING *",
    move_rows => "WITH moved AS (DELETE FROM public.orders WHERE id < $1 RETURNING *) INSERT INTO archive.orders TABLE moved",
    count_deleted => "WITH gone AS (DELETE FROM public.orders WHERE id < $1 RETURNING 1) SELECT count(*) FROM gone",
    detach => "ALTER TABLE public.orders DETACH PARTITION public.orders_2019 CONCURRENTLY",
    detach_finalize => "ALTER TABLE public.orders DETACH PARTITION public.orders_2019 FINALIZE",
    attach => "ALTER TABLE public.orders ATTACH PARTITION public.orders_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
    storage => "ALTER TABLE public.orders SET (autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_enabled = true)",
    update_extension => "ALTER EXTENSION postgis UPDATE TO '3.5'",
    next_partition => "CREATE TABLE IF NOT EXISTS public.orders_2025 PARTITION OF public.orders FOR VALUES FROM ('2025-01-01') TO (MAXVALUE)",
    same_shape => "CREATE TABLE public.orders_2025 (LIKE public.orders INCLUDING ALL) WITH (fillfactor = 90)",
    table => "CREATE TABLE archive.rollup (month date NOT NULL, labels jsonb DEFAULT '{}'::jsonb, total numeric(10, 2) \
        CHECK (total >= 0), made timestamptz DEFAULT now(), id bigint GENERATED ALWAYS AS IDENTITY, \
        order_id bigint REFERENCES public.orders, twice int GENERATED ALWAYS AS (1 + 1) STORED, name text COLLATE \"C\", \
        PRIMARY KEY (month, id)) PARTITION BY RANGE (month)",
    table_as => "CREATE TABLE archive.orders AS SELECT * FROM public.orders WHERE id < 10 WITH NO DATA",
    index => "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_name ON public.orders USING btree (lower(name) text_pattern_ops DESC) \
        INCLUDE (id) WITH (fillfactor = 90) WHERE id > 10",
    scratch => "CREATE DATABASE scratch_restore TEMPLATE template0 ENCODING 'UTF8'",
    scratch_dropped => "DROP DATABASE IF EXISTS scratch_restore",
    function => "SELECT squeeze.squeeze_table('public', $1, NULL::name, ARRAY['a', 'b']::text[])",
    procedure => "CALL partman.run_maintenance_proc(p_wait => 0, p_analyze => true)",
    function_of_the_catalogue => "SELECT pg_promote(true, 60)",
}

refused! { shop.execute:
    vacuum_full => "VACUUM FULL public.orders", r#"statements = ["VACUUM FULL"]"#;
    vacuum_full_as_an_option => "VACUUM (ANALYZE, FULL) public.orders", r#"statements = ["VACUUM FULL"]"#;
    vacuum_full_in_words => "VACUUM (FULL on) public.orders", r#"statements = ["VACUUM FULL"]"#;
    vacuum_full_twice => "VACUUM (FULL false, FULL) public.orders", r#"statements = ["VACUUM FULL"]"#;
    vacuum_everything => "VACUUM", "execute names its objects";
    vacuum_without_a_schema => "VACUUM orders", "search_path = pg_catalog";
    vacuum_elsewhere => "VACUUM public.orders, private.orders", r#"write = ["private.orders"]"#;
    vacuum_more_of_the_catalogue => "VACUUM pg_catalog.pg_class", r#"write = ["pg_catalog.pg_class"]"#;
    vacuum_with_an_unknown_option => "VACUUM (ONLY_DATABASE_STATS) public.orders", "always refused";
    analyze_everything => "ANALYZE", "execute names its objects";
    reindex_blocking => "REINDEX TABLE public.orders", r#"statements = ["REINDEX"]"#;
    reindex_not_concurrently => "REINDEX (CONCURRENTLY off) TABLE public.orders", r#"statements = ["REINDEX"]"#;
    reindex_schema => "REINDEX SCHEMA CONCURRENTLY public", "execute names its objects";
    reindex_database => "REINDEX DATABASE CONCURRENTLY shop", "execute names its objects";
    reindex_to_a_tablespace => "REINDEX (TABLESPACE x, CONCURRENTLY) TABLE public.orders", "always refused";
    drop_index => "DROP INDEX public.orders_pkey", r#"statements = ["DROP INDEX"]"#;
    drop_cascade => "DROP TABLE public.orders CASCADE", r#"statements = ["DROP TABLE CASCADE"]"#;
    drop_of_the_catalogue => "DROP TABLE pg_catalog.pg_attribute", "always refused";
    drop_view => "DROP VIEW public.v", r#"statements = ["DROP VIEW"]"#;
    truncate => "TRUNCATE public.orders", r#"statements = ["TRUNCATE"]"#;
    update => "UPDATE public.orders SET name = ''", r#"statements = ["UPDATE"]"#;
    insert_that_updates => "INSERT INTO public.orders VALUES (1) ON CONFLICT (id) DO UPDATE SET name = ''", r#"statements = ["UPDATE"]"#;
    insert_elsewhere => "INSERT INTO private.orders VALUES (1)", r#"write = ["private.orders"]"#;
    insert_from_elsewhere => "INSERT INTO public.orders SELECT * FROM public.customers", r#"read = ["public.customers"]"#;
    insert_from_secrets => "INSERT INTO public.orders SELECT rolpassword FROM pg_authid", r#"read = ["pg_catalog.pg_authid"]"#;
    insert_what_a_function_does => "INSERT INTO public.orders VALUES (lo_create(0))", "always refused";
    insert_into_the_catalogue => "INSERT INTO pg_catalog.pg_attribute VALUES (1)", "always refused";
    insert_without_a_schema => "INSERT INTO orders VALUES (1)", "search_path = pg_catalog";
    delete_returning_elsewhere => "DELETE FROM public.customers RETURNING *", r#"read = ["public.customers"]"#;
    delete_using_elsewhere => "DELETE FROM public.orders USING private.t", r#"read = ["private.t"]"#;
    delete_where_elsewhere => "DELETE FROM public.orders WHERE id IN (SELECT id FROM private.t)", r#"read = ["private.t"]"#;
    delete_by_function => "DELETE FROM public.orders WHERE pg_sleep(1) IS NULL", r#"functions = ["pg_catalog.pg_sleep"]"#;
    delete_by_field => "DELETE FROM public.orders o USING unnest(array[1]) t WHERE t.pg_terminate_backend", "always refused";
    delete_in_a_with_elsewhere => "WITH d AS (DELETE FROM private.t) SELECT 1", r#"write = ["private.t"]"#;
    update_in_a_with => "WITH d AS (UPDATE public.orders SET id = 1) DELETE FROM public.orders", r#"statements = ["UPDATE"]"#;
    merge => "MERGE INTO public.orders USING public.orders o ON true WHEN MATCHED THEN DELETE", r#"statements = ["MERGE"]"#;
    attach_elsewhere => "ALTER TABLE public.orders ATTACH PARTITION private.t DEFAULT", r#"write = ["private.t"]"#;
    detach_elsewhere => "ALTER TABLE private.t DETACH PARTITION public.orders", r#"write = ["private.t"]"#;
    validate => "ALTER TABLE public.orders VALIDATE CONSTRAINT c", r#"statements = ["ALTER TABLE VALIDATE CONSTRAINT"]"#;
    two_actions => "ALTER TABLE public.orders SET (fillfactor = 90), OWNER TO x", "always refused";
    storage_of_an_extension => "ALTER TABLE public.orders SET (user_catalog_table = true)", "always refused";
    other_extension => "ALTER EXTENSION dblink UPDATE", r#"write = ["dblink"]"#;
    default_that_calls => "CREATE TABLE public.x (a int DEFAULT lo_create(0))", "always refused";
    default_that_calls_elsewhere => "CREATE TABLE public.x (a int DEFAULT public.f())", r#"functions = ["public.f"]"#;
    check_that_calls => "CREATE TABLE public.x (a int, CHECK (public.f(a)))", r#"functions = ["public.f"]"#;
    generated_by_a_call => "CREATE TABLE public.x (a int GENERATED ALWAYS AS (public.f()) STORED)", r#"functions = ["public.f"]"#;
    key_to_elsewhere => "CREATE TABLE public.x (a int REFERENCES private.t)", r#"write = ["private.t"]"#;
    parent_elsewhere => "CREATE TABLE public.x PARTITION OF private.t DEFAULT", r#"write = ["private.t"]"#;
    shape_of_elsewhere => "CREATE TABLE public.x (LIKE private.t)", r#"read = ["private.t"]"#;
    column_type_of_elsewhere => "CREATE TABLE public.x (a private.t)", "always refused";
    table_of_a_type => "CREATE TABLE public.x OF private.t", "always refused";
    temporary_table => "CREATE TEMP TABLE x (a int)", "always refused";
    temporary_table_by_schema => "CREATE TABLE pg_temp.pg_class (a int)", "always refused";
    table_in_a_tablespace => "CREATE TABLE public.x (a int) TABLESPACE y", "always refused";
    table_of_an_access_method => "CREATE TABLE public.x (a int) USING y", "always refused";
    table_excluding => "CREATE TABLE public.x (a int, EXCLUDE USING gist (a WITH =))", "always refused";
    table_as_elsewhere => "CREATE TABLE public.x AS SELECT * FROM private.t", r#"read = ["private.t"]"#;
    table_as_execution => "CREATE TABLE public.x AS EXECUTE p", "always refused";
    table_partitioned_by_a_call => "CREATE TABLE public.x (a int) PARTITION BY RANGE (public.f(a))", r#"functions = ["public.f"]"#;
    index_blocking => "CREATE INDEX ON public.orders (id)", r#"statements = ["CREATE INDEX"]"#;
    index_unique => "CREATE UNIQUE INDEX CONCURRENTLY ON public.orders (id)", r#"statements = ["CREATE UNIQUE INDEX CONCURRENTLY"]"#;
    index_that_calls => "CREATE INDEX CONCURRENTLY ON public.orders (public.f(id))", r#"functions = ["public.f"]"#;
    index_where_it_calls => "CREATE INDEX CONCURRENTLY ON public.orders (id) WHERE public.f(id)", r#"functions = ["public.f"]"#;
    index_of_a_class => "CREATE INDEX CONCURRENTLY ON public.orders (id public.ops)", "always refused";
    index_of_an_access_method => "CREATE INDEX CONCURRENTLY ON public.orders USING bloom (id)", "always refused";
    index_in_a_tablespace => "CREATE INDEX CONCURRENTLY ON public.orders (id) TABLESPACE x", "always refused";
    copy_of_a_database => "CREATE DATABASE scratch_copy TEMPLATE shop", "always refused";
    owned_database => "CREATE DATABASE scratch_copy OWNER postgres", "always refused";
    other_database => "DROP DATABASE shop", r#"write = ["shop"]"#;
    database_in_use => "DROP DATABASE scratch_restore (FORCE)", r#"statements = ["DROP DATABASE FORCE"]"#;
    other_function => "SELECT squeeze.stop_worker(1)", r#"call = ["squeeze.stop_worker"]"#;
    other_procedure => "CALL public.p()", r#"call = ["public.p"]"#;
    function_of_a_query => "SELECT squeeze.squeeze_table((SELECT 'public'), 'orders')", "call takes constants and parameters";
    function_of_a_function => "CALL partman.run_maintenance_proc(lo_create(0))", "call takes constants and parameters";
    function_of_a_type => "SELECT squeeze.squeeze_table('x'::public.t)", "always refused";
    function_and_more => "SELECT squeeze.squeeze_table('public', 'a'), 1", r#"functions = ["squeeze.squeeze_table"]"#;
    function_for_each => "SELECT squeeze.squeeze_table('public', 'a') FROM pg_class", r#"functions = ["squeeze.squeeze_table"]"#;
    a_query => "SELECT * FROM pg_class", "execute changes";
    a_setting => "SHOW max_connections", "execute changes";
}

mod partition {
    use super::sql_common;

    allowed! { partitions.execute:
        range => "CREATE TABLE public.orders_2025 PARTITION OF public.orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
        if_missing => "CREATE TABLE IF NOT EXISTS public.orders_max PARTITION OF public.orders FOR VALUES FROM (10) TO (MAXVALUE)",
        list => "CREATE TABLE public.orders_de PARTITION OF public.orders FOR VALUES IN ('de', 'at')",
        default => "CREATE TABLE public.orders_rest PARTITION OF public.orders DEFAULT",
        hash => "CREATE TABLE public.orders_1 PARTITION OF public.orders FOR VALUES WITH (MODULUS 4, REMAINDER 1)",
        storage => "CREATE TABLE public.orders_2025 PARTITION OF public.orders DEFAULT WITH (fillfactor = 90)",
    }

    refused! { partitions.execute:
        plain => "CREATE TABLE public.orders_2025 (id int)", r#"statements = ["CREATE TABLE"]"#;
        inherits => "CREATE TABLE public.orders_2025 () INHERITS (public.orders)", r#"statements = ["CREATE TABLE"]"#;
        like => "CREATE TABLE public.orders_2025 (LIKE public.orders)", r#"statements = ["CREATE TABLE"]"#;
        of_a_query => "CREATE TABLE public.orders_2025 AS SELECT 1", r#"statements = ["CREATE TABLE"]"#;
        of_another_parent => "CREATE TABLE public.orders_2025 PARTITION OF public.users DEFAULT", r#"write = ["public.users"]"#;
        by_another_name => "CREATE TABLE public.users_2025 PARTITION OF public.orders DEFAULT", r#"write = ["public.users_2025"]"#;
        in_another_schema => "CREATE TABLE private.orders_2025 PARTITION OF public.orders DEFAULT", r#"write = ["private.orders_2025"]"#;
        in_the_catalogue => "CREATE TABLE pg_catalog.orders_2025 PARTITION OF public.orders DEFAULT", "always refused";
        without_a_schema => "CREATE TABLE orders_2025 PARTITION OF public.orders DEFAULT", "search_path = pg_catalog";
        of_a_parent_without_a_schema => "CREATE TABLE public.orders_2025 PARTITION OF orders DEFAULT", "search_path = pg_catalog";
        with_a_default => "CREATE TABLE public.orders_2025 PARTITION OF public.orders (id DEFAULT 7) DEFAULT", "always refused";
        with_a_check => "CREATE TABLE public.orders_2025 PARTITION OF public.orders (CHECK (id > 0)) DEFAULT", "always refused";
        with_a_foreign_key => "CREATE TABLE public.orders_2025 PARTITION OF public.orders (FOREIGN KEY (id) REFERENCES public.orders_1) DEFAULT", "always refused";
        with_a_level => "CREATE TABLE public.orders_2025 PARTITION OF public.orders DEFAULT PARTITION BY RANGE (id)", "always refused";
        temporary => "CREATE TEMP TABLE orders_2025 PARTITION OF public.orders DEFAULT", "always refused";
        unlogged => "CREATE UNLOGGED TABLE public.orders_2025 PARTITION OF public.orders DEFAULT", "always refused";
        elsewhere_on_the_disk => "CREATE TABLE public.orders_2025 PARTITION OF public.orders DEFAULT TABLESPACE x", "always refused";
        of_an_access_method => "CREATE TABLE public.orders_2025 PARTITION OF public.orders DEFAULT USING columnar", "always refused";
        of_an_option => "CREATE TABLE public.orders_2025 PARTITION OF public.orders DEFAULT WITH (user_catalog_table = true)", "always refused";
        bounds_that_call => "CREATE TABLE public.orders_2025 PARTITION OF public.orders FOR VALUES FROM (lo_create(1)) TO (MAXVALUE)", "always refused";
        bounds_that_read => "CREATE TABLE public.orders_2025 PARTITION OF public.orders FOR VALUES FROM ((SELECT id FROM private.t)) TO (MAXVALUE)", r#"read = ["private.t"]"#;
        foreign => "CREATE FOREIGN TABLE public.orders_2025 PARTITION OF public.orders DEFAULT SERVER s", "always refused";
        attached => "ALTER TABLE public.orders ATTACH PARTITION public.orders_2025 DEFAULT", r#"statements = ["ALTER TABLE ATTACH PARTITION"]"#;
        and_more => "CREATE TABLE public.orders_2025 PARTITION OF public.orders DEFAULT; DROP TABLE public.orders", "one statement that parses";
    }

    #[test]
    fn its_words_and_objects_are_those_of_the_grant() {
        let sql = "CREATE TABLE public.orders_2025 PARTITION OF public.orders DEFAULT";
        let change = sql_common::partitions().execute(sql).unwrap();
        assert_eq!((change.words.as_str(), change.transactional), ("CREATE TABLE PARTITION OF", true));
        assert_eq!(change.objects, ["public.orders_2025", "public.orders"]);
        let wider = sql_common::shop().execute(sql).unwrap();
        assert_eq!(wider.words, "CREATE TABLE", "which covers it");
        let none = hostler_policy::sql::PostgresGrant { statements: vec![], ..sql_common::partitions() };
        assert_eq!(none.execute(sql).unwrap_err().rule(), r#"statements = ["CREATE TABLE PARTITION OF"]"#);
    }
}

#[test]
fn what_is_known_of_a_change() {
    let change = |sql| sql_common::shop().execute(sql).unwrap();
    let vacuum = change("VACUUM (ANALYZE) public.orders, public.\"Odd.Name\" ; -- done");
    assert_eq!(vacuum.text, "VACUUM (ANALYZE) public.orders, public.\"Odd.Name\"");
    assert_eq!(vacuum.words, "VACUUM");
    assert_eq!(vacuum.objects, ["public.orders", "public.\"Odd.Name\""]);
    assert!(!vacuum.transactional && !vacuum.returning);

    let moved = change(
        "WITH moved AS (DELETE FROM public.orders WHERE name = 'x' RETURNING *) INSERT INTO archive.orders TABLE moved",
    );
    assert_eq!((moved.words.as_str(), moved.transactional, moved.returning), ("INSERT", true, false));
    assert_eq!(moved.objects, ["archive.orders", "public.orders"]);
    assert!(moved.redacted.contains("name = ?"));

    assert!(change("DELETE FROM public.orders RETURNING id").returning);
    assert!(change("ANALYZE public.orders").transactional);
    assert!(!change("ALTER TABLE public.orders DETACH PARTITION public.p CONCURRENTLY").transactional);
    assert!(change("ALTER TABLE public.orders DETACH PARTITION public.p").transactional);
    let call = change("SELECT squeeze.squeeze_table('public', 'orders')");
    assert_eq!(
        (call.words.as_str(), call.objects[0].as_str(), call.returning),
        ("CALL", "squeeze.squeeze_table", true)
    );
}

#[test]
fn changes_that_need_more_words() {
    let mut grant = sql_common::shop();
    grant.statements.extend(["UPDATE".into(), "MERGE".into(), "TRUNCATE".into()]);
    for sql in [
        "INSERT INTO public.orders VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
        "MERGE INTO public.orders o USING public.metrics m ON m.id = o.id WHEN MATCHED THEN DELETE \
            WHEN NOT MATCHED THEN INSERT (id) VALUES (m.id)",
        "UPDATE public.orders o SET (name, id) = (SELECT m.a, m.b FROM public.metrics m) FROM public.metrics x",
        "TRUNCATE public.orders RESTART IDENTITY",
    ] {
        if let Err(refusal) = grant.execute(sql) {
            panic!("{refusal}\n{sql}");
        }
    }
    assert_eq!(
        grant.execute("TRUNCATE public.orders CASCADE").unwrap_err().rule(),
        r#"statements = ["TRUNCATE CASCADE"]"#
    );
    grant.statements.retain(|words| words != "DELETE");
    let merge = "MERGE INTO public.orders o USING public.metrics m ON m.id = o.id WHEN MATCHED THEN DELETE";
    assert_eq!(grant.execute(merge).unwrap_err().rule(), r#"statements = ["DELETE"]"#);
}

#[test]
fn settings_are_a_closed_list() {
    let grant = sql_common::shop();
    for (name, value) in [
        ("lock_timeout", "5s"),
        ("Lock_Timeout", "500"),
        ("maintenance_work_mem", "1 GB"),
        ("synchronous_commit", "local"),
        ("jit", "off"),
    ] {
        grant.setting(name, value).unwrap();
    }
    for (name, value, rule) in [
        ("work_mem", "1GB", r#"settings = ["work_mem"]"#),
        ("lock_timeout", "0", "a value of the setting"),
        ("lock_timeout", "0.1ms", "a value of the setting"),
        ("lock_timeout", "1us", "a value of the setting"),
        ("lock_timeout", "-1", "a value of the setting"),
        ("maintenance_work_mem", "1GB'; DROP TABLE x", "a value of the setting"),
        ("maintenance_work_mem", "", "a value of the setting"),
        ("synchronous_commit", "off", "a value of the setting"),
        ("role", "postgres", "always refused"),
        ("search_path", "public", "always refused"),
        ("session_replication_role", "replica", "always refused"),
        ("default_transaction_read_only", "off", "always refused"),
        ("my.own", "1", "always refused"),
    ] {
        assert_eq!(grant.setting(name, value).unwrap_err().rule(), rule, "{name} = {value}");
    }
}
