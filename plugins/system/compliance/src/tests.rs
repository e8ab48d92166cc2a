//! The list and its mistakes, and what a control of each kind comes to.

use std::collections::BTreeMap;

use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
use serde_json::json;

use super::*;
use facts::{File, Unit};
use judge::Status;
use list::Place;

const MANIFEST: &str = include_str!("../plugin.toml");

const LIST: &str = r#"
[[control]]
id = "shadow"
summary = "only root reads the passwords"
kind = "file"
path = "etc/shadow"
mode = "0640"
owner = "root"
group = "shadow"

[[control]]
id = "no-rhosts"
summary = "no host is trusted by its name"
kind = "file"
path = "etc/hosts.equiv"
state = "absent"

[[control]]
id = "umask"
summary = "new files are not for everybody"
kind = "line"
path = "etc/login.defs"
line = "UMASK 027"

[[control]]
id = "ssl"
summary = "connections are encrypted"
kind = "postgres"
setting = "ssl"
equals = "on"

[[control]]
id = "connections"
summary = "there are not too many connections"
kind = "postgres"
setting = "max_connections"
database = "main"
at_least = 10
at_most = 500

[[control]]
id = "ssh-root"
summary = "root does not log in by SSH"
kind = "sshd"
setting = "PermitRootLogin"
one_of = ["no", "prohibit-password"]

[[control]]
id = "no-telnet"
summary = "there is no telnet server"
kind = "package"
name = "telnetd"
state = "absent"

[[control]]
id = "no-printing"
summary = "nobody prints here"
kind = "service"
name = "cups.service"
state = "off"

[[waiver]]
control = "ssl"
owner = "Ada"
reason = "the network is the database's own"
until = 2027-06-30
"#;

fn list() -> List {
    List::parse("controls.toml", LIST).expect("it is whole")
}

fn place(path: &str) -> Place {
    let (directory, below) = path.split_once('/').expect("a path");
    Place { directory: directory.into(), below: below.into() }
}

fn values(values: &[(&str, &str, &str)]) -> Result<facts::Values, String> {
    Ok(values.iter().map(|(name, value, unit)| ((*name).into(), ((*value).into(), (*unit).into()))).collect())
}

/// A machine on which every control holds.
fn good() -> Facts {
    let there = |mode| File::There { mode, owner: "root".into(), group: "shadow".into() };
    Facts {
        files: BTreeMap::from([(place("etc/shadow"), Ok(there(0o640))), (place("etc/hosts.equiv"), Ok(File::Absent))]),
        contents: BTreeMap::from([(place("etc/login.defs"), Ok(Some("# UMASK 022\nUMASK\t\t027\n".into())))]),
        postgres: BTreeMap::from([("main".into(), values(&[("ssl", "on", ""), ("max_connections", "100", "")]))]),
        sshd: Some(Ok(facts::sshd("port 22\npermitrootlogin no\n"))),
        packages: Some(Ok(facts::packages("bash\t5.2\tinstalled\ntelnetd\t0.17\tconfig-files\n"))),
        units: Some(Ok(facts::units(
            "Id=cups.service\nNames=cups.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n",
        ))),
    }
}

fn day(text: &str) -> Timestamp {
    Timestamp::from_compact(&format!("{text}T120000Z")).expect("a day")
}

fn verdicts(facts: &Facts, on: &str) -> Vec<Verdict> {
    let list = list();
    list.controls.iter().map(|control| judge::judge(control, &list, facts, day(on))).collect()
}

fn status(facts: &Facts, id: &str) -> Status {
    verdicts(facts, "20261201").into_iter().find(|verdict| verdict.id == id).expect("it is in the list").status
}

fn tell(facts: &Facts, on: &str) -> Recorded {
    record(|| report(&verdicts(facts, on), &settings(MANIFEST, json!({})), day(on)))
}

#[test]
fn a_machine_on_which_everything_holds_passes_each_control_with_evidence() {
    let all = verdicts(&good(), "20261201");
    assert!(all.iter().all(|verdict| verdict.status == Status::Pass && !verdict.evidence.is_empty()), "{all:?}");
    assert_eq!(summary(&all), "8 controls: 8 pass, 0 fail, 0 waived, 0 unknown");
    let told = tell(&good(), "20261201");
    assert_eq!(told.told(), [("waiver-idle", "ssl", Severity::Warning)], "what passes needs no waiver");
    assert_eq!((told.tables[0].rows.len(), told.metric("compliance_percent")), (8, Some(100.0)));
    assert_eq!(all[2].evidence, "etc/login.defs:2 has the line", "a comment is no line, and the text is not shown");
}

