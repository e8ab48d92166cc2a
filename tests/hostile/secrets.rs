//! Secrets that were planted wherever a host holds some: none of them is told, kept or recorded anywhere.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use hostler_tests::{Hostler, Output, Postgres, RedisServer};
use redis::cmd;
use serde_json::{Value, json};

use crate::puppet::{run_with, write};

/// Each planted word, so that what is found says where it came from.
const WORDS: &[&str] = &[
    "sesame-dsn",
    "sesame-uri",
    "sesame-file",
    "sesame-redis-url",
    "sesame-redis-file",
    "sesame-header",
    "sesame-endpoint",
    "sesame-variable",
    "sesame-program",
    "sesame-literal",
    "sesame-parameter",
    "sesame-query",
    "sesame-value",
    "sesame-setting",
];

fn secret(host: &Hostler, name: &str, text: &str) {
    let path = host.path().join(name);
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
}

/// Every byte that lies below, whatever it belongs to.
fn contents(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).expect("it may be listed").map(|entry| entry.expect("an entry").path()));
        } else if let Ok(bytes) = fs::read(&path) {
            found.push((path.display().to_string(), bytes));
        }
    }
    found
}

fn told_nowhere(host: &Hostler, outputs: &[Output]) {
    for word in WORDS {
        for output in outputs {
            assert!(!output.stdout.contains(word), "{word} on standard output: {}", output.stdout);
            assert!(!output.stderr.contains(word), "{word} on standard error: {}", output.stderr);
        }
        for (path, bytes) in contents(&host.path().join("state")) {
            let hexadecimal: String = word.bytes().map(|byte| format!("{byte:02x}")).collect();
            for form in [word.as_bytes(), hexadecimal.as_bytes()] {
                assert!(!bytes.windows(form.len()).any(|window| window == form), "{word} in {path}");
            }
        }
    }
}

/// A run in which everything works, and one in which nothing does.
#[test]
fn no_secret_is_told_kept_or_recorded() {
    let (server, cache) = (Postgres::start(), RedisServer::start());
    server.execute("CREATE ROLE keeper LOGIN PASSWORD 'sesame-file'; CREATE TABLE public.orders (id int, note text); ALTER TABLE public.orders OWNER TO keeper");
    let () = cmd("ACL")
        .arg(&["SETUSER", "keeper", "on", ">sesame-redis-file", "~*", "+@all"])
        .query(&mut cache.connection())
        .expect("a user");
    let site = super::network::Site::start();
    let program = |name: &str| {
        format!(
            "[program.{name}]\npath = \"/bin/sh\"\nnetwork = true\n\
         allow = [{{ arguments = [\"-c\", \"{{text}}\"], effect = \"changes\" }}]\nvariables = {{ TOKEN = \"sesame-variable\" }}\n"
        )
    };
    let resources = |port: u16, redis: u16| {
        format!(
            "[postgres.main]\ndsn = \"host=127.0.0.1 port={port} user=keeper dbname=postgres\"\npassword_file = \"database\"\n\
             [postgres.inline]\ndsn = \"host=127.0.0.1 port={port} user=keeper password=sesame-dsn dbname=postgres\"\n\
             [postgres.uri]\ndsn = \"postgres://keeper:sesame-uri@127.0.0.1:{port}/postgres\"\n\
             [redis.main]\nurl = \"redis://127.0.0.1:{redis}\"\nuser = \"keeper\"\npassword_file = \"cache\"\n\
             [endpoint.site]\nurl = \"http://127.0.0.1:{}/app\"\nheader_file = \"header\"\n{}",
            site.port,
            program("sh")
        )
    };
    let task = |name: &str, database: &str, cache: &str| {
        format!(
            "[tasks.{name}]\nplugin = \"test-puppet\"\n\
             bind = {{ database = {{ resource = \"postgres.{database}\", read = [\"public.*\"] }}, cache = \"redis.{cache}\", \
             site = \"endpoint.site\", program = \"program.sh\" }}\n"
        )
    };
    let host = Hostler::new("");
    secret(&host, "database", "sesame-file\n");
    secret(&host, "cache", "sesame-redis-file\n");
    secret(&host, "header", "Authorization: Bearer sesame-header\n");
    host.install(&["test-puppet"]);
    let print = "echo $TOKEN; echo $TOKEN >&2; cat $PGPASSFILE; env";
    // What the plugin itself is told (an error of the server's, a word of its own) it may report; what it is not told
    // is asked for here in ways that the host would record.
    let steps: Vec<Value> = vec![
        json!({ "call": "postgres", "sql": "SELECT note FROM public.orders WHERE note = 'sesame-literal'" }),
        json!({ "call": "postgres", "sql": "SELECT note FROM public.orders WHERE note = $$sesame-literal$$ AND id = 4711" }),
        json!({ "call": "postgres", "sql": "UPDATE public.orders SET note = 'sesame-literal'", "change": true }),
        json!({ "call": "postgres", "sql": "SELECT pg_sleep(1), 'sesame-literal'" }),
        json!({ "call": "redis", "command": ["SET", "cache:1", "sesame-value"], "change": true }),
        json!({ "call": "redis", "command": ["AUTH", "keeper", "sesame-value"] }),
        json!({ "call": "redis", "command": ["NONSENSE", "sesame-value"] }),
        json!({ "call": "network", "path": "/orders?token=sesame-query&id=1" }),
        json!({ "call": "network", "path": "/orders", "headers": [["X-Token", "sesame-query"]] }),
        json!({ "call": "network", "path": "/orders", "method": "POST", "body": "token=sesame-query" }),
        json!({ "call": "program", "arguments": ["-c", print], "connect_to": "database" }),
        json!({ "call": "program", "arguments": ["-c", "echo x${TOKEN}x; cat $PGPASSFILE | tr -d '\\n'; echo $TOKEN$TOKEN"] }),
        json!({ "call": "program", "arguments": ["-c", "echo $REDISCLI_AUTH"], "connect_to": "cache" }),
        json!({ "call": "program", "arguments": ["-c", "true # sesame-parameter"] }),
    ];
    let mut outputs = Vec::new();
    let port = server.port;
    for (database, redis) in [("main", "main"), ("inline", "main"), ("uri", "main")] {
        for (port, redis_port) in [(port, cache.port), (hostler_tests::free_port(), hostler_tests::free_port())] {
            host.configure(&format!("{}{}", resources(port, redis_port), task("puppet", database, redis)));
            write(&host, &steps);
            let variables = [("RUST_LOG", "trace"), ("RUST_BACKTRACE", "1")];
            for command in ["plan", "run"] {
                let (output, outcomes) = run_with(&host, command, &steps, &variables);
                if command == "run" && port == server.port && database == "main" {
                    // The contrast: what the plugin asked for did work, and the program had the secret to print.
                    assert!(outcomes[2]["allowed"].to_string().contains("Applied"), "{outcomes:?}");
                    assert!(outcomes[10].to_string().contains("TOKEN"), "{outcomes:?}");
                }
                outputs.push(output);
                let mut verbose = host.command(&[command, "puppet", "-vv", "--all"]);
                let said = verbose.output().expect("it runs");
                outputs.push(Output {
                    code: said.status.code().unwrap_or(-1),
                    stdout: String::from_utf8_lossy(&said.stdout).into_owned(),
                    stderr: String::from_utf8_lossy(&said.stderr).into_owned(),
                });
            }
            for format in ["text", "json", "nagios", "prometheus", "junit"] {
                outputs.push(host.run(&["run", "puppet", "--format", format]));
            }
            for command in [
                &["doctor"][..],
                &["roles"],
                &["history"],
                &["audit", "show"],
                &["audit", "show", "--format", "json"],
                &["list"],
            ] {
                outputs.push(host.run(command));
            }
            let plan = host.path().join("plan.json").display().to_string();
            outputs.push(host.run(&["plan", "puppet", "--out", &plan]));
            let text = fs::read_to_string(&plan).unwrap_or_default();
            outputs.push(Output { code: 0, stdout: text, stderr: String::new() });
            let _ = fs::remove_file(&plan);
        }
    }
    told_nowhere(&host, &outputs);
    assert_eq!(host.run(&["audit", "verify"]).code, 0);
}

