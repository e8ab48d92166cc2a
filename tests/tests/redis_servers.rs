//! Redis servers that are down, refuse, hang or break off, and addresses that are refused: for each plugin unknown, never
//! ok, with what was wrong and what to do, and never with an address or a password.

use std::{fs, os::unix::fs::PermissionsExt};

use hostler_tests::{After, Hostler, Output, RedisServer, StandIn, free_port, tells};

const PLUGINS: [&str; 3] = ["redis-memory", "redis-hit-rate", "redis-ttl"];

/// A task for each plugin, each with a server of its own name. `{password}` is a file with `hunter2` in it.
fn host(resource: impl Fn(usize) -> String) -> Hostler {
    let mut text = format!("[procedures.all]\ntasks = {PLUGINS:?}\nparallel = 3\n");
    for (place, plugin) in PLUGINS.iter().enumerate() {
        text.push_str(&format!(
            "[redis.server{place}]\n{}\n[tasks.{plugin}]\nplugin = {plugin:?}\ntimeout = \"8s\"\n\
             bind.server = \"redis.server{place}\"\n",
            resource(place).replace("{password}", "{directory}/password")
        ));
    }
    let host = Hostler::new(&text);
    let password = host.path().join("password");
    fs::write(&password, "hunter2\n").expect("a file");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("permissions");
    host.install(&PLUGINS);
    host
}

fn all_unknown(host: &Hostler, said: &[&str], secrets: &[&str]) -> Output {
    let run = host.run(&["run", "all", "--format", "json"]);
    assert_eq!(run.code, 3, "{run:?}");
    for plugin in PLUGINS {
        let task = run.task(plugin);
        assert_eq!(task["verdict"], "unknown", "{plugin}: {task:#}");
        let words = task.to_string();
        assert!(said.iter().any(|said| words.contains(said)), "{plugin}: none of {said:?}: {task:#}");
        assert_eq!(host.history(&[plugin])[0]["verdict"], "unknown");
    }
    for secret in secrets {
        assert!(!tells(&run.stdout, secret) && !tells(&run.stderr, secret), "{secret} is told: {run:?}");
    }
    run
}

fn filled(arguments: &[&str]) -> RedisServer {
    let server = RedisServer::start_with(arguments);
    let mut pipeline = redis::pipe();
    for number in 0..3000 {
        pipeline.cmd("SET").arg(format!("cache:{number}")).arg("x").arg("EX").arg(1000).ignore();
    }
    pipeline.query::<()>(&mut server.connection()).expect("keys");
    server
}

#[test]
fn a_server_that_is_down() {
    let port = free_port().to_string();
    let host = host(|_| format!("url = \"redis://127.0.0.1:{port}\"\npassword_file = \"{{password}}\""));
    all_unknown(&host, &["nobody listens there (connection refused)"], &[&port, "hunter2"]);
}

#[test]
fn a_server_that_refuses_the_password() {
    let server = filled(&["--maxmemory", "100mb"]);
    redis::cmd("ACL")
        .arg(&["SETUSER", "hostler", "on", ">right", "+@all", "~*"])
        .query::<()>(&mut server.connection())
        .expect("a user");
    let wrong = host(|_| format!("url = {:?}\nuser = \"hostler\"\npassword_file = \"{{password}}\"", server.url()));
    let run = all_unknown(&wrong, &["WRONGPASS"], &["hunter2", &server.port.to_string()]);
    assert!(run.stdout.contains("look at user and password_file in [redis.server"), "what to do: {run:?}");
    redis::cmd("CONFIG").arg(&["SET", "requirepass", "right"]).query::<()>(&mut server.connection()).expect("set");
    let none = host(|_| format!("url = {:?}", server.url()));
    all_unknown(&none, &["the server wants a password: write password_file in [redis.server"], &[]);
}

