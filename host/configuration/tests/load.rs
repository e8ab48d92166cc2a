//! What an operator may get wrong in a configuration, and what the host says then.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use hostler_configuration::{Configuration, ConfigurationError, Resource, TEMPLATE};
use tempfile::TempDir;

struct Written {
    directory: TempDir,
}

impl Written {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("hostler.toml"), text).expect("the file is written");
        Self { directory }
    }

    fn part(self, name: &str, text: &str) -> Self {
        fs::create_dir_all(self.directory.path().join("conf.d")).expect("a directory");
        fs::write(self.directory.path().join("conf.d").join(name), text).expect("the file is written");
        self
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("hostler.toml")
    }

    fn load(&self) -> Configuration {
        Configuration::load(&self.path()).unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// The errors, with the directory taken out.
    fn errors(&self) -> Vec<String> {
        let errors = Configuration::load(&self.path()).expect_err("it is wrong");
        let directory = format!("{}/", self.directory.path().display());
        errors.0.iter().map(|error| error.to_string().replace(&directory, "")).collect()
    }
}

const GOOD: &str = r#"
[host]
state = "state"
parallel = 2

[postgres.main]
dsn = "host=db1 dbname=shop user=hostler"
password_file = "db1.password"

[directory.logs]
path = "logs"

[tasks.vacuum]
plugin = "postgres-vacuum"
bind = { database = "postgres.main" }
settings = { freeze_warning = 85, since = 2026-01-02 }
timeout = "2h"
window = "22:00-04:00"
limits = { memory_bytes = "64MiB", wall_seconds = 300 }

[procedures.weekly]
schedule = "Sun 03:00"
time_zone = "Europe/Berlin"
window = "02:00-05:00"
tasks = ["vacuum"]
"#;

#[test]
fn a_whole_configuration_is_read_and_its_paths_are_absolute() {
    let written = Written::new(GOOD).part("10-redis.toml", "[redis.cache]\nurl = \"redis://cache1\"\n");
    let configuration = written.load();
    let directory = written.directory.path();
    assert_eq!(configuration.host.state, directory.join("state"));
    assert_eq!(configuration.host.registry, directory.join("state/registry"));
    assert_eq!((configuration.host.parallel, configuration.host.keep_runs), (2, 1000));
    let Some(Resource::Postgres(database)) = configuration.resources.get("postgres.main") else {
        panic!("no database")
    };
    assert_eq!(database.password_file.as_deref(), Some(directory.join("db1.password").as_path()));
    assert!(configuration.resources.get("redis.cache").is_some());
    assert_eq!(configuration.resources.get("machine"), Some(&Resource::Machine));
    let task = &configuration.tasks["vacuum"];
    assert_eq!(task.bindings["database"].targets[0].name, "main");
    assert_eq!(task.settings["freeze_warning"], 85);
    assert_eq!(task.settings["since"], "2026-01-02");
    assert_eq!((task.limits.memory_bytes, task.limits.wall_seconds), (Some(64 << 20), Some(300)));
    assert_eq!(task.timeout, Some(Duration::from_secs(7200)));
    assert_eq!(task.place.as_ref().map(|place| place.line), Some(13));
    let procedure = &configuration.procedures["weekly"];
    assert_eq!(procedure.time_zone.iana_name(), Some("Europe/Berlin"));
    assert_eq!(procedure.schedule.as_ref().map(ToString::to_string).as_deref(), Some("sun 03:00"));
    assert_eq!(configuration.warnings, []);
    assert_eq!(configuration.files.len(), 2);
}

#[test]
fn a_missing_file_is_told_how_to_be_made() {
    let error = Configuration::load(Path::new("/nowhere/hostler.toml")).expect_err("it is not there");
    assert!(matches!(error.0.as_slice(), [ConfigurationError::Missing { .. }]));
    assert!(error.to_string().contains("hostler init"), "{error}");
}

