CREATE ROLE hostler LOGIN PASSWORD 'correct horse';
CREATE ROLE "Odd Name" LOGIN;
CREATE ROLE seller NOLOGIN;
CREATE DATABASE shop OWNER hostler;
CREATE DATABASE shop_old OWNER hostler;
CREATE DATABASE raw OWNER hostler ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0;
\connect raw
CREATE TABLE public.bytes (t text);
INSERT INTO public.bytes VALUES (E'a\xff\xfeb');
GRANT SELECT ON public.bytes TO hostler;
\connect shop
GRANT CREATE ON SCHEMA public TO hostler;
CREATE TABLE public.numbers AS
    SELECT g AS id, md5(g::text) AS a, g / 2.0::float8 AS b, '2024-01-01 00:00+00'::timestamptz + g * interval '1 s' AS c
    FROM generate_series(1, 10000) AS g;
CREATE TABLE public.foreign_table (i int);
CREATE TABLE public.orders (id int PRIMARY KEY, note text, at timestamptz DEFAULT '2024-05-06 07:08:09+00');
INSERT INTO public.orders (id, note) SELECT g, 'n' || g FROM generate_series(1, 10) AS g;
CREATE TABLE public.log (line text);
ALTER TABLE public.orders OWNER TO hostler;
ALTER TABLE public.log OWNER TO hostler;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO hostler;
CREATE TYPE public.mood AS ENUM ('glad', 'sad');
CREATE TYPE public.pair AS (x int, y text);
CREATE TABLE public.moods (m public.mood, p public.pair, ms public.mood[]);
INSERT INTO public.moods VALUES ('sad', (1, 'one'), '{glad,sad}'), (NULL, NULL, NULL), ('glad', (NULL, NULL), '{}');
GRANT SELECT ON public.moods TO hostler;
CREATE FUNCTION public.hostile(public.mood) RETURNS text LANGUAGE sql AS $$ SELECT 'run'::text $$;
CREATE CAST (public.mood AS text) WITH FUNCTION public.hostile(public.mood);
-- What no policy could see: functions that are granted as if they only read.
CREATE FUNCTION public.sneak() RETURNS int LANGUAGE sql VOLATILE AS $$ INSERT INTO public.log VALUES ('sneaked'); SELECT 1 $$;
CREATE FUNCTION public.leave() RETURNS text LANGUAGE sql VOLATILE AS
    $$ SELECT pg_advisory_lock(42); SELECT set_config('work_mem', '77MB', false); $$;
CREATE FUNCTION public.setting(name text) RETURNS text LANGUAGE sql AS $$ SELECT current_setting(name) $$;
CREATE FUNCTION public.note(name text) RETURNS int LANGUAGE sql VOLATILE AS
    $$ INSERT INTO public.log VALUES (current_setting(name)); SELECT 1 $$;
CREATE FUNCTION public.pause(s float8) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(s); RETURN 1; END $$;
CREATE FUNCTION public.fail_late(n int) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN IF n > 9000 THEN RAISE EXCEPTION 'too late for %', n; END IF; RETURN n; END $$;
CREATE FUNCTION public.tally(n int) RETURNS int LANGUAGE sql VOLATILE AS
    $$ INSERT INTO public.log SELECT 'tally' FROM generate_series(1, n); SELECT n $$;
