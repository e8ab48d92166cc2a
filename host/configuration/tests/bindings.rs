//! Tasks held against their plugins' manifests.

use std::fs;

use hostler_configuration::{
    Binding, BindingErrors, Configuration, Grant, Resource, Resources, TaskConfiguration, bind, inline,
};
use hostler_manifest::{Access, Manifest};
use serde_json::Value;

const MANIFEST: &str = r#"
[plugin]
name = "sweeper"
version = "0.1.0"
summary = "Sweeps"
license = "Apache-2.0"
mode = "apply"

[requests.database]
kind = "postgres"
reason = "choose tables, and vacuum them"
read = ["public.*"]
write = ["public.*", "shop.orders"]
statements = ["VACUUM", "ANALYZE"]
call = ["squeeze.*"]
functions = ["public.pgstattuple"]
settings = ["lock_timeout"]
databases = ["shop_*"]
connections = 6

[requests.standbys]
kind = "postgres"
reason = "look at them"
many = true
optional = true

[requests.cache]
kind = "redis"
reason = "count keys"
allow = ["+@read", "+expire", "~cache:*"]

[requests.logs]
kind = "directory"
reason = "remove old ones"
access = "write"

[requests.dump]
kind = "program"
reason = "dump"
program = "pg_dump"
optional = true

[requests.site]
kind = "endpoint"
reason = "ask"
methods = ["GET", "POST"]
optional = true

[requests.past]
kind = "history"
reason = "compare"
tasks = ["sweep*"]
optional = true

[requests.figures]
kind = "machine"
reason = "look"
optional = true

[settings.warning]
type = "percent"
default = 80
summary = "from when"

[settings.age]
type = "duration"
required = true
summary = "how old"

[settings.token]
type = "integer"
secret = true
summary = "a secret"
"#;

const RESOURCES: &str = r#"
[postgres.main]
dsn = "host=a"
[postgres.replica]
dsn = "host=b"
[redis.cache]
url = "redis://a"
[directory.logs]
path = "/var/log/shop"
[program.pg_dump]
path = "/usr/bin/pg_dump"
[endpoint.site]
url = "https://shop.example"
"#;

fn manifest() -> Manifest {
    Manifest::parse(MANIFEST).expect("it is whole")
}

fn configured(task: &str) -> Configuration {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("hostler.toml");
    fs::write(&path, format!("{RESOURCES}\n[tasks.sweep]\nplugin = \"sweeper\"\n{task}\n")).expect("it is written");
    Configuration::load(&path).unwrap_or_else(|errors| panic!("{errors}"))
}

const ALL: &str = "bind.database = \"postgres.main\"\nbind.cache = \"redis.cache\"\nbind.logs = \"directory.logs\"\n";
const AGE: &str = "settings.age = \"30d\"\n";

fn bound(task: &str, only_reading: bool) -> Result<(Vec<Binding>, Value), BindingErrors> {
    let configuration = configured(task);
    bind(&configuration.tasks["sweep"], &manifest(), &configuration.resources, only_reading)
}

fn grants(task: &str, only_reading: bool) -> Vec<(String, Grant)> {
    let (bindings, _) = bound(task, only_reading).unwrap_or_else(|errors| panic!("{errors}"));
    bindings.into_iter().map(|binding| (binding.request, binding.grant)).collect()
}

fn problems(task: &str) -> Vec<String> {
    let errors = bound(task, false).expect_err("it does not fit");
    errors
        .0
        .iter()
        .map(|error| error.to_string().rsplit_once("hostler.toml:").map_or(error.to_string(), |(_, rest)| rest.into()))
        .collect()
}

#[test]
fn a_whole_request_is_granted_whole_and_settings_are_filled_in() {
    let (bindings, settings) = bound(&format!("{ALL}{AGE}"), false).unwrap_or_else(|errors| panic!("{errors}"));
    let names: Vec<_> = bindings.iter().map(|binding| binding.request.as_str()).collect();
    assert_eq!(names, ["cache", "database", "logs"]);
    assert_eq!(bindings[1].targets[0].name, "main");
    let Grant::Postgres(grant) = &bindings[1].grant else { panic!("no database") };
    assert_eq!(grant.statements, ["VACUUM", "ANALYZE"]);
    assert_eq!(grant.connections, 6);
    assert_eq!(bindings[2].grant, Grant::Directory(Access::Write));
    assert_eq!(settings, serde_json::json!({ "warning": 80.0, "age": 2_592_000.0, "token": null }));
}

