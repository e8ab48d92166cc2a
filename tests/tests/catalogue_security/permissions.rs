//! security-permissions on a real PostgreSQL with an hba file, a real Redis with ACL users, and files as /etc has them.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use hostler_tests::{Hostler, Output, Postgres, RedisServer, binary, servers};

struct Site {
    host: Hostler,
    server: Postgres,
    redis: RedisServer,
}

const TASK: &str = "plugin = \"security-permissions\"\n";

/// A server whose only open doors are those that the test needs itself, with a role for the task.
fn site(settings: &str) -> Site {
    site_of(newest(), settings)
}

fn newest() -> u32 {
    servers().into_iter().max().expect("a server")
}

fn site_of(version: u32, settings: &str) -> Site {
    let server = Postgres::of(version);
    server.execute("CREATE ROLE hostler LOGIN; GRANT SELECT ON pg_hba_file_rules TO hostler;");
    server.execute("GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO hostler");
    server.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let redis = RedisServer::start();
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = \"{}\"\n[redis.cache]\nurl = {:?}\n[directory.etc]\npath = \"{{directory}}/etc\"\n\
         [directory.home]\npath = \"{{directory}}/home\"\n[directory.approved]\npath = \"{{directory}}/approved\"\n\
         [tasks.task]\n{TASK}bind = {{ database = \"postgres.main\", server = \"redis.cache\", \
         directories = [\"directory.etc\", \"directory.home\"], baseline = \"directory.approved\" }}\n\
         settings = {{ {settings} }}\n",
        server.dsn("hostler", "postgres"),
        redis.url(),
    ));
    host.install(&["security-permissions"]);
    let site = Site { host, server, redis };
    fs::create_dir_all(site.path("etc/sudoers.d")).expect("a directory");
    fs::create_dir_all(site.path("home/alice/.ssh")).expect("a directory");
    fs::create_dir_all(site.path("approved")).expect("a directory");
    site.write("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/bash\n", 0o644);
    site.write("etc/group", "root:x:0:\nsudo:x:27:alice\n", 0o644);
    site.write("etc/sudoers", "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n", 0o440);
    site.write("etc/sudoers.d/README", "# nothing\n", 0o440);
    site
}

impl Site {
    fn path(&self, below: &str) -> PathBuf {
        self.host.path().join(below)
    }

    fn write(&self, below: &str, text: &str, mode: u32) {
        let path = self.path(below);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permissions");
    }

    fn run(&self) -> Output {
        self.host.run(&["run", "task", "--format", "json"])
    }

    /// Approves what the last run proposed, faults included where they are wanted.
    fn approve(&self, proposed: &Output, faults: bool) {
        let text = attachment(proposed);
        let text = if faults { text.replace("# postgres ", "postgres ").replace("# redis ", "redis ") } else { text };
        self.write("approved/permissions.txt", &text, 0o644);
    }

    fn acl(&self, words: &[&str]) {
        redis::cmd("ACL").arg(words).query::<()>(&mut self.redis.connection()).expect("an ACL command");
    }
}

/// The list that a run handed out.
fn attachment(output: &Output) -> String {
    let attachment = &output.task("task")["reported"]["attachments"][0];
    assert_eq!(attachment["name"], "permissions.txt", "{output:?}");
    let digits = attachment["content"].as_str().expect("hexadecimal digits").as_bytes().chunks(2);
    let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("a byte"));
    String::from_utf8(bytes.collect()).expect("text")
}

fn has(output: &Output, finding: &str) -> bool {
    output.findings("task").iter().any(|found| found == finding)
}

#[test]
fn what_was_approved_is_ok_and_a_new_superuser_is_critical() {
    servers().into_iter().for_each(approved_and_new);
}