#[test]
fn an_unreadable_file_says_why() {
    let directory = tempfile::tempdir().expect("a directory");
    let error = Configuration::load(directory.path()).expect_err("a directory is no file");
    assert!(matches!(error.0.as_slice(), [ConfigurationError::Unreadable { .. }]), "{error}");
    let written = Written::new(GOOD);
    fs::create_dir_all(written.directory.path().join("conf.d/a.toml")).expect("a directory");
    assert!(written.errors()[0].starts_with("conf.d/a.toml: cannot be read: "), "{:?}", written.errors());
}

#[test]
fn what_is_no_toml_is_named_by_line_and_its_values_are_not_shown() {
    let errors =
        Written::new("[host]\nparallel = 4\n[postgres.main]\ndsn = \"host=db1 password=hunter2\nx = 1\n").errors();
    assert!(errors[0].starts_with("hostler.toml:4: this is not TOML: "), "{errors:?}");
    assert!(errors[0].contains("near `dsn`"), "{errors:?}");
    for text in [
        "dsn = host=db1 password=hunter2",
        "redis://:hunter2@cache",
        "[postgres.hunter2 = \"x\"",
        "x = [\"hunter2\", hunter2]",
        "dsn = \"\"\"\nhost=db1 password=hunter2 \\q\n\"\"\"",
        "= hunter2",
        "\"hunter2\" \"hunter2\"",
        "x = { password = \"hunter2\" \"hunter2\" }",
    ] {
        let errors = Written::new(text).errors();
        assert!(!errors.is_empty());
        assert!(errors.iter().all(|error| !error.contains("hunter2") || text.starts_with('[')), "{errors:?}");
    }
    let written = Written::new(GOOD);
    fs::write(written.path(), b"[host]\n\nparallel = \xff\n").expect("the file is written");
    assert_eq!(written.errors(), ["hostler.toml:3: this is not TOML: a byte there is not UTF-8"]);
}

#[test]
fn an_unknown_key_is_answered_with_what_was_meant() {
    let errors =
        Written::new(&GOOD.replace("schedule =", "shedule =").replace("parallel = 2", "paralell = 2")).errors();
    assert_eq!(
        errors,
        [
            "hostler.toml:4: `host.paralell` is not known; did you mean `parallel`?",
            "hostler.toml:22: `procedures.weekly.shedule` is not known; did you mean `schedule`?",
        ]
    );
    let errors =
        Written::new("[postgress.main]\ndsn = \"host=x\"\n[tasks.a]\nplugin = \"p\"\nlimits = { memory = 1 }\n")
            .errors();
    assert!(errors[0].contains("`postgress` is not known; did you mean `postgres`?"), "{errors:?}");
    assert!(errors[1].starts_with("hostler.toml:5: `tasks.a.limits.memory` is not known"), "{errors:?}");
}

#[test]
fn a_wrong_type_names_what_is_expected_and_not_what_was_written() {
    let text = "[host]\nparallel = \"four\"\nkeep_days = 0\n[postgres.main]\ndsn = 5\n[program.x]\npath = \"/bin/x\"\nvariables = { TOKEN = 42 }\nallow = [{ arguments = [1] }, { argumnts = [] }]\n[tasks]\nfree = true\n";
    assert_eq!(
        Written::new(text).errors(),
        [
            "hostler.toml:2: `host.parallel` has to be a whole number",
            "hostler.toml:3: `host.keep_days` has to be a whole number, above zero",
            "hostler.toml:5: `postgres.main.dsn` has to be text, and is a number",
            "hostler.toml:8: `program.x.variables.TOKEN` has to be text, and is a number",
            "hostler.toml:9: `program.x.allow[0].arguments[0]` has to be text, and is a number",
            "hostler.toml:11: `tasks.free` has to be a table with a name, written [tasks.NAME], and is true or false",
        ]
    );
}

