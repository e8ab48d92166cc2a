//! security-firewall with the real nft and the real fail2ban, each test in a network namespace of its own: the machine's
//! own rules are never touched. Where namespaces are not to be had the test fails, and says so.
//!
//! systemd is not process 1 where tests run. Scripts stand in for systemd-run and systemctl at the program's boundary,
//! and a loop outside the host for systemd itself: it keeps the timer and starts what the timer says, whatever became of
//! the host. Its clock runs 30 times as fast.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use hostler_tests::{Hostler, Output, Signal, eventually};
use rustix::thread::LinkNameSpaceType;

const SYSTEMD_RUN: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 70
echo "systemd-run $*" >> calls
case $(cat behaviour) in
  no-bus) echo "Failed to connect to bus: No such file or directory" >&2; exit 1 ;;
  forgets) echo "Running timer as unit: hostler-firewall-rollback.timer" >&2; exit 0 ;;
esac
for argument in "$@"; do
  case $argument in
    --on-active=*) seconds=${argument#--on-active=} ;;
    --unit=*) unit=${argument#--unit=} ;;
    --collect) ;;
    *) break ;;
  esac
  shift
done
[ -e timers/$unit.timer ] && { echo "Failed to start transient timer unit: Unit $unit.timer was already loaded." >&2; exit 1; }
{ echo $(($(date +%s) + seconds / 30)); echo "$@"; } > timers/.$unit && mv timers/.$unit timers/$unit.timer
echo "Running timer as unit: $unit.timer" >&2
echo "Will run service as unit: $unit.service" >&2
"#;

const SYSTEMCTL: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 70
case $1 in
  is-active) if [ -e timers/$2 ]; then echo active; else echo inactive; exit 3; fi ;;
  stop) echo "systemctl $*" >> calls; rm -f timers/$2 ;;
  *) echo "Unknown command verb $1." >&2; exit 1 ;;
esac
"#;

