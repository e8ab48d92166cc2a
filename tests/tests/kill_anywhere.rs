//! The host is killed at random moments of a procedure that changes files, a database and a cache: whatever the moment,
//! the next command says what was interrupted, nothing half is left, and running again comes to the same end.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use hostler_tests::{Hostler, Postgres, RedisServer, Signal, eventually};

/// All tests of this file together.
const KILLS: u64 = 200;
/// They run side by side.
const SHARES: u64 = 4;

struct Ground {
    host: Hostler,
    postgres: Postgres,
    redis: RedisServer,
}

impl Ground {
    fn new() -> Self {
        let (postgres, redis) = (Postgres::start_with(&["autovacuum=off"]), RedisServer::start());
        postgres.execute("CREATE TABLE public.kept (id int PRIMARY KEY, note text)");
        postgres.execute("INSERT INTO public.kept SELECT g, 'x' FROM generate_series(1, 2000) g");
        let host = Hostler::new(&format!(
            "[postgres.main]\ndsn = \"{}\"\n[redis.main]\nurl = \"{}\"\n\
             [directory.source]\npath = \"{{directory}}/source\"\n[directory.backups]\npath = \"{{directory}}/backups\"\n\
             [directory.output]\npath = \"{{directory}}/output\"\n\
             [tasks.files]\nplugin = \"backup-files\"\nsettings = {{ keep = 2 }}\n\
             bind = {{ source = [\"directory.source\"], destination = \"directory.backups\" }}\n\
             [tasks.writes]\nplugin = \"test-misbehaving\"\nbind.output = \"directory.output\"\n\
             settings = {{ behaviour = \"changes\", count = 8 }}\n\
             [tasks.vacuum]\nplugin = \"postgres-vacuum\"\nbind.database = \"postgres.main\"\n\
             [tasks.ttl]\nplugin = \"redis-ttl\"\nbind.server = \"redis.main\"\n\
             settings = {{ prefixes = [\"page:\"], time_to_live = \"1d\" }}\n\
             [procedures.all]\nparallel = 2\ntasks = [\"files\", \"writes\", \"vacuum\", \"ttl\"]\n",
            postgres.superuser(),
            redis.url()
        ));
        for directory in ["source/deep", "backups", "output"] {
            fs::create_dir_all(host.path().join(directory)).expect("a directory");
        }
        for number in 0..40 {
            let text = format!("line {number}\n").repeat(2000);
            fs::write(host.path().join(format!("source/deep/{number}")), text).expect("a file");
        }
        host.install(&["backup-files", "test-misbehaving", "postgres-vacuum", "redis-ttl"]);
        Self { host, postgres, redis }
    }

    /// Makes work for every task.
    fn spoil(&self) {
        for file in fs::read_dir(self.host.path().join("output")).expect("it is there").flatten() {
            fs::remove_file(file.path()).expect("it is there");
        }
        self.postgres.execute("UPDATE public.kept SET note = note || 'y'");
        let mut pipe = redis::pipe();
        for number in 0..300 {
            pipe.set(format!("page:{number}"), "x");
        }
        let () = pipe.query(&mut self.redis.connection()).expect("it is set");
    }

    /// The same end, however often and wherever it was broken off.
    fn is_at_its_end(&self) {
        let path = |part: &str| self.host.path().join(part);
        let outputs = names(&path("output"));
        let expected: BTreeSet<String> = (0..8).map(|number| format!("file-{number:06}")).collect();
        assert_eq!(outputs, expected);
        for output in &outputs {
            assert_eq!(fs::read(path("output").join(output)).expect("it is there"), b"contents", "{output}");
        }
        let lives: i64 = redis::cmd("TTL").arg("page:299").query(&mut self.redis.connection()).expect("its time");
        assert!(lives > 0, "every key has its time");
        whole_backups(&path("backups"), true);
    }

