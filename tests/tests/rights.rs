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
bind.primary = "postgres.main"
[tasks.index-health]
plugin = "postgres-index-health"
bind.database = "postgres.main"
[tasks.vacuum]
plugin = "postgres-vacuum"
bind.database = "postgres.main"
[tasks.rows]
plugin = "test-rows"
bind.database = "postgres.main"
"#;

/// What takes a granting statement back.
fn revoked(statement: &str) -> Option<String> {
    let words = statement.trim_end_matches(';');
    if let Some(rest) = words.strip_prefix("GRANT ") {
        let (what, role) = rest.rsplit_once(" TO ")?;
        let role = role.split(" WITH ").next()?;
        return Some(format!("REVOKE {what} FROM {role}"));
    }
    None
}

#[test]
fn without_any_one_right_of_the_role_doctor_says_so() {
    let server = Postgres::start_with(&["autovacuum=off"]);
    for sql in [
        "CREATE EXTENSION amcheck; CREATE EXTENSION pgstattuple",
        "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC",
        "CREATE ROLE seller; CREATE TABLE public.measured (id int); CREATE TABLE public.orders (id int PRIMARY KEY)",
        "ALTER TABLE public.orders OWNER TO seller; ALTER TABLE public.measured OWNER TO seller",
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
    let statements: Vec<&str> = printed
        .stdout
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '-']))
        .collect();
    server.execute(&statements.join("\n"));
    let well = host.run(&["doctor"]);
    assert_eq!(well.code, 0, "{statements:#?} {well:?}");
    let rights: Vec<(&str, String)> =
        statements.iter().filter_map(|statement| Some((*statement, revoked(statement)?))).collect();
    assert!(rights.len() >= 3, "{statements:#?}");
    for (given, taken) in &rights {
        server.execute(taken);
        let lacking = host.run(&["doctor"]);
        assert_ne!(lacking.code, 0, "without `{given}` doctor is content: {lacking:?}");
        server.execute(given);
        let again = host.run(&["doctor"]);
        assert_eq!(again.code, 0, "with `{given}` again: {again:?}");
    }
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
    let rights: Vec<usize> = (3..words.len()).filter(|place| words[*place].starts_with(['+', '~', '%'])).collect();
    assert!(rights.len() >= 3, "{line}");
    for place in rights {
        let mut fewer = words.clone();
        let word = fewer.remove(place);
        set(&fewer);
        let lacking = host.run(&["doctor"]);
        assert_ne!(lacking.code, 0, "without `{word}` doctor is content: {lacking:?}");
        let named = word.trim_start_matches(['+', '~', '%']).split('|').next().unwrap_or_default();
        let said = format!("{}{}", lacking.stdout, lacking.stderr);
        assert!(said.contains(named), "`{word}` is named: {said}");
    }
    set(&words);
    assert_eq!(host.run(&["doctor"]).code, 0);
}