#[test]
fn files_are_held_to_mode_owner_group_and_absence() {
    let with = |path: &str, file: File| {
        let mut facts = good();
        facts.files.insert(place(path), Ok(file));
        facts
    };
    let there = |mode, owner: &str, group: &str| File::There { mode, owner: owner.into(), group: group.into() };
    for (file, expected) in [
        (there(0o600, "root", "shadow"), Status::Pass),
        (there(0o644, "root", "shadow"), Status::Fail),
        (there(0o4640, "root", "shadow"), Status::Fail),
        (there(0o640, "ada", "shadow"), Status::Fail),
        (there(0o640, "root", "users"), Status::Fail),
        (File::Absent, Status::Fail),
        (File::Link, Status::Fail),
    ] {
        assert_eq!(status(&with("etc/shadow", file.clone()), "shadow"), expected, "{file:?}");
    }
    assert_eq!(status(&with("etc/hosts.equiv", there(0o600, "root", "root")), "no-rhosts"), Status::Fail);
    assert_eq!(status(&with("etc/hosts.equiv", File::Link), "no-rhosts"), Status::Fail);
}

#[test]
fn lines_values_packages_and_services_are_judged() {
    let facts = |change: fn(&mut Facts)| {
        let mut facts = good();
        change(&mut facts);
        facts
    };
    let none =
        facts(|facts| drop(facts.contents.insert(place("etc/login.defs"), Ok(Some("#UMASK 027\nUMASK 022\n".into())))));
    assert_eq!(status(&none, "umask"), Status::Fail);
    let root = facts(|facts| facts.sshd = Some(Ok(facts::sshd("permitrootlogin yes\n"))));
    assert_eq!(status(&root, "ssh-root"), Status::Fail);
    let older = facts(|facts| facts.sshd = Some(Ok(facts::sshd("port 22\n"))));
    assert_eq!(status(&older, "ssh-root"), Status::Unknown, "it does not know the setting");
    let telnet = facts(|facts| facts.packages = Some(Ok(facts::packages("telnetd\t1\tinstalled\n"))));
    assert_eq!(status(&telnet, "no-telnet"), Status::Fail);
    let nothing = facts(|facts| facts.packages = Some(Ok(BTreeMap::new())));
    assert_eq!(status(&nothing, "no-telnet"), Status::Unknown, "no machine has no package");
    for (active, file, expected) in [
        ("inactive", "disabled", Status::Pass),
        ("failed", "static", Status::Pass),
        ("inactive", "enabled", Status::Fail),
        ("active", "disabled", Status::Fail),
        ("activating", "disabled", Status::Fail),
    ] {
        let mut facts = good();
        let unit = Unit { load: "loaded".into(), active: active.into(), file: file.into() };
        facts.units = Some(Ok(BTreeMap::from([("cups.service".into(), unit)])));
        assert_eq!(status(&facts, "no-printing"), expected, "{active} {file}");
    }
    assert_eq!(status(&facts(|facts| facts.units = Some(Ok(BTreeMap::new()))), "no-printing"), Status::Unknown);
}

#[test]
fn settings_of_every_database_that_is_bound_are_judged_and_secrets_are_not_shown() {
    let mut facts = good();
    for (connections, expected) in
        [("9", Status::Fail), ("10", Status::Pass), ("500", Status::Pass), ("501", Status::Fail)]
    {
        facts.postgres.insert("main".into(), values(&[("ssl", "on", ""), ("max_connections", connections, "")]));
        assert_eq!(status(&facts, "connections"), expected, "{connections}");
    }
    facts.postgres.insert("other".into(), values(&[("ssl", "off", "")]));
    assert!(matches!(status(&facts, "ssl"), Status::Waived(_)), "one of two fails, and it is waived");
    facts.postgres.insert("other".into(), Err("connection refused".into()));
    assert_eq!(status(&facts, "ssl"), Status::Unknown, "a waiver does not cover what was not looked at");
    facts.postgres.clear();
    assert_eq!(status(&facts, "ssl"), Status::Unknown);
    for (setting, shown) in [("primary_conninfo", false), ("app.api_token", false), ("password_encryption", true)] {
        let text = LIST.replace("setting = \"ssl\"", &format!("setting = \"{setting}\""));
        let list = List::parse("controls.toml", &text).expect("it is whole");
        facts.postgres.insert("main".into(), values(&[(setting, "hunter2", "")]));
        let verdict = judge::judge(&list.controls[3], &list, &facts, day("20261201"));
        assert_eq!(verdict.evidence.contains("hunter2"), shown, "{verdict:?}");
    }
}

#[test]
fn a_value_is_compared_in_its_own_unit() {
    let is = |equals: &str| list::Expected { equals: vec![equals.into()], ..list::Expected::default() };
    assert!(is("ON").is_met("on", "") && is("30s").is_met("30", "s") && is("30").is_met("30", "s"));
    assert!(!is("30").is_met("30000", "ms"));
    let least = list::Expected { at_least: Some(1.0), ..list::Expected::default() };
    assert!(
        least.is_met("1", "") && !least.is_met("0", "") && !least.is_met("none", ""),
        "what is no number is not enough"
    );
}