const SYSTEMD: &str = r#"cd "$1" || exit 70
while :; do
  for timer in timers/*.timer; do
    [ -e "$timer" ] || continue
    { read -r due; read -r command; } < "$timer"
    [ "$(date +%s)" -ge "$due" ] && rm -f "$timer" && echo "fired" >> calls && $command
  done
  sleep 0.1
done
"#;

/// The real nft, with a note of what it was asked to change, and a pause before it does where a test wants one.
const NFT: &str = r#"#!/bin/sh
directory=$(dirname "$0")
case "$*" in
  -f*) echo "nft -f $(basename "$2")" >> "$directory/calls"; [ -e "$directory/slow" ] && sleep 4 ;;
esac
exec /usr/sbin/nft "$@"
"#;

const OPEN: &str = "flush ruleset\ntable inet filter {\n chain input {\n  type filter hook input priority 0; policy accept;\n  tcp dport 22 counter accept\n }\n}\n";
const CLOSED: &str = "flush ruleset\ntable inet filter {\n chain input {\n  type filter hook input priority 0; policy drop;\n  iif lo accept\n  ct state { established, related } accept\n  tcp dport { 22, 443 } counter accept\n }\n}\n";

/// A process that ends with its test.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Site {
    host: Hostler,
    outside: PathBuf,
    _held: Vec<Held>,
}

fn namespace() -> PathBuf {
    fs::read_link("/proc/thread-self/ns/net").expect("a network namespace")
}

/// Moves this thread, and all that it starts, into a network namespace of its own.
fn moved() -> (Held, PathBuf) {
    for program in ["/usr/sbin/nft", "/usr/bin/fail2ban-client", "/usr/bin/unshare"] {
        assert!(Path::new(program).exists(), "{program} is missing: `make test` installs it");
    }
    let outside = namespace();
    let child = Command::new("unshare")
        .args(["--net", "sleep", "600"])
        .stdin(Stdio::null())
        .spawn()
        .expect("unshare of util-linux");
    let held = Held(child);
    let path = format!("/proc/{}/ns/net", held.0.id());
    eventually("there is a network namespace (root, or CAP_SYS_ADMIN, is needed for `unshare --net`)", || {
        fs::read_link(&path).is_ok_and(|link| link != outside)
    });
    let handle = fs::File::open(&path).expect("its namespace");
    rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&handle), Some(LinkNameSpaceType::Network))
        .expect("root, or CAP_SYS_ADMIN, is needed to enter a network namespace");
    assert_ne!(namespace(), outside, "this test never touches the machine's own rules");
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("ip of iproute2");
    assert!(up.success());
    (held, outside)
}

fn script(path: PathBuf, text: &str) {
    fs::write(&path, text).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
}

fn site(settings: &str, bind: &str) -> Site {
    let (held, outside) = moved();
    let host = Hostler::new(&format!(
        "[program.nft]\npath = \"{{directory}}/nft\"\nconfine = \"off\"\nallow = [\
         {{ arguments = [\"-j\", \"list\", \"ruleset\"], effect = \"reads\" }}, {{ arguments = [\"list\", \"ruleset\"], effect = \"reads\" }}, \
         {{ arguments = [\"-c\", \"-f\", \"{{path}}\"], effect = \"reads\" }}, {{ arguments = [\"-f\", \"{{path}}\"] }}]\n\
         [program.systemd-run]\npath = \"{{directory}}/systemd-run\"\nconfine = \"off\"\nallow = [{{ arguments = \
         [\"--on-active={{60-3600}}\", \"--unit=hostler-firewall-rollback\", \"--collect\", \"/usr/sbin/nft\", \"-f\", \"{{path}}\"] }}]\n\
         [program.systemctl]\npath = \"{{directory}}/systemctl\"\nconfine = \"off\"\nallow = [\
         {{ arguments = [\"is-active\", \"hostler-firewall-rollback.timer\"], effect = \"reads\" }}, \
         {{ arguments = [\"stop\", \"hostler-firewall-rollback.timer\"] }}]\n\
         [program.fail2ban]\npath = \"{{directory}}/fail2ban-client\"\nconfine = \"off\"\nallow = [\
         {{ arguments = [\"status\"], effect = \"reads\" }}, {{ arguments = [\"-t\"], effect = \"reads\" }}, {{ arguments = [\"reload\"] }}]\n\
         [directory.rules]\npath = \"{{directory}}/rules\"\n[directory.approved]\npath = \"{{directory}}/approved\"\n\
         [tasks.task]\nplugin = \"security-firewall\"\nbind = {{ nft = \"program.nft\", machine = \"machine\", \
         baseline = \"directory.approved\"{bind} }}\nsettings = {{ {settings} }}\n"
    ));
    host.install(&["security-firewall"]);
    for directory in ["rules", "approved", "timers"] {
        fs::create_dir(host.path().join(directory)).expect("a directory");
    }
    for (name, text) in [("nft", NFT), ("systemd-run", SYSTEMD_RUN), ("systemctl", SYSTEMCTL)] {
        script(host.path().join(name), text);
    }
    fs::write(host.path().join("behaviour"), "well").expect("a file");
    let systemd = Command::new("sh").args(["-c", SYSTEMD, "sh"]).arg(host.path()).stdin(Stdio::null()).spawn();
    let systemd = Held(systemd.expect("sh"));
    Site { host, outside, _held: vec![systemd, held] }
}

const CHANGE: &str =
    ", rules = \"directory.rules\", systemd-run = \"program.systemd-run\", systemctl = \"program.systemctl\"";

impl Site {
    fn path(&self, below: &str) -> PathBuf {
        self.host.path().join(below)
    }

    fn run(&self, command: &str) -> Output {
        self.host.run(&[command, "task", "--format", "json"])
    }

    fn nft(&self, arguments: &[&str]) -> String {
        assert_ne!(namespace(), self.outside, "never in the machine's own namespace");
        let output = Command::new("/usr/sbin/nft").args(arguments).output().expect("nft");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Loads rules, as somebody else would.
    fn load(&self, rules: &str) {
        let file = self.path("loaded.nft");
        fs::write(&file, rules).expect("a file");
        self.nft(&["-f", &file.display().to_string()]);
    }

    fn ruleset(&self) -> String {
        self.nft(&["-s", "list", "ruleset"])
    }

    fn wanted(&self, rules: &str) {
        fs::write(self.path("rules/rules.nft"), rules).expect("a file");
    }

    /// The remedy that the finding has, by hand.
    fn confirm(&self) {
        let status =
            Command::new("sh").args(["-c", "sha256sum rules.nft > confirmed"]).current_dir(self.path("rules")).status();
        assert!(status.expect("sha256sum").success());
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.path("calls"));
        let words = |line: &str| line.replace(&self.host.path().display().to_string(), "…");
        calls.lines().map(words).collect()
    }

    fn is_armed(&self) -> bool {
        self.path("timers/hostler-firewall-rollback.timer").exists()
    }

    /// Approves what a run handed out.
    fn approve(&self, output: &Output) {
        let attachment = output.task("task")["reported"]["attachments"][0].clone();
        let digits =
            attachment["content"].as_str().unwrap_or_else(|| panic!("no list: {output:?}")).as_bytes().chunks(2);
        let bytes =
            digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("a byte"));
        fs::write(self.path("approved/firewall.txt"), bytes.collect::<Vec<u8>>()).expect("a file");
    }
}

fn findings(output: &Output) -> Vec<String> {
    let mut findings = output.findings("task");
    findings.sort();
    findings
}

#[test]
fn what_was_approved_is_ok_and_a_rule_or_a_socket_more_is_drift() {
    let site = site("", "");
    site.load(CLOSED);
    let _ssh = TcpListener::bind("0.0.0.0:2222").expect("a port");
    let first = site.run("run");
    assert_eq!((first.code, findings(&first)), (3, vec!["unknown baseline-proposed baseline".to_owned()]), "{first:?}");
    site.approve(&first);
    let healthy = site.run("run");
    assert_eq!((healthy.code, findings(&healthy).len()), (0, 0), "{healthy:?}");
    // Counters go up, and that is no drift.
    let _ = std::net::TcpStream::connect("127.0.0.1:443");
    assert_eq!(site.run("run").code, 0);

    site.nft(&["insert", "rule", "inet", "filter", "input", "tcp", "dport", "8080", "accept"]);
    let _new = TcpListener::bind("0.0.0.0:8080").expect("a port");
    let _own = TcpListener::bind("127.0.0.1:8081").expect("a port");
    let sick = site.run("run");
    let found = findings(&sick);
    assert_eq!(sick.code, 1, "{sick:?}");
    assert!(found.len() == 2 && found[0].starts_with("warning listener-not-approved tcp 0.0.0.0:8080"), "{found:?}");
    assert_eq!(found[1], "warning rules-drift inet filter input");
    assert!(sick.stdout.contains("+ rule inet filter input tcp dport 8080 accept"), "{sick:?}");
    assert_eq!(sick.task("task")["plan"]["steps"].as_array().map(Vec::len), Some(0), "it changes nothing by itself");
    drop(_new);
    site.load(CLOSED);
    assert_eq!(site.run("run").code, 0);
    // The same rules in another order are other rules.
    let turned = CLOSED.replace("  iif lo accept\n", "").replace("accept\n }\n", "accept\n  iif lo accept\n }\n");
    site.load(&turned);
    let turned = site.run("run");
    assert_eq!(findings(&turned), ["warning rules-drift inet filter input"], "{turned:?}");
}

#[test]
fn a_database_that_the_rules_leave_open_to_the_world_is_critical() {
    let site = site("approved = [\"nothing\"]", "");
    let told = |code: &str| {
        site.run("run").findings("task").into_iter().filter(|found| found.contains(code)).collect::<Vec<_>>()
    };
    let _database = TcpListener::bind("0.0.0.0:5432").expect("a port");
    assert_eq!(told("no-firewall"), ["warning no-firewall nft"]);
    assert_eq!(told("database"), ["critical database-port-open 0.0.0.0:5432"]);
    site.load(OPEN);
    assert_eq!((told("no-firewall").len(), told("database").len()), (0, 1));
    site.load(CLOSED);
    assert_eq!(told("database").len(), 0);
    site.nft(&[
        "add",
        "rule",
        "inet",
        "filter",
        "input",
        "ip",
        "saddr",
        "10.0.0.0/8",
        "tcp",
        "dport",
        "5432",
        "accept",
    ]);
    assert_eq!(told("database").len(), 0, "friends are not the world");
    site.nft(&["add", "rule", "inet", "filter", "input", "meta", "mark", "7", "tcp", "dport", "5432", "accept"]);
    assert_eq!(told("database"), ["unknown database-port-unclear 0.0.0.0:5432"]);
    site.nft(&[
        "insert",
        "rule",
        "inet",
        "filter",
        "input",
        "tcp",
        "dport",
        "5000-6000",
        "ct",
        "state",
        "new",
        "accept",
    ]);
    assert_eq!(told("database"), ["critical database-port-open 0.0.0.0:5432"]);
    drop(_database);
    let _database = TcpListener::bind("127.0.0.1:5432").expect("a port");
    assert_eq!(told("database").len(), 0);
}

#[test]
fn new_rules_are_loaded_with_their_rollback_armed_and_a_confirmation_disarms_it() {
    let site = site("approved = []", CHANGE);
    site.load(OPEN);
    let before = site.ruleset();
    site.wanted(CLOSED);
    let plan = site.run("plan");
    assert!(plan.findings("task").contains(&"warning rules-due rules.nft".to_owned()), "{plan:?}");
    assert_eq!(plan.task("task")["plan"]["steps"].as_array().map(Vec::len), Some(2), "{plan:?}");
    assert_eq!(
        (site.ruleset(), site.calls().len(), site.is_armed()),
        (before.clone(), 0, false),
        "a plan changes nothing"
    );
    assert!(!site.path("rules/rollback.nft").exists());

    // Exactly what was planned is done: the rollback, its timer, the rules.
    let planned = plan.task("task")["run_id"].as_str().expect("a run").to_owned();
    let run = site.host.run(&["run", "task", "--plan", &planned, "--format", "json"]);
    assert!(run.findings("task").contains(&"warning confirmation-awaited rules.nft".to_owned()), "{run:?}");
    let calls = site.calls();
    let armed =
        "systemd-run --on-active=300 --unit=hostler-firewall-rollback --collect /usr/sbin/nft -f …/rules/rollback.nft";
    assert_eq!(calls, [armed, "nft -f rules.nft"], "armed first");
    assert!(site.is_armed() && site.ruleset().contains("policy drop"), "{}", site.ruleset());
    let again = site.run("run");
    assert!(again.findings("task").contains(&"warning confirmation-awaited rules.nft".to_owned()), "{again:?}");
    assert_eq!(site.calls().len(), 0, "nothing is loaded twice");

    site.confirm();
    let confirmed = site.run("run");
    assert!(
        confirmed.task("task")["summary"].as_str().is_some_and(|said| said.contains("the rollback is disarmed")),
        "{confirmed:?}"
    );
    assert_eq!(site.calls(), ["systemctl stop hostler-firewall-rollback.timer"]);
    assert!(!site.is_armed() && site.ruleset().contains("policy drop"));
    let holds = site.run("run");
    assert!(
        holds.task("task")["summary"].as_str().is_some_and(|said| said.contains("loaded and confirmed")),
        "{holds:?}"
    );
    assert_eq!(site.calls().len(), 0);
}

#[test]
fn rules_that_nobody_confirms_are_taken_back_and_not_loaded_again() {
    let site = site("approved = [], rollback = \"60s\"", CHANGE);
    site.load(OPEN);
    let before = site.ruleset();
    site.wanted(CLOSED);
    site.run("run");
    assert!(site.ruleset().contains("policy drop"));
    eventually("the timer brings the old rules back, without the host", || site.ruleset() == before);
    let told = site.run("run");
    assert!(told.findings("task").contains(&"warning rolled-back rules.nft".to_owned()), "{told:?}");
    site.calls();
    let again = site.run("run");
    assert_eq!(
        (again.code >= 1, site.calls().len(), site.ruleset()),
        (true, 0, before.clone()),
        "the same file is not loaded again"
    );
    // A plan is approved for what is in the file, and not for what somebody writes into it later.
    site.wanted(&CLOSED.replace("443", "9443"));
    let planned = site.run("plan").task("task")["run_id"].as_str().expect("a run").to_owned();
    site.wanted(&CLOSED.replace("443", "8443"));
    let slipped = site.host.run(&["run", "task", "--plan", &planned, "--format", "json"]);
    assert!(slipped.code >= 2 && site.ruleset() == before, "{slipped:?}");
    eventually("what was armed meanwhile is over", || !site.is_armed());
    let other = site.run("run");
    assert!(other.findings("task").contains(&"warning confirmation-awaited rules.nft".to_owned()), "{other:?}");
    assert!(site.ruleset().contains("8443"));
    // Disarmed by hand in time, as the remedy of a panicking operator: that is a confirmation too.
    fs::remove_file(site.path("timers/hostler-firewall-rollback.timer")).expect("it is armed");
    let by_hand = site.run("run");
    assert!(
        by_hand.task("task")["summary"].as_str().is_some_and(|said| said.contains("disarmed by hand")),
        "{by_hand:?}"
    );
}

#[test]
fn without_a_rollback_nothing_is_loaded() {
    let site = site("approved = []", CHANGE);
    site.load(OPEN);
    let before = site.ruleset();
    site.wanted(CLOSED);
    for behaviour in ["no-bus", "forgets"] {
        fs::write(site.path("behaviour"), behaviour).expect("a file");
        let run = site.run("run");
        assert_eq!(run.code, 2, "{run:?}");
        assert!(
            run.findings("task").contains(&"critical rollback-not-armed rules.nft".to_owned()),
            "{behaviour}: {run:?}"
        );
        assert_eq!(site.ruleset(), before, "{behaviour}");
    }
    // The operator did not write the form that arms it.
    let text = fs::read_to_string(site.host.configuration()).expect("a configuration");
    site.host.configure(&text.replace("--on-active={60-3600}", "--on-active={1-2}"));
    let refused = site.run("run");
    assert!(refused.findings("task").contains(&"critical rollback-not-armed rules.nft".to_owned()), "{refused:?}");
    assert_eq!((site.ruleset(), site.is_armed()), (before, false));
}

#[test]
fn rules_that_nft_does_not_take_or_that_only_add_are_refused() {
    let site = site("approved = []", CHANGE);
    site.load(OPEN);
    let before = site.ruleset();
    for (rules, code) in [
        (
            "flush ruleset\ntable inet filter { chain input { type filter hook nowhere priority 0; } }\n",
            "rules-refused",
        ),
        ("table inet filter { chain input { tcp dport 23 accept } }\n", "rules-not-repeatable"),
    ] {
        site.wanted(rules);
        for command in ["plan", "run"] {
            let told = site.run(command);
            assert!(told.findings("task").contains(&format!("critical {code} rules.nft")), "{command}: {told:?}");
            assert_eq!((site.ruleset(), site.calls().len(), site.is_armed()), (before.clone(), 0, false));
        }
    }
}

#[test]
fn a_run_that_is_killed_while_it_loads_leaves_the_rollback_behind_and_the_next_begins_anew() {
    let site = site("approved = [], rollback = \"60s\"", CHANGE);
    site.load(OPEN);
    let before = site.ruleset();
    site.wanted(CLOSED);
    fs::write(site.path("slow"), "").expect("a file");
    let running = site.host.start(&["run", "task"]);
    eventually("the rules are being loaded", || {
        fs::read_to_string(site.path("calls")).unwrap_or_default().contains("nft -f rules.nft")
    });
    running.signal(Signal::KILL);
    drop(running);
    fs::remove_file(site.path("slow")).expect("it is there");
    eventually("the rollback fires without the host", || {
        fs::read_to_string(site.path("calls")).unwrap_or_default().contains("fired")
    });
    eventually("the old rules hold", || site.ruleset() == before);
    site.calls();
    let next = site.run("run");
    assert!(next.findings("task").contains(&"warning confirmation-awaited rules.nft".to_owned()), "{next:?}");
    assert!(site.ruleset().contains("policy drop") && site.is_armed());
}

#[test]
fn rules_that_cannot_be_read_are_unknown_and_close_no_port() {
    let site = site("approved = []", "");
    let _database = TcpListener::bind("0.0.0.0:5432").expect("a port");
    // Behind its walls nft sees another network, and no rule of this one.
    let text = fs::read_to_string(site.host.configuration()).expect("a configuration");
    let own = format!("{}/nft", site.host.path().display());
    site.host.configure(&text.replacen("confine = \"off\"\n", "", 1).replacen(&own, "/usr/sbin/nft", 1));
    let blind = site.run("run");
    assert_eq!(blind.code, 3, "{blind:?}");
    let found = findings(&blind);
    assert!(found.contains(&"unknown rules-not-read nft".to_owned()), "{found:?}");
    assert!(found.contains(&"unknown database-port-unclear 0.0.0.0:5432".to_owned()), "{found:?}");
}

/// A real fail2ban with a configuration of its own.
fn fail2ban(site: &Site, jails: &[&str]) {
    let directory = site.path("fail2ban");
    for below in ["filter.d", "action.d"] {
        fs::create_dir_all(directory.join(below)).expect("a directory");
    }
    let place = directory.display();
    fs::write(
        directory.join("fail2ban.conf"),
        format!("[Definition]\nloglevel = INFO\nlogtarget = {place}/log\nsyslogsocket = auto\nsocket = {place}/sock\npidfile = {place}/pid\ndbfile = None\ndbpurgeage = 1d\nallowipv6 = auto\n"),
    )
    .expect("a file");
    fs::write(directory.join("filter.d/shop.conf"), "[Definition]\nfailregex = ^fail from <HOST>$\n").expect("a file");
    fs::write(directory.join("shop.log"), "").expect("a file");
    enabled(site, jails, "shop");
    script(
        site.path("fail2ban-client"),
        &format!(
            "#!/bin/sh\necho \"fail2ban-client $*\" >> {}/calls\nexec /usr/bin/fail2ban-client -c {place} -s {place}/sock -p {place}/pid \"$@\"\n",
            site.host.path().display()
        ),
    );
}

fn enabled(site: &Site, jails: &[&str], filter: &str) {
    let directory = site.path("fail2ban");
    let mut text = "[DEFAULT]\nbackend = polling\naction =\n".to_owned();
    for jail in jails {
        text += &format!("[{jail}]\nenabled = true\nfilter = {filter}\nlogpath = {}/shop.log\n", directory.display());
    }
    fs::write(directory.join("jail.conf"), text).expect("a file");
}

struct Stopped<'a>(&'a Site);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let _ = Command::new(self.0.path("fail2ban-client"))
            .arg("stop")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

#[test]
fn fail2ban_is_reloaded_only_with_a_right_configuration_and_told_where_it_is_down() {
    let site = site("approved = [], jails = [\"shop\", \"web\"]", ", fail2ban = \"program.fail2ban\"");
    fail2ban(&site, &["shop", "web"]);
    let told = |output: &Output| {
        output
            .findings("task")
            .into_iter()
            .filter(|found| found.contains("jail") || found.contains("fail2ban"))
            .collect::<Vec<_>>()
    };
    let down = site.run("run");
    assert_eq!((down.code, told(&down)), (2, vec!["critical fail2ban-down fail2ban".to_owned()]), "{down:?}");
    let started =
        Command::new(site.path("fail2ban-client")).arg("start").stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(started.expect("fail2ban-client").success());
    let _stopped = Stopped(&site);
    eventually("its jails are alive", || told(&site.run("plan")).is_empty());

    // A jail that is gone from the configuration is gone after the next reload; and back after the one after that.
    enabled(&site, &["shop"], "shop");
    let by_hand = Command::new(site.path("fail2ban-client")).arg("reload").stdout(Stdio::null()).status();
    assert!(by_hand.expect("fail2ban-client").success());
    enabled(&site, &["shop", "web"], "shop");
    site.calls();
    let plan = site.run("plan");
    assert_eq!(told(&plan), ["critical jail-missing web"], "{plan:?}");
    assert_eq!(site.calls(), ["fail2ban-client status", "fail2ban-client -t"], "a plan only looks");
    assert_eq!(plan.task("task")["plan"]["steps"].as_array().map(Vec::len), Some(1), "{plan:?}");
    let run = site.run("run");
    assert_eq!(told(&run).len(), 0, "{run:?}");
    assert_eq!(site.calls(), ["status", "-t", "reload", "status"].map(|word| format!("fail2ban-client {word}")));
    assert_eq!(told(&site.run("run")).len(), 0);
    assert_eq!(site.calls(), ["fail2ban-client status"], "a second run has nothing to do");

    // The guide's own mistake: a reload of a broken configuration skips the jail, and nobody is banned any more.
    enabled(&site, &["shop", "web", "mail"], "nowhere");
    let text = fs::read_to_string(site.host.configuration()).expect("a configuration");
    site.host.configure(&text.replace("\"web\"]", "\"web\", \"mail\"]"));
    let broken = site.run("run");
    assert_eq!(
        told(&broken),
        ["critical fail2ban-configuration-invalid fail2ban", "critical jail-missing mail"],
        "{broken:?}"
    );
    assert!(
        broken.stdout.contains("nowhere") && !site.calls().contains(&"fail2ban-client reload".to_owned()),
        "{broken:?}"
    );
    site.host.configure(&text);
    assert_eq!(told(&site.run("run")).len(), 0, "the jails that were alive still are");
}