#[test]
fn what_is_narrower_is_granted() {
    let task = format!(
        "bind.cache = {{ resource = \"redis.cache\", allow = [\"+ttl\", \"~cache:x:*\"] }}
bind.logs = {{ resource = \"directory.logs\", access = \"read\" }}
bind.dump = {{ resource = \"program.pg_dump\", changes = false }}
bind.site = {{ resource = \"endpoint.site\", methods = [\"head\"] }}
bind.past = {{ resource = \"history\", tasks = [\"sweep-old\"] }}
bind.figures = \"machine\"
bind.standbys = [\"postgres.main\", \"postgres.replica\"]
{AGE}
[tasks.sweep.bind.database]
resources = [\"postgres.main\"]
write = [\"public.orders\"]
statements = [\"vacuum\"]
call = []
databases = [\"shop_eu\"]
connections = 1"
    );
    let grants: std::collections::BTreeMap<_, _> = grants(&task, false).into_iter().collect();
    let Grant::Postgres(database) = &grants["database"] else { panic!("no database") };
    assert_eq!((database.write.as_slice(), database.connections), (&["public.orders".to_owned()][..], 1));
    assert_eq!(database.read, ["public.*"]);
    assert!(database.call.is_empty());
    assert_eq!(grants["logs"], Grant::Directory(Access::Read));
    assert_eq!(grants["dump"], Grant::Program { changes: false });
    assert_eq!(grants["site"], Grant::Endpoint(vec!["HEAD".into()]));
    assert_eq!(grants["past"], Grant::History(vec!["sweep-old".into()]));
    assert_eq!(grants["figures"], Grant::Machine);
    assert_eq!(grants["cache"], Grant::Redis(vec!["+ttl".into(), "~cache:x:*".into()]));
}

#[test]
fn what_is_wider_than_its_request_is_refused_entry_by_entry() {
    for (request, narrowing, expected) in [
        (
            "database",
            "resource = \"postgres.main\", write = [\"*.*\", \"public.a\"]",
            "write` is wider than the plugin's request: `*.*` is not covered",
        ),
        ("database", "resource = \"postgres.main\", read = [\"shop.orders\"]", "read` is wider"),
        (
            "database",
            "resource = \"postgres.main\", statements = [\"VACUUM FULL\"]",
            "`VACUUM FULL` is not covered, it asks for VACUUM, ANALYZE",
        ),
        ("database", "resource = \"postgres.main\", call = [\"public.f\"]", "call` is wider"),
        ("database", "resource = \"postgres.main\", functions = [\"public.*\"]", "functions` is wider"),
        ("database", "resource = \"postgres.main\", settings = [\"work_mem\"]", "settings` is wider"),
        ("database", "resource = \"postgres.main\", databases = [\"*\"]", "databases` is wider"),
        (
            "database",
            "resource = \"postgres.main\", connections = 7",
            "connections` is wider than the plugin's request: `7` is not covered, it asks for 6",
        ),
        ("cache", "resource = \"redis.cache\", allow = [\"+flushall\", \"~*\"]", "allow` is wider"),
        ("cache", "resource = \"redis.cache\", allow = [\"+expire\", \"~*\"]", "allow` is wider"),
        (
            "site",
            "resource = \"endpoint.site\", methods = [\"DELETE\"]",
            "`DELETE` is not covered, it asks for GET, POST",
        ),
        ("past", "resource = \"history\", tasks = [\"*\"]", "tasks` is wider"),
    ] {
        let others = ALL.lines().filter(|line| !line.contains(&format!(".{request} "))).collect::<Vec<_>>().join("\n");
        let task = format!("bind.{request} = {{ {narrowing} }}\n{others}\n{AGE}");
        let problems = problems(&task);
        assert_eq!(problems.len(), 1, "{narrowing}: {problems:?}");
        assert!(problems[0].starts_with(&format!("17: `tasks.sweep.bind.{request}.")), "{problems:?}");
        assert!(problems[0].contains(expected), "{narrowing}: {problems:?}");
    }
}

#[test]
fn a_request_that_reads_cannot_be_bound_to_change() {
    let manifest = Manifest::parse(
        "[plugin]\nname = \"a\"\nversion = \"0.1.0\"\nsummary = \"a\"\nlicense = \"x\"\nmode = \"apply\"\n[requests.d]\nkind = \"directory\"\nreason = \"r\"\n[requests.p]\nkind = \"program\"\nreason = \"r\"\neffect = \"reads\"\n",
    )
    .expect("it is whole");
    let configuration = configured(
        "bind.d = { resource = \"directory.logs\", access = \"write\" }\nbind.p = { resource = \"program.pg_dump\", changes = true }",
    );
    let errors = bind(&configuration.tasks["sweep"], &manifest, &configuration.resources, false).expect_err("wider");
    let text = errors.to_string();
    assert!(text.contains("bind.d.access` is wider") && text.contains("bind.p.changes` is wider"), "{text}");
}

#[test]
fn what_is_not_bound_or_bound_wrongly_is_named_together() {
    let problems = problems(
        "bind.databse = \"postgres.main\"\nbind.cache = \"postgres.main\"\nbind.logs = \"directory.logs\"\nbind.site = [\"endpoint.site\"]\nbind.dump = \"history\"",
    );
    assert_eq!(
        problems,
        [
            "17: `tasks.sweep.bind.databse` is not a request of this plugin; did you mean `database`?",
            "18: `tasks.sweep.bind.cache` has to be of kind redis, and `main` is of kind postgres",
            "15: `tasks.sweep.bind.database` is missing: the plugin asks for a resource of kind postgres, to choose tables, and vacuum them; there are postgres.main, postgres.replica",
            "21: `tasks.sweep.bind.dump` has to be of kind program, and `history` is of kind history",
            "15: `tasks.sweep.settings.age` is required: how old",
        ]
    );
    let problems = self::problems(&format!(
        "bind.database = [\"postgres.main\", \"postgres.replica\"]\nbind.cache = \"redis.cache\"\nbind.logs = \"directory.logs\"\n{AGE}"
    ));
    assert_eq!(problems, ["17: `tasks.sweep.bind.database` takes one resource, and 2 are bound to it"]);
}

#[test]
fn settings_of_a_wrong_type_or_out_of_range_are_named_with_their_line() {
    let problems =
        problems(&format!("{ALL}[tasks.sweep.settings]\nwarning = 101\nage = 5\ntoken = \"hunter2\"\nwarnig = 1"));
    assert_eq!(
        problems,
        [
            "24: `tasks.sweep.settings.warnig` is not a setting of this plugin; did you mean `warning`?",
            "22: `tasks.sweep.settings.age` has to be a duration such as \"90s\", \"5min\", \"2h\" or \"30d\", and is 5",
            "23: `tasks.sweep.settings.token` has to be a whole number, and is something else (not shown)",
            "21: `tasks.sweep.settings.warning` is 101, and has to be from 0 to 100",
        ]
    );
}

#[test]
fn only_reading_leaves_nothing_that_changes() {
    let task = format!("{ALL}bind.dump = \"program.pg_dump\"\nbind.site = \"endpoint.site\"\n{AGE}");
    let grants: std::collections::BTreeMap<_, _> = grants(&task, true).into_iter().collect();
    let Grant::Postgres(database) = &grants["database"] else { panic!("no database") };
    assert!(database.statements.is_empty() && database.write.is_empty() && database.call.is_empty());
    assert_eq!(database.read, ["public.*"]);
    assert_eq!(grants["logs"], Grant::Directory(Access::Read));
    assert_eq!(grants["dump"], Grant::Program { changes: false });
    assert_eq!(grants["site"], Grant::Endpoint(vec!["GET".into()]));
    let Grant::Redis(words) = &grants["cache"] else { panic!("no cache") };
    let redis = hostler_policy::redis::RedisGrant::parse(words).expect("they are words");
    assert!(redis.is_read_only() && !redis.changes());
}

#[test]
fn a_plugin_that_only_looks_gets_no_changing_grant() {
    let manifest = Manifest::parse(
        "[plugin]\nname = \"a\"\nversion = \"0.1.0\"\nsummary = \"a\"\nlicense = \"x\"\nmode = \"check\"\n[requests.cache]\nkind = \"redis\"\nreason = \"r\"\nallow = [\"+@all\", \"~*\"]\n",
    )
    .expect("it is whole");
    let configuration = configured("bind.cache = \"redis.cache\"");
    let (bindings, _) =
        bind(&configuration.tasks["sweep"], &manifest, &configuration.resources, false).expect("it fits");
    let Grant::Redis(words) = &bindings[0].grant else { panic!("no cache") };
    assert!(hostler_policy::redis::RedisGrant::parse(words).expect("they are words").is_read_only());
}

#[test]
fn an_endpoint_asked_to_change_alone_is_not_read_either() {
    let manifest = Manifest::parse(&MANIFEST.replace("[\"GET\", \"POST\"]", "[\"POST\"]")).expect("it is whole");
    let configuration = configured(&format!("{ALL}bind.site = \"endpoint.site\"\n{AGE}"));
    let (bindings, _) =
        bind(&configuration.tasks["sweep"], &manifest, &configuration.resources, true).expect("it fits");
    let Some(Grant::Endpoint(methods)) =
        bindings.iter().find(|binding| binding.request == "site").map(|binding| &binding.grant)
    else {
        panic!("no endpoint")
    };
    for method in ["GET", "HEAD", "POST"] {
        assert!(hostler_policy::endpoint::check_method(methods, method).is_err(), "{method}");
    }
}

fn pairs(given: &[(&str, &str)]) -> Vec<(String, String)> {
    given.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn resources_and_settings_are_given_at_the_command_line() {
    let resources = configured(ALL).resources;
    let binds = pairs(&[
        ("database", "host=db1 dbname=shop password=hunter2"),
        ("standbys", "postgres.replica"),
        ("standbys", "postgres://u:hunter2@b/x"),
        ("cache", "redis://cache1"),
        ("logs", "/var/log"),
        ("figures", "machine"),
    ]);
    let settings = pairs(&[("age", "30d"), ("warning", "75")]);
    let task = TaskConfiguration::from_command_line(&manifest(), &binds, &settings, &resources)
        .unwrap_or_else(|errors| panic!("{errors}"));
    assert!(!format!("{task:?}").contains("hunter2"));
    let (bindings, settings) = bind(&task, &manifest(), &resources, true).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(settings["warning"], 75.0);
    let targets = |request: &str| -> Vec<String> {
        let binding = bindings.iter().find(|binding| binding.request == request).expect("it is bound");
        binding.targets.iter().map(|target| target.name.clone()).collect()
    };
    assert_eq!(targets("database"), ["database"]);
    assert_eq!(targets("standbys"), ["replica", "standbys-2"]);
    assert_eq!(targets("figures"), ["machine"]);
    let errors = bind(
        &TaskConfiguration::from_command_line(&manifest(), &[], &[], &resources).expect("nothing is given"),
        &manifest(),
        &Resources::default(),
        true,
    )
    .expect_err("nothing is bound");
    assert!(
        errors
            .to_string()
            .starts_with("`--bind cache` is missing: the plugin asks for a resource of kind redis, to count keys"),
        "{errors}"
    );
}

#[test]
fn what_is_given_wrongly_at_the_command_line_is_named_without_a_secret() {
    let resources = configured(ALL).resources;
    let binds = pairs(&[
        ("databse", "postgres.main"),
        ("database", "postgres.mian"),
        ("cache", "http://u:hunter2@cache1"),
        ("logs", "logs"),
        ("dump", "/usr/bin/pg_dump"),
        ("site", "https://u:hunter2@shop.example"),
        ("past", "machine"),
        ("figures", "hunter2"),
    ]);
    let errors = TaskConfiguration::from_command_line(&manifest(), &binds, &pairs(&[("agee", "1")]), &resources)
        .expect_err("all of it is wrong");
    let text = errors.to_string();
    assert_eq!(errors.0.len(), 9, "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    for expected in [
        "`--bind databse` is not a request of this plugin; did you mean `database`?",
        "`--bind database` is `postgres.mian`, which does not exist; did you mean `postgres.main`?",
        "`--bind past` has to be of kind history, and `machine` is of kind machine",
        "`--bind figures` has to be \"machine\"",
        "`--set agee` is not a setting of this plugin; did you mean `age`?",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn a_resource_is_written_out_with_its_kind() {
    assert!(
        matches!(Resource::parse_inline("postgres=host=db1 dbname=shop"), Ok(Resource::Postgres(database)) if database.dsn == "host=db1 dbname=shop")
    );
    assert!(matches!(Resource::parse_inline("redis=redis://cache1"), Ok(Resource::Redis(_))));
    assert_eq!(Resource::parse_inline("machine"), Ok(Resource::Machine));
    assert!(Resource::parse_inline("mysql=hunter2").is_err_and(|problem| !problem.contains("hunter2")));
    assert!(
        inline("postgres", "redis://:hunter2@x", &Resources::default())
            .is_err_and(|problem| !problem.contains("hunter2"))
    );
}