#[test]
fn a_waiver_holds_until_its_last_day_and_not_longer() {
    let mut facts = good();
    facts.postgres.insert("main".into(), values(&[("ssl", "off", ""), ("max_connections", "100", "")]));
    assert_eq!(tell(&facts, "20261201").told(), []);
    assert_eq!(tell(&facts, "20270616").told(), []);
    assert_eq!(tell(&facts, "20270617").told(), [("waiver-expires", "ssl", Severity::Warning)]);
    assert_eq!(tell(&facts, "20270630").told(), [("waiver-expires", "ssl", Severity::Warning)]);
    let expired = tell(&facts, "20270701");
    assert_eq!(expired.told(), [("control-failed", "ssl", Severity::Critical)]);
    assert!(expired.findings[0].summary.contains("the waiver by Ada ended on 2027-06-30"), "{:?}", expired.findings);
    let row = &tell(&facts, "20261201").tables[0].rows[3];
    assert_eq!(row[2], "waived by Ada until 2027-06-30: the network is the database's own");
}

#[test]
fn a_drop_and_a_control_that_left_the_list_are_told() {
    let before = kept_of(&verdicts(&good(), "20261201"));
    let mut facts = good();
    facts.sshd = Some(Ok(facts::sshd("permitrootlogin yes\n")));
    let mut now = kept_of(&verdicts(&facts, "20261201"));
    let told = |before: Option<&Kept>, now: &Kept| record(|| report_difference(before, now));
    assert_eq!(told(Some(&before), &now).told(), [("compliance-dropped", "controls", Severity::Warning)]);
    assert_eq!(told(Some(&now), &now).told(), [], "it is told once");
    assert_eq!(told(None, &now).told(), []);
    now.all.remove("shadow");
    now.held = before.held.clone();
    assert_eq!(told(Some(&before), &now).told(), [("control-removed", "controls", Severity::Warning)]);
}

#[test]
fn a_mistake_in_the_list_is_told_with_file_line_and_key() {
    for (from, to, line, words) in [
        ("mode = \"0640\"", "mode = \"rw-r\"", 7, "control `shadow`: mode has to be octal"),
        ("mode = \"0640\"", "mode = 0o640", 7, "control `shadow`: mode has to be text"),
        ("owner = \"root\"", "onwer = \"root\"", 8, "control `shadow`: onwer means nothing"),
        ("kind = \"line\"", "kind = \"lines\"", 21, "control `umask`: kind has to be"),
        ("line = \"UMASK 027\"\n", "", 18, "control `umask`: line is missing"),
        ("id = \"umask\"", "id = \"shadow\"", 19, "id is that of another control"),
        ("id = \"umask\"", "id = \"The Umask\"", 19, "control: id has to be"),
        ("path = \"etc/login.defs\"", "path = \"/etc/login.defs\"", 22, "path has to begin with the name"),
        ("path = \"etc/login.defs\"", "path = \"etc/../root/.bashrc\"", 22, "path has to begin with the name"),
        ("equals = \"on\"", "equal = \"on\"", 25, "control `ssl`: equals is missing"),
        ("at_least = 10", "at_least = \"ten\"", 38, "at_least has to be a number"),
        ("one_of = [\"no\", ", "one_of = [1, ", 46, "one_of has to be a list of texts"),
        (
            "name = \"telnetd\"\nstate = \"absent\"",
            "name = \"telnetd\"\nstate = \"gone\"",
            53,
            "state has to be \"absent\" or \"present\"",
        ),
        ("name = \"telnetd\"\nstate = \"absent\"", "name = \"telnetd\"", 48, "state is missing"),
        ("until = 2027-06-30", "until = \"2027-06-30\"", 66, "until has to be the last day"),
        ("until = 2027-06-30", "until = 2027-06-31", 66, ""),
        ("until = 2027-06-30", "", 62, "until has to be"),
        ("reason = \"the network is the database's own\"", "", 62, "reason is missing"),
        ("control = \"ssl\"", "control = \"sls\"", 62, "there is no control `sls`"),
        ("[[waiver]]", "[[waivers]]", 62, "`waivers` means nothing here"),
        ("[[waiver]]", "[waiver]", 62, "[[waiver]]"),
        ("summary = \"nobody prints here\"", "summary = ", 57, ""),
    ] {
        assert!(LIST.contains(from), "{from}");
        let error = List::parse("controls.toml", &LIST.replacen(from, to, 1)).expect_err(to).to_string();
        assert!(error.starts_with(&format!("controls.toml:{line}: ")) && error.contains(words), "{to}: {error}");
    }
    let none = List::parse("controls.toml", "").expect_err("nothing").to_string();
    assert!(none.contains("has no control"), "{none}");
}

#[test]
fn each_bad_setting_is_refused() {
    refuses_each(MANIFEST, &[("file", json!(1)), ("waiver_warning", json!("soon")), ("waiver_warning", json!(-1))]);
}
