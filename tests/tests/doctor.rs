//! `doctor`, `roles`, `check` and the history's filters, as an operator meets them.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use hostler_tests::{Hostler, Postgres, RedisServer, component, free_port, tells};

#[test]
fn doctor_says_what_is_well_what_lacks_and_what_is_broken_each_with_its_remedy() {
    let (server, cache) = (Postgres::start(), RedisServer::start());
    server.execute("CREATE ROLE nobody LOGIN");
    let configuration = |user: &str, path: &str| {
        format!(
            "[postgres.main]\ndsn = {:?}\n[redis.cache]\nurl = {:?}\n[directory.logs]\npath = {path:?}\n\
             [program.sleep]\npath = \"/usr/bin/sleep\"\nallow = [{{ arguments = [\"{{1-8}}\"], effect = \"reads\" }}]\n\
             [tasks.connections]\nplugin = \"postgres-connections\"\nbind.database = \"postgres.main\"\n\
             [tasks.memory]\nplugin = \"redis-memory\"\nbind.server = \"redis.cache\"\n",
            server.dsn(user, "postgres"),
            cache.url()
        )
    };
    let host = Hostler::new(&configuration("postgres", "{directory}"));
    host.install(&["postgres-connections", "redis-memory"]);
    let healthy = host.run(&["doctor"]);
    assert_eq!(healthy.code, 0, "{healthy:?}");
    for subject in
        ["postgres.main", "redis.cache", "directory.logs", "program.sleep", "tasks.connections", "tasks.memory"]
    {
        let line = healthy.stdout.lines().find(|line| line.contains(subject));
        assert!(line.is_some_and(|line| line.starts_with("ok ")), "{subject}: {healthy:?}");
    }
    host.configure(&configuration("nobody", "{directory}/nothing"));
    let lacking = host.run(&["doctor"]);
    assert_eq!(lacking.code, 2, "{lacking:?}");
    for said in ["GRANT pg_monitor TO nobody;", "directory.logs"] {
        assert!(lacking.stdout.contains(said), "{said}: {lacking:?}");
    }
    assert!(lacking.stdout.lines().any(|line| line.starts_with("ok ") && line.contains("redis.cache")), "{lacking:?}");
    let one = host.run(&["doctor", "memory"]);
    assert!(one.code == 0 && !one.stdout.contains("postgres.main"), "of one task alone: {one:?}");
    let unknown = host.run(&["doctor", "memroy"]);
    assert!(unknown.code == 64 && unknown.stderr.contains("did you mean memory"), "{unknown:?}");
}

#[test]
fn doctor_of_what_is_down_or_not_installed_ends_and_says_so_without_an_address() {
    let port = free_port().to_string();
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = \"host=127.0.0.1 port={port} user=postgres password=hunter2\"\n\
         [redis.cache]\nurl = \"redis://127.0.0.1:{port}\"\n\
         [tasks.connections]\nplugin = \"postgres-connections\"\nbind.database = \"postgres.main\"\n\
         [tasks.forgotten]\nplugin = \"redis-memory\"\nbind.server = \"redis.cache\"\n"
    ));
    host.install(&["postgres-connections"]);
    let broken = host.run(&["doctor"]);
    assert_eq!(broken.code, 2, "{broken:?}");
    for said in
        ["nothing listens there; is the server running?", "connection refused", "`redis-memory` is not installed"]
    {
        assert!(broken.stdout.contains(said), "{said}: {broken:?}");
    }
    for secret in ["hunter2", &port] {
        assert!(!tells(&broken.stdout, secret) && !tells(&broken.stderr, secret), "{broken:?}");
    }
}

