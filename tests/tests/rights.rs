//! The least role and the least Redis user: with all that `roles` prints everything works, and without any one right of
//! it `doctor` says so.

use std::{fs, os::unix::fs::PermissionsExt};

use hostler_tests::{Hostler, Postgres, RedisServer};

const TASKS: &str = r#"
[tasks.connections]
plugin = "postgres-connections"
bind.database = "postgres.main"
[tasks.replication]
plugin = "postgres-replication"
bind.database = "postgres.main"
[tasks.index-health]
plugin = "postgres-index-health"
bind.database = "postgres.main"
[tasks.vacuum]
plugin = "postgres-vacuum"
bind.database = { resource = "postgres.main", write = ["public.orders"] }
[tasks.rows]
plugin = "test-rows"
bind.database = "postgres.main"
"#;

/// Each right that the role has of its own: what takes it away, what gives it back, and whether it is still there.
const RIGHTS: &str = "
    SELECT format('REVOKE %1$I FROM keeper|GRANT %1$I TO keeper|SELECT pg_has_role(''keeper'', %1$L, ''MEMBER'')', r.rolname)
    FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE m.member = 'keeper'::regrole
    UNION ALL
    SELECT format('REVOKE %1$s ON DATABASE %2$I FROM keeper|GRANT %1$s ON DATABASE %2$I TO keeper|SELECT has_database_privilege(''keeper'', %2$L, %1$L)',
                  a.privilege_type, d.datname)
    FROM pg_database d, aclexplode(d.datacl) a WHERE a.grantee = 'keeper'::regrole
    UNION ALL
    SELECT format('REVOKE %1$s ON SCHEMA %2$I FROM keeper|GRANT %1$s ON SCHEMA %2$I TO keeper|SELECT has_schema_privilege(''keeper'', %2$L, %1$L)',
                  a.privilege_type, n.nspname)
    FROM pg_namespace n, aclexplode(n.nspacl) a WHERE a.grantee = 'keeper'::regrole
    UNION ALL
    SELECT format('REVOKE %1$s ON %2$s FROM keeper|GRANT %1$s ON %2$s TO keeper|SELECT has_table_privilege(''keeper'', %2$L, %1$L)',
                  a.privilege_type, c.oid::regclass)
    FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee = 'keeper'::regrole AND c.relkind <> 'S'
    UNION ALL
    SELECT format('REVOKE %1$s ON SEQUENCE %2$s FROM keeper|GRANT %1$s ON SEQUENCE %2$s TO keeper|SELECT has_sequence_privilege(''keeper'', %2$L, %1$L)',
                  a.privilege_type, c.oid::regclass)
    FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee = 'keeper'::regrole AND c.relkind = 'S'
    UNION ALL
    SELECT format('REVOKE %1$s ON ROUTINE %2$s FROM keeper|GRANT %1$s ON ROUTINE %2$s TO keeper|SELECT has_function_privilege(''keeper'', %2$L, %1$L)',
                  a.privilege_type, p.oid::regprocedure)
    FROM pg_proc p, aclexplode(p.proacl) a WHERE a.grantee = 'keeper'::regrole";

#[test]
fn without_any_one_right_of_the_role_doctor_says_so() {
    let server = Postgres::start_with(&["autovacuum=off"]);
    for sql in [
        "CREATE EXTENSION amcheck; CREATE EXTENSION pgstattuple",
        "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "CREATE ROLE seller; CREATE TABLE public.measured (id int); CREATE TABLE public.orders (id serial PRIMARY KEY)",
        "ALTER TABLE public.orders OWNER TO seller",
    ] {
        server.execute(sql);
    }
    let host = Hostler::new(&format!("[postgres.main]\ndsn = {:?}\n{TASKS}", server.dsn("keeper", "postgres")));
    host.install(&[
        "postgres-connections",
        "postgres-replication",
        "postgres-index-health",
        "postgres-vacuum",
        "test-rows",
    ]);
    let printed = host.run(&["roles"]);
    assert_eq!(printed.code, 0, "{printed:?}");
    server.execute(&printed.stdout);
    // Before PostgreSQL 17 only an owner may vacuum: what `roles` leaves to the operator, since it is all rights.
    server.execute("GRANT seller TO keeper");
    let well = host.run(&["doctor"]);
    assert_eq!(well.code, 0, "{well:?}");
    let rights = server.values(RIGHTS);
    let mut taken = 0;
    for right in &rights {
        let parts: Vec<&str> = right.split('|').collect();
        server.execute(parts[0]);
        // What it has by another way too was not taken away.
        if server.value(parts[2]) == "f" {
            taken += 1;
            let lacking = host.run(&["doctor"]);
            assert_ne!(lacking.code, 0, "after `{}` doctor is content: {lacking:?}", parts[0]);
        }
        server.execute(parts[1]);
    }
    assert!(taken >= 6, "{taken} of {rights:#?}");
    let again = host.run(&["doctor"]);
    assert_eq!(again.code, 0, "{again:?}");
}