    /// Nothing half, nothing held, nobody left, and what was broken off is named.
    fn left_nothing(&self, killed: bool) {
        for (directory, most) in [("output", 8), ("backups", usize::MAX)] {
            // What is unfinished has a name of the host's own, which no plugin sees and the next run takes away.
            let finished = names(&self.host.path().join(directory)).into_iter().filter(|name| !name.starts_with('.'));
            let finished: Vec<String> = finished.collect();
            assert!(finished.len() <= most, "{finished:?}");
            for name in finished.iter().filter(|name| name.starts_with("file-")) {
                let content = fs::read(self.host.path().join(directory).join(name)).expect("it is there");
                assert_eq!(content, b"contents", "{name} is half");
            }
        }
        whole_backups(&self.host.path().join("backups"), false);
        let runs = self.host.history(&[]);
        assert!(runs.iter().all(|run| run["course"] != "running"), "{runs:?}");
        if killed {
            assert!(runs.iter().any(|run| run["course"] == "interrupted"), "{runs:?}");
        }
    }
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).expect("it is there").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Every archive can be read to its end; where `finished`, each has its checksum beside it, and nothing else is there.
fn whole_backups(directory: &Path, finished: bool) {
    let all = names(directory);
    if finished {
        assert!(all.iter().all(|name| !name.starts_with('.')), "left behind: {all:?}");
    }
    for archive in
        all.iter().filter(|name| name.contains(".tar") && !name.starts_with('.') && !name.ends_with(".sha256"))
    {
        let read = Command::new("tar").arg("-tf").arg(directory.join(archive)).output().expect("tar");
        assert!(read.status.success(), "{archive}: {}", String::from_utf8_lossy(&read.stderr));
        assert_eq!(String::from_utf8_lossy(&read.stdout).matches("deep/").count(), 41, "{archive}");
        if finished {
            assert!(all.contains(&format!("{archive}.sha256")), "{archive} has no checksum: {all:?}");
        }
    }
}

/// One share of the kills. The moments are spread by a multiplicative sequence, so that each run of the test has others
/// than chance would repeat, and the same as before.
fn killed_at_random_moments(share: u64) {
    let ground = Ground::new();
    ground.spoil();
    let began = Instant::now();
    let whole = ground.host.run(&["run", "all"]);
    let length = began.elapsed() + Duration::from_millis(50);
    assert_eq!(whole.code, 0, "{whole:?}");
    ground.is_at_its_end();
    let mut interrupted = 0;
    for kill in 0..KILLS / SHARES {
        ground.spoil();
        let place = ((kill * SHARES + share) * 0x9e37_79b9 % 1000) as u32;
        let running = ground.host.start(&["run", "all"]);
        std::thread::sleep(length * place / 1000);
        let mut running = running;
        if running.is_running() {
            running.signal(Signal::KILL);
        }
        let killed = running.end_within(Duration::from_secs(30)).code == -1;
        eventually("nobody works on the server any more", || {
            ground.postgres.value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'hostler%'") == "0"
        });
        let before =
            ground.host.history(&["--limit", "200"]).iter().filter(|run| run["course"] == "interrupted").count();
        ground.left_nothing(killed && before > interrupted);
        interrupted = before;
        // Every few kills it is run to its end, so that others hit what a kill before them has left.
        if kill % 3 == 2 {
            let again = ground.host.run(&["run", "all"]);
            assert_eq!(again.code, 0, "kill {kill} at {place}/1000: {again:?}");
            ground.is_at_its_end();
            let verified = ground.host.run(&["audit", "verify"]);
            assert_eq!(verified.code, 0, "{verified:?}");
        }
    }
    assert!(interrupted > 5, "most kills came in the middle of a run: {interrupted}");
}

#[test]
fn a_first_quarter_of_the_kills() {
    killed_at_random_moments(0);
}

#[test]
fn a_second_quarter_of_the_kills() {
    killed_at_random_moments(1);
}

#[test]
fn a_third_quarter_of_the_kills() {
    killed_at_random_moments(2);
}

#[test]
fn a_fourth_quarter_of_the_kills() {
    killed_at_random_moments(3);
}