#[test]
fn doctor_asks_the_server_for_each_right_that_a_binding_grants() {
    let server = Postgres::start();
    server.execute("CREATE ROLE nurse LOGIN; CREATE ROLE seller; CREATE TABLE measured (id int)");
    server.execute("CREATE TABLE orders (id int); CREATE TABLE other (id int); ALTER TABLE orders OWNER TO seller");
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = {:?}\n[tasks.rows]\nplugin = \"test-rows\"\nbind.database = \"postgres.main\"\n\
         [tasks.nightly]\nplugin = \"postgres-vacuum\"\n\
         bind.database = {{ resource = \"postgres.main\", write = [\"public.orders\", \"public.absent\"] }}\n",
        server.dsn("nurse", "postgres")
    ));
    host.install(&["test-rows", "postgres-vacuum"]);
    let lacking = host.run(&["doctor"]);
    assert_eq!(lacking.code, 1, "warnings: {lacking:?}");
    let remedies: Vec<&str> = lacking.stdout.lines().filter_map(|line| line.trim().strip_prefix("→ ")).collect();
    for remedy in ["GRANT SELECT ON public.measured TO nurse;", "GRANT pg_monitor TO nurse;", "GRANT seller TO nurse;"]
    {
        assert!(remedies.iter().any(|found| found.starts_with(remedy)), "{remedy}: {lacking:?}");
    }
    let flat = lacking.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "answers as the role nurse, a primary",
        "nurse lacks SELECT on public.measured (for tasks.rows)",
        "nurse may not ANALYZE, VACUUM public.orders: only the owner may (for tasks.nightly)",
        "public.absent does not exist in the database postgres (for tasks.nightly)",
    ] {
        assert!(flat.contains(said), "{said}: {lacking:?}");
    }
    assert!(!flat.contains("public.other"), "no task is bound to it: {lacking:?}");
    for remedy in remedies.iter().filter(|remedy| remedy.starts_with("GRANT ")) {
        server.execute(remedy);
    }
    server.execute("CREATE TABLE absent (id int)");
    let superusers = host.run(&["doctor", "nightly"]).stdout;
    assert!(superusers.contains("ALTER TABLE public.absent OWNER TO nurse;"), "{superusers}");
    assert!(!superusers.contains("GRANT postgres"), "a superuser's rights are not given away: {superusers}");
    server.execute("ALTER TABLE absent OWNER TO nurse");
    let well = host.run(&["doctor"]);
    assert!(well.code == 0 && well.stdout.contains("the role may do what its tasks need"), "{well:?}");
    // A narrower binding asks for less.
    server.execute("REVOKE SELECT ON measured FROM nurse");
    assert_eq!(host.run(&["doctor", "nightly"]).code, 0);
    assert_eq!(host.run(&["doctor", "rows"]).code, 1);
}

/// The files of a resource: told by key and path where an operator looks, and never with what they hold.
#[test]
fn a_file_that_cannot_be_used_is_named_by_doctor_and_before_a_run() {
    let host = Hostler::new("");
    let configuration = |password: &str, dsn: &str| {
        format!(
            "[postgres.main]\ndsn = {dsn:?}\n{password}\
             [tasks.connections]\nplugin = \"postgres-connections\"\nbind.database = \"postgres.main\"\n"
        )
    };
    host.install(&["postgres-connections"]);
    let file = host.path().join("db1.password");
    let shown = file.display().to_string();
    let password = "password_file = \"db1.password\"\n";
    let dsn = "host=127.0.0.1 user=postgres";
    let told = |output: &hostler_tests::Output, words: &[&str]| {
        let flat = format!("{} {}", output.stdout, output.stderr);
        let flat = flat.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(flat.contains(word), "{word}: {output:?}");
        }
        assert!(!flat.contains("hunter2"), "{output:?}");
    };
    let both = |words: &[&str]| {
        let plan = host.run(&["plan", "connections"]);
        assert_eq!(plan.code, 3, "{plan:?}");
        told(&plan, words);
        let plugin = component("postgres-connections").display().to_string();
        told(&host.run(&["check", &plugin, "--accept", "--bind", "database=postgres.main"]), words);
        let doctor = host.run(&["doctor"]);
        assert_eq!(doctor.code, 2, "{doctor:?}");
        told(&doctor, words);
    };
    host.configure(&configuration(password, dsn));
    both(&["postgres.main", &format!("its password_file {shown} does not exist"), &format!("create {shown}")]);
    fs::write(&file, "hunter2").expect("a file");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("permissions");
    both(&[
        &format!("its password_file {shown} may be read or changed by others than its owner (its mode is 0644)"),
        &format!("chmod 600 {shown}"),
    ]);
    host.configure(&configuration("", &format!("{dsn} sslmode=verify-full sslrootcert=/nowhere/ca.crt")));
    both(&["its sslrootcert /nowhere/ca.crt does not exist", "create /nowhere/ca.crt, or correct sslrootcert"]);
    host.configure(&configuration("service_file = \"/nowhere/services\"\n", "service=shop"));
    both(&["its service_file /nowhere/services does not exist"]);

    host.configure(
        "[redis.cache]\nurl = \"rediss://127.0.0.1\"\npassword_file = \"/nowhere/p\"\nroot_certificates = \"/nowhere/c\"\n\
         [endpoint.shop]\nurl = \"https://127.0.0.1\"\nheader_file = \"/nowhere/h\"\n",
    );
    let doctor = host.run(&["doctor"]);
    for (key, path) in
        [("password_file", "/nowhere/p"), ("root_certificates", "/nowhere/c"), ("header_file", "/nowhere/h")]
    {
        told(&doctor, &[&format!("its {key} {path} does not exist"), &format!("create {path}, or correct {key}")]);
    }
}