#[test]
fn a_missing_key_is_named() {
    let errors =
        Written::new("[postgres.main]\n[tasks.a]\nbind = { x = {} }\n[procedures.p]\nschedule = \"hourly\"\n").errors();
    assert_eq!(
        errors,
        [
            "hostler.toml:1: `postgres.main.dsn` is missing",
            "hostler.toml:2: `tasks.a.plugin` is missing",
            "hostler.toml:3: `tasks.a.bind.x.resource` is missing",
            "hostler.toml:4: `procedures.p.tasks` is missing",
        ]
    );
}

#[test]
fn a_schedule_a_zone_and_a_window_that_are_none() {
    let text = GOOD
        .replace("Sun 03:00", "Sonntag 03:00")
        .replace("Europe/Berlin", "Europe/Berln")
        .replace("02:00-05:00", "02:00-26:00")
        .replace("22:00-04:00", "22:00-22:00");
    let errors = Written::new(&text).errors();
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert!(errors[0].starts_with("hostler.toml:18: `tasks.vacuum.window` is \"22:00-22:00\", which is no window"));
    assert!(
        errors[1]
            .starts_with("hostler.toml:22: `procedures.weekly.schedule` is \"Sonntag 03:00\", which is no schedule")
    );
    assert!(errors[2].ends_with("which is no time zone; did you mean \"Europe/Berlin\"?"), "{errors:?}");
    assert!(errors[3].contains("`procedures.weekly.window`"));
}

#[test]
fn two_tasks_of_one_name_are_named_with_both_places() {
    let twice = format!("{GOOD}\n[tasks.vacuum]\nplugin = \"other\"\n");
    assert_eq!(
        Written::new(&twice).errors(),
        [
            "hostler.toml:27: `tasks.vacuum` is defined twice, first at hostler.toml:13; give one of them another name, or remove it"
        ]
    );
    let errors = Written::new(GOOD).part("a.toml", "\n[tasks.vacuum]\nplugin = \"other\"\n").errors();
    assert_eq!(
        errors,
        [
            "conf.d/a.toml:2: `tasks.vacuum` is defined twice, first at hostler.toml:13; give one of them another name, or remove it"
        ]
    );
    let errors = Written::new(GOOD).part("a.toml", "[host]\n").errors();
    assert!(errors[0].starts_with("conf.d/a.toml:1: `host` is defined twice, first at hostler.toml:2"), "{errors:?}");
    let errors = Written::new("[postgres.a]\ndsn = \"host=a\"\ndsn = \"host=b\"\n").errors();
    assert!(
        errors[0].starts_with("hostler.toml:3: `postgres.a.dsn` is defined twice, first at hostler.toml:2"),
        "{errors:?}"
    );
}

#[test]
fn what_does_not_exist_is_answered_with_what_was_meant() {
    let text =
        GOOD.replace("\"postgres.main\"", "\"main\"").replace("[\"vacuum\"]", "[\"vacum\", \"vacuum\", \"vacuum\"]");
    assert_eq!(
        Written::new(&text).errors(),
        [
            "hostler.toml:15: `tasks.vacuum.bind.database` names the resource `main`, which does not exist; did you mean `postgres.main`?",
            "hostler.toml:25: `procedures.weekly.tasks` names the task `vacum`, which does not exist; did you mean `vacuum`?",
            "hostler.toml:25: `procedures.weekly.tasks` names the task `vacuum` twice",
        ]
    );
    let errors = Written::new(&GOOD.replace("\"postgres.main\"", "\"redis://:hunter2@cache1\"")).errors();
    assert!(errors[0].contains("which does not exist") && !errors[0].contains("hunter2"), "{errors:?}");
}

#[test]
fn a_resource_with_an_error_of_its_own_is_not_called_missing() {
    let errors = Written::new(&GOOD.replace("dsn =", "dns =")).errors();
    assert_eq!(errors, ["hostler.toml:7: `postgres.main.dns` is not known; did you mean `dsn`?"]);
}