fn approved_and_new(version: u32) {
    let site = site_of(version, "unused = \"0s\"");
    let first = site.run();
    // The faults of a server that a test starts: everybody is let in from this machine, and Redis asks for nothing.
    assert!(first.findings("task").iter().all(|found| !found.contains("not-approved")), "{first:?}");
    assert!(
        has(&first, "unknown baseline-proposed baseline") && has(&first, "warning redis-nopass default"),
        "{first:?}"
    );
    assert!(first.findings("task").iter().any(|found| found.starts_with("warning trust postgres line")), "{first:?}");
    let proposed = attachment(&first);
    for line in [
        "\npostgres superuser postgres\n",
        "\nredis admin default\n",
        "\nunix member sudo:alice\n",
        "\n# redis nopass default\n",
    ] {
        assert!(proposed.contains(line), "{line:?} in {proposed}");
    }
    site.approve(&first, true);
    let healthy = site.run();
    assert_eq!((healthy.code, healthy.findings("task").len()), (0, 0), "{healthy:?}");

    site.server.execute("CREATE ROLE eve SUPERUSER LOGIN");
    site.server.execute("CREATE ROLE through LOGIN; GRANT postgres TO through");
    site.server.execute("CREATE ROLE programs LOGIN; GRANT pg_execute_server_program TO programs");
    site.server.execute("CREATE ROLE sees BYPASSRLS");
    site.server.execute("CREATE ROLE creates CREATEROLE");
    site.acl(&["SETUSER", "worker", "on", ">secret", "~*", "+@all"]);
    site.acl(&["SETUSER", "reader", "on", "nopass", "~*", "-@all", "+get"]);
    site.write("etc/group", "root:x:0:\nsudo:x:27:alice,mallory\n", 0o644);
    site.write("etc/sudoers.d/deploy", "deploy ALL=(ALL) NOPASSWD: ALL\n", 0o440);
    let sick = site.run();
    assert_eq!(sick.code, 2, "{sick:?}");
    let mut found = sick.findings("task");
    found.sort();
    // Before 16, whoever may create roles may grant itself nearly all of them.
    let creates = if version < 16 { "critical superuser-not-approved" } else { "warning right-not-approved" };
    let place = found.iter().position(|found| *found == format!("{creates} creates")).expect("it is told");
    found.remove(place);
    assert_eq!(
        found,
        [
            "critical superuser-not-approved etc/sudoers.d/deploy: deploy ALL=(ALL) NOPASSWD: ALL",
            "critical superuser-not-approved eve",
            "critical superuser-not-approved programs",
            "critical superuser-not-approved sudo:mallory",
            "critical superuser-not-approved through",
            "critical superuser-not-approved worker",
            "warning redis-nopass reader",
            "warning right-not-approved reader",
            "warning right-not-approved sees",
        ]
    );
    assert!(sick.stdout.contains("ALTER ROLE \\\"eve\\\" NOSUPERUSER;"), "{sick:?}");
    assert!(!sick.stdout.contains("secret"), "no password is told: {sick:?}");
    // The list that comes with it approves what is new, and nothing else does.
    site.approve(&sick, true);
    let approved = site.run();
    assert_eq!(approved.code, 0, "{approved:?}");
}

#[test]
fn without_an_approval_it_stays_unknown_and_tells_what_is_new_since_the_first_run() {
    let site = site("unused = \"0s\"");
    assert!(has(&site.run(), "unknown baseline-proposed baseline"));
    site.server.execute("CREATE ROLE eve SUPERUSER");
    for _ in 0..2 {
        let later = site.run();
        assert!(has(&later, "critical superuser-not-approved eve"), "it is told until somebody decides: {later:?}");
        assert!(has(&later, "unknown baseline-not-approved baseline"), "{later:?}");
    }
    site.server.execute("DROP ROLE eve");
    assert!(!has(&site.run(), "critical superuser-not-approved eve"));
}

#[test]
fn faults_in_the_databases_and_on_the_machine_are_told_from_the_first_run_on() {
    servers().into_iter().for_each(faults);
}

fn faults(version: u32) {
    let site = site_of(version, "unused = \"0s\"");
    site.server.execute("CREATE DATABASE shop");
    let shop = |sql: &str| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let dsn = site.server.dsn("postgres", "shop");
            let (client, connection) = tokio_postgres::connect(&dsn, tokio_postgres::NoTls).await.expect("connected");
            tokio::spawn(connection);
            client.batch_execute(sql).await.expect("executed");
        });
    };
    shop("GRANT CREATE ON SCHEMA public TO PUBLIC;
          CREATE FUNCTION pay(integer) RETURNS integer SECURITY DEFINER LANGUAGE sql AS 'SELECT $1';
          CREATE FUNCTION safe() RETURNS integer SECURITY DEFINER SET search_path = pg_catalog LANGUAGE sql AS 'SELECT 1';
          CREATE FUNCTION parsed() RETURNS integer SECURITY DEFINER LANGUAGE sql BEGIN ATOMIC SELECT 1; END;
          CREATE FUNCTION invoker() RETURNS integer LANGUAGE sql AS 'SELECT 1';");
    let hba = site.server.directory().join("data/pg_hba.conf");
    let rules = fs::read_to_string(&hba).expect("the rules");
    fs::write(
        &hba,
        format!("host shop all 192.0.2.0/24 trust\nhost all all 0.0.0.0/0 md5\nhost all all wrong\n{rules}"),
    )
    .expect("rules");
    site.write(
        "etc/passwd",
        "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\nopen::1001:1001::/:/bin/sh\n",
        0o646,
    );
    site.write("etc/harmless", "x", 0o666);
    // A file that lies there is not read for it either, and is not taken for read.
    site.write("etc/sudoers", "@include /etc/sudoers.local\n", 0o440);
    site.write("etc/sudoers.local", "eve ALL=(ALL) ALL\n", 0o440);
    let sick = site.run();
    assert_eq!(sick.code, 2, "{sick:?}");
    for finding in [
        "critical trust postgres line 1",
        "warning weak-method postgres line 2",
        "warning hba-line-wrong postgres line 3",
        "warning public-create shop.public",
        "warning definer-search-path shop.public.pay(integer)",
        "critical world-writable etc/passwd",
        "warning world-writable etc/harmless",
        "critical password-empty open",
        "unknown include-not-read etc/sudoers",
    ] {
        assert!(has(&sick, finding), "{finding} in {:?}", sick.findings("task"));
    }
    let definers = sick.findings("task").iter().filter(|found| found.contains("definer-search-path")).count();
    assert_eq!(definers, 1, "{sick:?}");
    // The remedy does what it says.
    shop("ALTER ROUTINE \"public\".\"pay\"(integer) SET search_path = pg_catalog, \"public\", pg_temp");
    shop("REVOKE CREATE ON SCHEMA \"public\" FROM PUBLIC");
    let better = site.run();
    assert!(better.findings("task").iter().all(|found| !found.contains(" shop.")), "{better:?}");
}