/// A configuration that is wrong in the value that holds a secret.
#[test]
fn an_error_about_a_secret_does_not_repeat_it() {
    let host = Hostler::new("");
    let mut outputs = Vec::new();
    for wrong in [
        "[postgres.main]\ndsn = \"host=127.0.0.1 password=sesame-dsn nonsense\"\n",
        "[postgres.main]\ndsn = \"host=127.0.0.1 pasword=sesame-dsn\"\n",
        "[postgres.main]\ndsn = \"postgres://keeper:sesame-uri@127.0.0.1:port/postgres\"\n",
        "[postgres.main]\ndsn = [\"password=sesame-dsn\"]\n",
        "[redis.main]\nurl = \"redis://keeper:sesame-redis-url@127.0.0.1:port\"\n",
        "[redis.main]\nurl = \"rediss:/keeper:sesame-redis-url@127.0.0.1\"\n",
        "[endpoint.site]\nurl = \"http://keeper:sesame-endpoint@127.0.0.1:x/\"\n",
        "[endpoint.site]\nurl = \"http://127.0.0.1/?token=sesame-endpoint\"\n",
        "[endpoint.site]\nurl = \"http://keeper:sesame-endpoint@127.0.0.1/\"\n",
        "[program.p]\npath = \"/bin/sh\"\nvariables = { TOKEN = [\"sesame-variable\"] }\n",
        "[program.p]\npath = \"/bin/sh\"\nvariables = { \"TO=KEN\" = \"sesame-variable\" }\n",
    ] {
        host.configure(&format!("{wrong}[tasks.t]\nplugin = \"test-puppet\"\n"));
        for command in [&["run", "t"][..], &["doctor"], &["roles"], &["list"]] {
            let output = host.run(command);
            outputs.push(output);
        }
    }
    assert!(outputs.iter().any(|output| output.stderr.contains("hostler.toml:")), "{outputs:?}");
    told_nowhere(&host, &outputs);
}