#[test]
fn bindings_of_several_resources_are_held_together() {
    let base = "[postgres.a]\ndsn = \"host=a\"\n[redis.a]\nurl = \"redis://a\"\n[tasks.t]\nplugin = \"p\"\n";
    for (bind, expected) in [
        ("bind.x = []", "is an empty list"),
        ("bind.x = [\"postgres.a\", \"redis.a\"]", "mixes kinds: `redis.a` is no postgres"),
        ("bind.x = [\"postgres.a\", \"postgres.a\"]", "names `postgres.a` twice"),
        ("bind.x = [1]", "`tasks.t.bind.x[0]` has to be text, and is a number"),
        ("bind.x = 1", "`tasks.t.bind.x` has to be a resource such as"),
        ("bind = \"postgres.a\"", "`tasks.t.bind` has to be a table of requests and resources"),
        ("bind.x = { resource = \"postgres.a\", resources = [\"postgres.a\"] }", "one of them will do"),
        (
            "bind.x = { resource = \"postgres.a\", wirte = [] }",
            "`tasks.t.bind.x.wirte` is not known; did you mean `write`?",
        ),
        ("bind.x = { resource = \"postgres.a\", allow = [] }", "`tasks.t.bind.x.allow` is not known"),
        ("bind.x = { resource = \"postgres.a\", connections = 0 }", "`tasks.t.bind.x.connections`"),
        ("bind.x = { resource = \"machine\", read = [] }", "`tasks.t.bind.x.read` is not known"),
        ("settings.x = nan", "`tasks.t.settings.x` holds a number"),
        ("plugin_ = 1", "`tasks.t.plugin_` is not known; did you mean `plugin`?"),
    ] {
        let errors = Written::new(&format!("{base}{bind}\n")).errors();
        assert_eq!(errors.len(), 1, "{bind}: {errors:?}");
        assert!(errors[0].starts_with("hostler.toml:7: ") && errors[0].contains(expected), "{bind}: {errors:?}");
    }
}

#[test]
fn a_pattern_that_is_none_is_named_at_its_own_line() {
    let list = "[program.a]\npath = \"/x\"\nallow = [\n  { arguments = [\"show\"] },\n  { arguments = [\"--to={output\", \"x\"] },\n]\n";
    let tables = "[program.a]\npath = \"/x\"\n\n[[program.a.allow]]\narguments = [\"a\"]\n\n[[program.a.allow]]\narguments = [\"a\", \"{9-1}\"]\n";
    for (text, expected) in [
        (list, "hostler.toml:5: `program.a.allow[1].arguments[0]` is wrong: "),
        (tables, "hostler.toml:7: `program.a.allow[1].arguments[1]` is wrong: "),
    ] {
        let errors = Written::new(text).errors();
        assert!(errors.len() == 1 && errors[0].starts_with(expected), "{errors:?}");
    }
}

#[test]
fn resources_that_cannot_be_right_are_refused() {
    for (text, expected) in [
        ("[postgres.a]\ndsn = \"db1\"", "is no connection string"),
        ("[redis.a]\nurl = \"cache1:6379\"", "is no address of a Redis server"),
        ("[endpoint.a]\nurl = \"ftp://x\"", "http, https, tcp or tls"),
        ("[endpoint.a]\nurl = \"https://u:hunter2@x/\"", "header_file"),
        ("[endpoint.a]\nurl = \"https://x\"\nnetworks = [\"10.0.0.0/33\"]", "`endpoint.a.networks[0]` is wrong"),
        ("[program.a]\npath = \"pg_dump\"", "PATH is not searched"),
        ("[program.a]\npath = \"/x\"\nallow = [{ arguments = [\"...\"] }]", "`program.a.allow[0].arguments` is wrong"),
        ("[program.a]\npath = \"/x\"\nallow = [{ arguments = [\"{output}\"], effect = \"reads\" }]", "only reads"),
        ("[program.a]\npath = \"/x\"\nenvironment = [\"A=B\"]", "environment variable"),
        ("[program.a]\npath = \"/x\"\nconfine = \"strikt\"", "unknown variant `strikt`"),
        ("[directory.a]\npath = \"\"", "is empty"),
        ("[directory.Upper]\npath = \"/x\"", "is no name"),
        ("[directory.'../x']\npath = \"/x\"", "is no name"),
        ("directory = 1", "has to be a table"),
        ("[host]\nparallel = 9999", "at most 1024"),
        ("[tasks.a]\nplugin = \"../../etc\"", "has to be the name of a plugin"),
        ("[tasks.a]\nplugin = \"p\"\n[procedures.a]\ntasks = [\"a\"]", "has the name of a task"),
        ("[procedures.a]\ntasks = []", "is empty"),
    ] {
        let errors = Written::new(text).errors();
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert!(errors[0].contains(expected) && !errors[0].contains("hunter2"), "{text}: {errors:?}");
    }
}