#[test]
fn keys_that_open_an_account_are_compared_by_their_fingerprints() {
    let site = site("unused = \"0s\"");
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice@laptop\n";
    site.write("home/alice/.ssh/authorized_keys", key, 0o600);
    site.approve(&site.run(), true);
    assert_eq!(site.run().code, 0);
    let other = key.replace("2l9GKJl", "2l9GKJk");
    site.write("home/alice/.ssh/authorized_keys", &format!("{key}{other}"), 0o602);
    let sick = site.run();
    let found = sick.findings("task");
    let new =
        found.iter().filter(|found| found.contains("-not-approved home/alice/.ssh/authorized_keys SHA256:")).count();
    assert_eq!(new, 1, "{found:?}");
    assert!(has(&sick, "critical world-writable home/alice/.ssh/authorized_keys"), "{found:?}");
    assert!(
        !sick.stdout.contains("SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU opens"),
        "the old one is approved"
    );
}

#[test]
fn what_may_not_be_read_is_unknown_and_says_which_grant_is_missing() {
    let site = site("unused = \"0s\"");
    site.server.execute("REVOKE EXECUTE ON FUNCTION pg_hba_file_rules() FROM hostler");
    site.server.execute("CREATE DATABASE closed; ");
    site.server.execute("REVOKE CONNECT ON DATABASE closed FROM PUBLIC");
    site.approve(&site.run(), true);
    let blind = site.run();
    assert_eq!(blind.code, 3, "{blind:?}");
    assert!(has(&blind, "unknown privilege-missing postgres"), "{blind:?}");
    assert!(has(&blind, "unknown database-not-looked-at closed"), "{blind:?}");
    assert!(blind.stdout.contains("GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO hostler"), "{blind:?}");
    // A binding that leaves the rules out is the operator's to make, and nothing is taken for locked because of it.
    let text = fs::read_to_string(site.host.configuration()).expect("a configuration");
    site.host.configure(
        &text.replace("database = \"postgres.main\"", "database = { resource = \"postgres.main\", read = [] }"),
    );
    let narrowed = site.run();
    assert!(narrowed.code == 3 && has(&narrowed, "unknown grant-missing postgres"), "{narrowed:?}");
    // Neither server can be reached: nothing is ok.
    let gone = Hostler::new(&format!(
        "[redis.cache]\nurl = \"redis://127.0.0.1:{}\"\n[tasks.task]\n{TASK}bind.server = \"redis.cache\"\n",
        hostler_tests::free_port()
    ));
    gone.install(&["security-permissions"]);
    let unreachable = gone.run(&["run", "task", "--format", "json"]);
    assert!(unreachable.code == 3 && has(&unreachable, "unknown server-not-looked-at server"), "{unreachable:?}");
    let unbound = Hostler::new(&format!("[tasks.task]\n{TASK}"));
    unbound.install(&["security-permissions"]);
    let unbound = unbound.run(&["run", "task", "--format", "json"]);
    assert!(unbound.code >= 3 && unbound.stdout.contains("nothing was looked at"), "{unbound:?}");
}

/// PostgreSQL keeps no last login, so the task watches: with the clock of the machine put forward by faketime.
#[test]
fn a_role_that_nobody_uses_is_stale_after_90_days_of_looks() {
    let site = site("least_looks = 3");
    site.server.execute("CREATE ROLE busy LOGIN");
    site.server.execute("CREATE ROLE idle LOGIN");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let dsn = site.server.dsn("busy", "postgres");
    let _session = runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&dsn, tokio_postgres::NoTls).await.expect("connected");
        tokio::spawn(connection);
        client
    });
    let at = |clock: &str| {
        let output = Command::new("faketime")
            .args(["-f", clock])
            .arg(binary())
            .arg("--config")
            .arg(site.host.configuration())
            .args(["run", "task", "--format", "json"])
            .env("NO_COLOR", "1")
            .output()
            .expect("faketime: `make test` installs it");
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    };
    let first = site.run();
    assert!(has(&first, "unknown role-use-unknown postgres"), "{first:?}");
    for (clock, stale) in [("+60d", false), ("+89d", false), ("+91d", true)] {
        let later = at(clock);
        let told = has(&later, "warning role-unused idle");
        assert_eq!(told, stale, "{clock}: {later:?}");
        assert!(!later.findings("task").iter().any(|found| found.ends_with("role-unused busy")), "{later:?}");
    }
}