/// libpq reads no password from a file that others may read, and does not say so.
#[test]
fn a_password_file_of_libpqs_that_is_left_out_is_told() {
    let server = Postgres::start();
    let host = Hostler::new(&format!("[postgres.main]\ndsn = {:?}\n", server.superuser()));
    let file = host.path().join("pgpass");
    fs::write(&file, "*:*:*:*:hunter2\n").expect("a file");
    let doctor = |mode| {
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("permissions");
        let output = host.command(&["doctor"]).env("PGPASSFILE", &file).output().expect("hostler starts");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let (code, loose) = doctor(0o644);
    assert!(code == Some(1) && loose.contains("no password is read from it, as with libpq"), "{loose}");
    assert!(loose.contains(&format!("chmod 600 {}", file.display())) && !loose.contains("hunter2"), "{loose}");
    assert_eq!(doctor(0o600).0, Some(0));
}

#[test]
fn with_the_role_and_the_user_that_roles_prints_all_works() {
    let (server, cache) = (Postgres::start(), RedisServer::start());
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = {:?}\n[redis.cache]\nurl = {:?}\nuser = \"keeper\"\npassword_file = \"password\"\n\
         [tasks.connections]\nplugin = \"postgres-connections\"\nbind.database = \"postgres.main\"\n\
         [tasks.rate]\nplugin = \"redis-hit-rate\"\nbind.server = \"redis.cache\"\n\
         [procedures.all]\ntasks = [\"connections\", \"rate\"]\n",
        server.dsn("keeper", "postgres"),
        cache.url()
    ));
    fs::write(host.path().join("password"), "PASSWORD").expect("a file");
    fs::set_permissions(host.path().join("password"), Permissions::from_mode(0o600)).expect("permissions");
    host.install(&["postgres-connections", "redis-hit-rate"]);
    assert_eq!(host.run(&["doctor"]).code, 2, "neither is there yet");
    let roles = host.run(&["roles"]);
    assert_eq!(roles.code, 0, "{roles:?}");
    assert!(roles.stdout.contains("GRANT pg_monitor TO"), "{roles:?}");
    let (users, statements): (Vec<&str>, Vec<&str>) =
        roles.stdout.lines().filter(|line| !line.starts_with('#')).partition(|line| line.starts_with("ACL SETUSER"));
    server.execute(&statements.join("\n"));
    for user in users {
        let words: Vec<&str> = user.split_whitespace().collect();
        let set = redis::cmd("ACL").arg(&words[1..]).query::<()>(&mut cache.connection());
        set.unwrap_or_else(|error| panic!("{user}: {error}"));
    }
    let doctor = host.run(&["doctor"]);
    assert_eq!(doctor.code, 0, "{roles:?}: {doctor:?}");
    host.run(&["run", "all"]);
    let run = host.run(&["run", "all", "--format", "json"]);
    assert_eq!(run.code, 0, "with the baseline of the run before: {roles:?}: {run:?}");
}