#[test]
fn a_password_is_warned_of_and_shown_nowhere() {
    let text = GOOD.replace("dbname=shop", "dbname=shop password=hunter2").replace("02:00-05:00", "04:00-05:00");
    let configuration = Written::new(&text).load();
    let warnings: Vec<String> = configuration.warnings.iter().map(ToString::to_string).collect();
    assert!(warnings[0].contains("hostler.toml:7: `postgres.main.dsn` holds a password"), "{warnings:?}");
    assert!(warnings[1].contains("no task that changes something will start"), "{warnings:?}");
    assert!(!format!("{configuration:?} {warnings:?}").contains("hunter2"));
    let broken = text.replace("plugin =", "plugn =").replace("timeout = \"2h\"", "timeout = \"soon\"");
    let errors = Written::new(&broken).errors();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(!format!("{errors:?}").contains("hunter2"));
}

#[test]
fn hidden_and_foreign_files_beside_it_are_left_alone() {
    let written = Written::new(GOOD).part(".a.toml", "nonsense").part("b.toml~", "nonsense").part("c.txt", "nonsense");
    assert_eq!(written.load().files.len(), 1);
}

#[test]
fn the_template_holds_as_it_is_and_with_every_example_taken_in() {
    let untouched = Written::new(TEMPLATE).load();
    assert!(untouched.tasks.is_empty() && untouched.resources.iter().next().is_none());
    let examples: String = TEMPLATE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            // The list of a program's forms goes on over indented lines.
            Some(example) if !example.starts_with(' ') || example.starts_with("  {") => format!("{example}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let written = Written::new(&examples).load();
    assert_eq!(written.resources.iter().count(), 5);
    assert_eq!((written.tasks.len(), written.procedures.len()), (3, 2));
    assert_eq!(written.warnings, []);
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(\\[[a-z.]{0,12}\\]\n|[a-z]{1,8} = [ -~]{0,12}\n|[ -~]{0,20}\n){0,8}") {
        let written = Written::new(&text);
        let _ = Configuration::load(&written.path());
    }

    #[test]
    fn no_damage_to_a_good_file_panics(at in 0..GOOD.len(), with in "[ -~\n]{0,3}") {
        let mut text = GOOD.to_owned();
        text.replace_range(at..(at + 1), &with);
        let written = Written::new(&text);
        let _ = Configuration::load(&written.path());
    }
}

#[test]
fn a_connection_string_that_cannot_be_read_is_told_with_its_line_and_without_what_it_holds() {
    for (dsn, said) in [
        ("host=db1 hunter2", "the connection string is wrong at byte 9"),
        ("host=db1 password='hunter2", "has no end"),
        ("postgres://u:hunter2%zz@db1/shop", "wrong %-escape"),
        ("postgres://u:hunter2@[::1/shop", "an address in [ without ]"),
    ] {
        let errors = Written::new(&format!("[postgres.main]\ndsn = {dsn:?}\n")).errors();
        let [error] = errors.as_slice() else { panic!("one thing is wrong: {errors:?}") };
        assert!(error.starts_with("hostler.toml:2") && error.contains("`postgres.main.dsn`"), "{error}");
        assert!(error.contains(said) && !error.contains("hunter2"), "{error}");
    }
}