#[test]
fn a_user_without_permissions() {
    let server = filled(&["--maxmemory", "100mb"]);
    let set = |rules: &[&str]| {
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg("hostler").arg(rules);
        command.query::<()>(&mut server.connection()).expect("a user");
    };
    set(&["on", ">hunter2", "+hello", "+auth", "+ping", "+command", "+client|setname"]);
    let host = host(|_| format!("url = {:?}\nuser = \"hostler\"\npassword_file = \"{{password}}\"", server.url()));
    let run = all_unknown(&host, &["NOPERM"], &["hunter2"]);
    assert!(run.stdout.contains("ACL SETUSER hostler +"), "what to do: {run:?}");
    set(&["+@all", "~*"]);
    let granted = host.run(&["run", "all", "--format", "json"]);
    assert_eq!(granted.task("redis-memory")["verdict"], "ok", "{granted:?}");
}

/// The stand-in accepts, and says nothing: no real server can be made to.
#[test]
fn a_server_that_hangs_after_accepting() {
    let silent = StandIn::silent();
    let host = host(|_| format!("url = \"redis://127.0.0.1:{}\"", silent.port));
    all_unknown(&host, &["does not answer", "no answer", "did not answer", "timed out"], &[&silent.port.to_string()]);
}

/// A stand-in before the real server cuts off what that says.
#[test]
fn a_server_that_closes_or_falls_silent_in_the_middle_of_an_answer() {
    let server = filled(&["--maxmemory", "100mb"]);
    let before = |after: &dyn Fn(usize) -> After| -> Vec<StandIn> {
        (0..PLUGINS.len()).map(|place| StandIn::before(server.port, after(place))).collect()
    };
    let host = |stand_ins: &[StandIn]| host(|place| format!("url = \"redis://127.0.0.1:{}\"", stand_ins[place].port));
    let whole = before(&|_| After::Close(u64::MAX));
    let uncut = host(&whole);
    uncut.run(&["run", "all"]);
    let total: Vec<u64> = whole.iter().map(StandIn::passed).collect();
    let healthy = uncut.run(&["run", "all"]);
    assert_eq!(healthy.code, 0, "with nothing cut, and a baseline, all is well: {healthy:?}");
    for share in [3, 9] {
        let cut = before(&|place| After::Close(total[place] * share / 10));
        all_unknown(&host(&cut), &["closed", "connection", "broke", "lost"], &[]);
    }
    let silent = before(&|place| After::Silence(total[place] / 2));
    all_unknown(&host(&silent), &["the run took longer than its 8 s", "answer"], &[]);
}

#[test]
fn clusters_and_sentinels_are_refused_by_every_command_with_what_to_write_instead() {
    let readme = fs::read_to_string(hostler_tests::root().join("README.md")).expect("the README");
    let cases = [
        ("redis+cluster://", "is the address of a cluster", "for each node"),
        ("redis+sentinel://", "is the address of a sentinel", "of the Redis server itself"),
    ];
    for (scheme, what, instead) in cases {
        assert!(readme.contains(scheme), "the README lists {scheme}");
        let host = Hostler::new(&format!(
            "[redis.cache]\nurl = \"{scheme}user:hunter2@10.11.12.13:26379\"\n[tasks.task]\nplugin = \"redis-memory\"\nbind.server = \"redis.cache\"\n"
        ));
        for command in [&["doctor"][..], &["run", "task"], &["list"]] {
            let refused = host.run(command);
            assert_eq!(refused.code, 78, "{refused:?}");
            for words in [what, instead, "hostler.toml:", "`redis.cache.url`"] {
                assert!(refused.stderr.contains(words), "{words}: {refused:?}");
            }
            assert!(!refused.stderr.contains("hunter2") && !refused.stderr.contains("10.11.12.13"), "{refused:?}");
        }
        let file = hostler_tests::component("redis-memory").display().to_string();
        let bind = format!("server={scheme}user:hunter2@10.11.12.13:26379");
        fs::write(host.configuration(), "").expect("an empty configuration");
        let checked = host.run(&["check", &file, "--accept", "--bind", &bind]);
        assert!(checked.code == 78 && checked.stderr.contains(what), "{checked:?}");
        assert!(!checked.stderr.contains("hunter2"), "{checked:?}");
    }
}