#[test]
fn a_plugin_that_is_not_installed_is_tried_with_bindings_and_settings_of_the_command_line() {
    let server = Postgres::start();
    let host = Hostler::new("");
    let file = component("example-connections").display().to_string();
    let bind = format!("database={}", server.superuser());
    let check = |more: &[&str]| host.run(&[&["check", &file, "--accept", "--format", "json"], more].concat());
    let healthy = check(&["--bind", &bind]);
    assert_eq!((healthy.code, &healthy.task("example-connections")["mode"]), (0, &"check".into()), "{healthy:?}");
    let critical = check(&["--bind", &bind, "--set", "warning=0", "--set", "critical=0"]);
    assert_eq!(critical.code, 2, "{critical:?}");
    assert_eq!(critical.findings("example-connections"), ["critical connections-used server"]);
    let refusals = [
        (&["--bind", &*bind, "--set", "warning=20:10"][..], 78, "--set warning"),
        (&["--bind", &bind, "--set", "warnin=1"], 78, "did you mean `warning`?"),
        (&["--bind", "databse=x"], 78, "did you mean `database`?"),
        (&["--bind", "database=hunter2 is no address"], 78, "--bind database"),
        (&["--bind", "database"], 64, "--bind takes NAME=VALUE"),
        (&[], 78, "--bind database` is missing"),
    ];
    for (options, code, said) in refusals {
        let refused = check(options);
        assert_eq!(refused.code, code, "{options:?}: {refused:?}");
        assert!(refused.stderr.contains(said), "{options:?}: {refused:?}");
        assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
    }
    assert!(host.run(&["list"]).stdout.contains("no plugin is installed"), "it is not installed by that");
}

#[test]
fn a_check_changes_nothing_even_where_its_plugin_would() {
    let host = Hostler::new("");
    let file = component("test-misbehaving").display().to_string();
    let output = host.path().join("output");
    fs::create_dir(&output).expect("a directory");
    let bind = format!("output={}", output.display());
    let checked = host.run(&[
        "check",
        &file,
        "--accept",
        "--bind",
        &bind,
        "--set",
        "behaviour=changes",
        "--set",
        "count=3",
        "--format",
        "json",
    ]);
    assert_eq!(fs::read_dir(&output).expect("the directory").count(), 0, "{checked:?}");
    assert_eq!(checked.task("test-misbehaving")["mode"], "check", "{checked:?}");
    assert_eq!(checked.code, 3, "a check grants nothing that changes, so that the plugin is refused: {checked:?}");
}

#[test]
fn the_history_is_listed_by_task_by_procedure_and_by_number() {
    let host = Hostler::new(
        "[tasks.one]\nplugin = \"example-empty\"\n[tasks.other]\nplugin = \"example-empty\"\n\
         [tasks.off]\nplugin = \"example-empty\"\nenabled = false\n\
         [procedures.daily]\ntasks = [\"one\", \"other\", \"off\"]\n",
    );
    host.install(&["example-empty"]);
    for name in ["daily", "one", "one"] {
        assert_eq!(host.run(&["run", name]).code, 0);
    }
    assert_eq!(host.run(&["plan", "other"]).code, 0);
    let count = |filter: &[&str]| host.history(filter).len();
    assert_eq!((count(&[]), count(&["one"]), count(&["other"]), count(&["daily"])), (5, 3, 2, 2));
    assert_eq!((count(&["off"]), count(&["--limit", "2"]), count(&["one", "--limit", "1"])), (0, 2, 1));
    let runs = host.history(&[]);
    assert!(runs.windows(2).all(|pair| pair[0]["started_at"].as_u64() >= pair[1]["started_at"].as_u64()), "{runs:?}");
    assert_eq!((&runs[0]["task"], &runs[0]["mode"]), (&"other".into(), &"check".into()));
    let whole = runs[4]["run_id"].as_str().expect("a run");
    assert!(host.run(&["history", whole]).stdout.contains("nothing to do"));
    assert!(host.run(&["history", "daily"]).stdout.contains(whole));
    let none = host.run(&["history", "20000101"]);
    assert!(none.code == 69 && none.stderr.contains("`hostler history` lists them"), "{none:?}");
    let ambiguous = host.run(&["history", "20"]);
    assert!(ambiguous.code == 69 && ambiguous.stderr.contains("several runs begin with"), "{ambiguous:?}");
}