#[test]
fn without_any_one_word_of_the_redis_user_doctor_says_so() {
    let cache = RedisServer::start();
    let host = Hostler::new(&format!(
        "[redis.cache]\nurl = {:?}\nuser = \"keeper\"\npassword_file = \"password\"\n\
         [tasks.memory]\nplugin = \"redis-memory\"\nbind.server = \"redis.cache\"\n\
         [tasks.rate]\nplugin = \"redis-hit-rate\"\nbind.server = \"redis.cache\"\n\
         [tasks.ttl]\nplugin = \"redis-ttl\"\nbind.server = \"redis.cache\"\nsettings = {{ prefixes = [\"page:\"] }}\n",
        cache.url()
    ));
    let password = host.path().join("password");
    fs::write(&password, "PASSWORD").expect("a file");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("permissions");
    host.install(&["redis-memory", "redis-hit-rate", "redis-ttl"]);
    let printed = host.run(&["roles"]).stdout;
    let line = printed.lines().find(|line| line.starts_with("ACL SETUSER")).unwrap_or_else(|| panic!("{printed}"));
    let words: Vec<&str> = line.split(' ').collect();
    let set = |words: &[&str]| {
        let () = redis::cmd("ACL").arg(&["SETUSER", "keeper", "reset"]).query(&mut cache.connection()).expect("reset");
        redis::cmd("ACL").arg(&words[1..]).query::<()>(&mut cache.connection()).expect("it is set");
    };
    set(&words);
    let well = host.run(&["doctor"]);
    assert_eq!(well.code, 0, "{line}: {well:?}");
    for (word, fewer) in each_taken_away(&words) {
        set(&fewer.iter().map(String::as_str).collect::<Vec<_>>());
        let lacking = host.run(&["doctor"]);
        assert_ne!(lacking.code, 0, "without `{word}` of `{line}` doctor is content: {lacking:?}");
        let named = word.trim_start_matches(['+', '~', '%', 'R']).split('|').next().unwrap_or_default();
        let said = format!("{}{}", lacking.stdout, lacking.stderr);
        assert!(said.contains(named), "`{word}` is named: {said}");
    }
    set(&words);
    assert_eq!(host.run(&["doctor"]).code, 0);
}

/// Each right of a line once, with the line that lacks it: a command in every selector that gives it (one of them is
/// enough), a pattern in its own.
fn each_taken_away(words: &[&str]) -> Vec<(String, Vec<String>)> {
    // `(+a +b ~x)` is a selector; what stands outside is one too, the user's own.
    let bare = |word: &str| word.trim_matches(['(', ')']).to_owned();
    let without = |gone: &dyn Fn(usize) -> bool| {
        let mut line: Vec<String> = Vec::new();
        let mut selector: Option<Vec<String>> = None;
        for (place, word) in words.iter().enumerate() {
            if word.starts_with('(') {
                selector = Some(vec![]);
            }
            if !gone(place) {
                selector.as_mut().unwrap_or(&mut line).push(bare(word));
            }
            if word.ends_with(')') {
                let inside = selector.take().unwrap_or_default();
                if inside.iter().any(|word| word.starts_with('+')) {
                    line.push(format!("({})", inside.join(" ")));
                }
            }
        }
        line
    };
    let mut all = Vec::new();
    for (place, word) in words.iter().enumerate().skip(3) {
        let word = bare(word);
        let seen = words[..place].iter().any(|earlier| bare(earlier) == word);
        if word.starts_with('+') && !seen {
            all.push((word.clone(), without(&|other| bare(words[other]) == word)));
        } else if word.starts_with(['~', '%']) {
            all.push((word, without(&|other| other == place)));
        }
    }
    assert!(all.len() >= 6, "{words:?}");
    all
}
