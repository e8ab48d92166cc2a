//! Rights and faults from rows, replies and files, each at its edges.

use std::collections::BTreeSet;
use std::process::Command;

use hostler_sdk::rows;
use hostler_sdk::testing::{self, Recorded, refuses_each};
use hostler_sdk::{Reply, bindings::base::hostler::plugin::types};
use serde_json::json;
use shared_baseline::Baseline;

use super::*;
use crate::redis::User;
use crate::roles::Role;
use crate::usage::{Sighting, Sightings};

const MANIFEST: &str = include_str!("../plugin.toml");

fn settings(given: serde_json::Value) -> Settings {
    testing::settings(MANIFEST, given)
}

fn approved(lines: &[&str]) -> Baseline {
    Baseline::approved("permissions.txt", &lines.join("\n"), &[])
}

/// What is told beside a baseline.
fn told(found: &Found, baseline: &Baseline) -> Recorded {
    testing::record(|| drop(found.report(baseline)))
}

fn codes(recorded: &Recorded) -> Vec<(String, String, Severity)> {
    let one = |finding: &Finding| (finding.code.clone(), finding.subject.clone(), finding.severity);
    recorded.findings.iter().map(one).collect()
}

fn role(name: &str) -> Role {
    Role { name: name.into(), login: true, ..Role::default() }
}

fn rights_of(role: &Role, version: u32) -> Found {
    let mut found = Found::default();
    role.rights(version, &mut found);
    found
}

#[test]
fn bad_settings_are_refused() {
    let defaults = settings(json!({}));
    assert_eq!((defaults.unused, defaults.approved), (Duration::from_days(90.0), None));
    refuses_each(
        MANIFEST,
        &[
            ("approved", json!("postgres superuser postgres")),
            ("baseline_file", json!(1)),
            ("ignore", json!([1])),
            ("groups", json!("sudo")),
            ("unused", json!(90)),
            ("least_looks", json!(0)),
            ("rarely_used", json!({})),
            ("depth", json!(0)),
        ],
    );
}

#[test]
fn a_new_superuser_is_critical_and_an_approved_one_is_not_told() {
    let found = rights_of(&Role { superuser: true, createrole: true, ..role("eve") }, 150_018);
    assert_eq!(found.lines(), BTreeSet::from(["postgres superuser eve".to_owned()]), "a superuser is told once");
    let recorded = told(&found, &approved(&["postgres superuser postgres"]));
    assert_eq!(recorded.told(), [("superuser-not-approved", "eve", Severity::Critical)]);
    assert!(
        recorded.findings[0].remedy.as_deref().is_some_and(|text| text.starts_with("ALTER ROLE \"eve\" NOSUPERUSER;"))
    );
    assert_eq!(recorded.metric("permissions_not_approved"), Some(1.0));
    assert_eq!(recorded.attachments.len(), 1, "with the list that would approve it");
    assert_eq!(told(&found, &approved(&["postgres superuser eve"])).told(), []);
}

#[test]
fn what_a_role_can_become_counts_as_what_it_is() {
    let level = |role: Role, version| codes(&told(&rights_of(&role, version), &approved(&["x"])));
    let through = Role { through: Some("admin".into()), ..role("bob") };
    assert_eq!(level(through, 180_000), [("superuser-not-approved".into(), "bob".into(), Severity::Critical)]);
    let programs = Role { server_access: Some("pg_execute_server_program".into()), ..role("bob") };
    assert_eq!(level(programs, 180_000)[0].2, Severity::Critical);
    let creates = Role { createrole: true, ..role("bob") };
    assert_eq!(level(creates.clone(), 159_999)[0].2, Severity::Critical, "it can grant itself nearly everything");
    assert_eq!(level(creates, 160_000)[0].2, Severity::Warning);
    let both = Role { bypassrls: true, replication: true, ..role("bob") };
    assert_eq!(level(both, 180_000).len(), 2);
    assert_eq!(level(role("bob"), 150_000), []);
}

#[test]
fn the_first_run_proposes_rights_and_tells_faults() {
    let mut found = rights_of(&Role { superuser: true, ..role("postgres") }, 150_000);
    hba::judge("shop", &hba_rows(&[("host", "192.0.2.0", "trust")]), &mut found).expect("judged");
    let recorded = told(&found, &Baseline::proposed("permissions.txt", None));
    assert_eq!(
        recorded.told(),
        [("trust", "shop line 1", Severity::Critical), ("baseline-proposed", "baseline", Severity::Unknown)]
    );
    let kept = Baseline::proposed("permissions.txt", Some(found.lines()));
    Role { superuser: true, ..role("eve") }.rights(150_000, &mut found);
    let recorded = told(&found, &kept);
    assert_eq!(recorded.told()[0], ("superuser-not-approved", "eve", Severity::Critical));
    assert!(recorded.finding("baseline-not-approved").is_some());
}

fn hba_rows(rules: &[(&str, &str, &str)]) -> Rows {
    let names = ["line", "kind", "databases", "users", "address", "method", "wrong"];
    let rows: Vec<_> = rules
        .iter()
        .enumerate()
        .map(|(place, (kind, address, method))| {
            vec![
                testing::Cell::from(place as i64 + 1),
                (*kind).into(),
                "all".into(),
                "all".into(),
                Some(*address).filter(|address| !address.is_empty()).into(),
                (*method).into(),
                (*method == "wrong").into(),
            ]
        })
        .collect();
    testing::rows_of(&names, &rows)
}

#[test]
fn doors_without_a_lock_are_told_by_who_reaches_them() {
    let mut found = Found::default();
    let rules = [
        ("local", "", "trust"),
        ("host", "127.0.0.1", "trust"),
        ("hostssl", "10.0.0.0", "trust"),
        ("host", "all", "md5"),
        ("host", "::1", "password"),
        ("host", "10.0.0.1", "ident"),
        ("local", "", "peer"),
        ("host", "all", "scram-sha-256"),
        ("host", "all", "reject"),
        ("host", "", "wrong"),
    ];
    hba::judge("shop", &hba_rows(&rules), &mut found).expect("judged");
    let recorded = told(&found, &approved(&["x"]));
    let told: Vec<_> = recorded.told();
    assert_eq!(
        told,
        [
            ("trust", "shop line 1", Severity::Warning),
            ("trust", "shop line 2", Severity::Warning),
            ("trust", "shop line 3", Severity::Critical),
            ("weak-method", "shop line 4", Severity::Warning),
            ("weak-method", "shop line 5", Severity::Warning),
            ("weak-method", "shop line 6", Severity::Warning),
            ("hba-line-wrong", "shop line 10", Severity::Warning),
        ]
    );
    let baseline = approved(&["postgres hba local all all trust", "postgres hba host all all all md5"]);
    assert_eq!(codes(&self::told(&found, &baseline)).len(), 5, "approved as it stands");
}

#[test]
fn rules_that_cannot_be_read_are_unknown_with_the_grant_that_is_missing() {
    let failure = |code: &str| {
        let failure =
            types::Failure { code: code.into(), message: "permission denied".into(), detail: None, hint: None };
        TaskError::from(types::Error::Failed(failure))
    };
    let unseen = hba::unseen(&failure("42501"), "shop", "hostler");
    assert_eq!((unseen.severity, unseen.code.as_str()), (Severity::Unknown, "privilege-missing"));
    assert!(
        unseen.remedy.is_some_and(|text| text.contains("GRANT SELECT ON pg_catalog.pg_hba_file_rules TO hostler;"))
    );
    let denial = types::Denial { request: "database".into(), operation: "SELECT".into(), rule: "read = []".into() };
    assert_eq!(hba::unseen(&TaskError::from(types::Error::Denied(denial)), "shop", "x").code, "grant-missing");
    assert_eq!(hba::unseen(&failure("57014"), "shop", "x").code, "server-not-looked-at");
}

#[test]
fn what_everybody_may_in_a_database_is_a_warning() {
    let mut found = Found::default();
    let schemas = rows!(["name"]; ["public"]);
    let definers = rows!(["schema", "name", "arguments", "owner", "owner_is_superuser", "open"];
        ["app", "pay", "integer", "postgres", true, true], ["app", "see", "", "app", false, false]);
    server::judge("shop", &schemas, &definers, &mut found).expect("judged");
    let recorded = told(&found, &approved(&["postgres definer shop.app.see()"]));
    assert_eq!(
        recorded.told(),
        [
            ("public-create", "shop.public", Severity::Warning),
            ("definer-search-path", "shop.app.pay(integer)", Severity::Warning)
        ]
    );
    let definer = &recorded.findings[1];
    assert!(definer.summary.contains("the superuser postgres") && definer.summary.ends_with("every role may call it"));
    assert!(
        definer.remedy.as_deref().is_some_and(|text| text.starts_with("ALTER ROUTINE \"app\".\"pay\"(integer) SET"))
    );
    found.leave_out(&["postgres *".into()]);
    assert_eq!(told(&found, &approved(&["x"])).told(), []);
}

#[test]
fn a_role_is_stale_only_after_long_and_many_looks() {
    let settings = settings(json!({ "rarely_used": ["break*"] }));
    let day = |day: f64| Timestamp((day * 86_400_000.0) as u64);
    let sighting = |since, looks, seen: Option<f64>| Sighting { since: day(since), looks, seen: seen.map(day) };
    let roles = [
        role("new"),
        role("stale"),
        role("used"),
        role("seen_long_ago"),
        role("few"),
        role("break_glass"),
        Role { expired_for: Some(91.0 * 86_400.0), ..role("expired") },
    ];
    let sightings = Sightings::from([
        ("new".into(), sighting(190.0, 200, None)),
        ("stale".into(), sighting(100.0, 30, None)),
        ("used".into(), sighting(0.0, 900, Some(199.0))),
        ("seen_long_ago".into(), sighting(0.0, 900, Some(109.0))),
        ("few".into(), sighting(0.0, 29, None)),
        ("break_glass".into(), sighting(0.0, 900, None)),
    ]);
    let at = |today: f64| testing::record(|| usage::judge("shop", &roles, &sightings, &settings, day(today)));
    let recorded = at(200.0);
    assert_eq!(
        recorded.told(),
        [
            ("role-unused", "stale", Severity::Warning),
            ("role-unused", "seen_long_ago", Severity::Warning),
            ("role-unused", "expired", Severity::Warning),
            ("role-use-unknown", "shop", Severity::Unknown),
        ]
    );
    assert!(recorded.findings[0].summary.contains("this task looked 30 times"), "{:?}", recorded.findings[0]);
    assert!(recorded.findings[3].summary.contains("new, few"), "{:?}", recorded.findings[3]);
    // 90 days to the day are not more than 90 days.
    assert!(!at(190.0).told().contains(&("role-unused", "stale", Severity::Warning)));
}

#[test]
fn sessions_are_remembered_and_roles_that_are_gone_are_not() {
    let mut sightings = Sightings::new();
    let roles = [role("app"), role("idle"), Role { login: false, ..role("group") }];
    usage::watch(&mut sightings, &roles, &["app".into()], Timestamp(1));
    usage::watch(&mut sightings, &roles, &[], Timestamp(2));
    assert_eq!(sightings["app"], Sighting { since: Timestamp(1), looks: 2, seen: Some(Timestamp(1)) });
    assert_eq!((sightings["idle"].seen, sightings.len()), (None, 2));
    usage::watch(&mut sightings, &roles[..1], &[], Timestamp(3));
    assert_eq!(sightings.len(), 1);
}

fn text(text: &str) -> Reply {
    Reply::Text(text.into())
}

fn user(name: &str, flags: &[&str], commands: &str, selector: Option<&str>) -> User {
    let selectors = selector.map(|rules| Reply::Array(vec![text("commands"), text(rules), text("keys"), text("~*")]));
    let reply = Reply::Array(vec![
        text("flags"),
        Reply::Array(flags.iter().map(|flag| text(flag)).collect()),
        text("passwords"),
        Reply::Array(vec![]),
        text("commands"),
        text(commands),
        text("selectors"),
        Reply::Array(selectors.into_iter().collect()),
    ]);
    User::read(name, &reply).expect("a user")
}

#[test]
fn a_redis_user_may_what_its_last_word_says() {
    for (commands, selector, may) in [
        ("+@all", None, true),
        ("-@all +get", None, false),
        ("+@all -@dangerous", None, false),
        ("-@all +@admin", None, true),
        ("-@all +acl|setuser", None, true),
        ("-@all +acl|whoami +config|get", None, false),
        ("-@all +get", Some("+@all"), true),
    ] {
        assert_eq!(user("a", &["on"], commands, selector).may_everything(), may, "{commands} {selector:?}");
    }
}

#[test]
fn redis_users_without_a_password_and_the_default_user_are_told() {
    let told = |user: User, baseline: &[&str]| {
        let mut found = Found::default();
        user.judge(&mut found);
        codes(&told(&found, &approved(baseline)))
    };
    let code = |code: &str, severity| (code.to_owned(), "default".to_owned(), severity);
    assert_eq!(
        told(user("default", &["on", "nopass"], "+@all", None), &["x"]),
        [code("superuser-not-approved", Severity::Critical), code("redis-nopass", Severity::Warning)]
    );
    let admin = ["redis admin default"];
    assert_eq!(told(user("default", &["on"], "+@all", None), &admin), [code("redis-default-user", Severity::Warning)]);
    assert_eq!(told(user("default", &["off", "nopass"], "+@all", None), &["x"]), []);
    assert_eq!(told(user("app", &["on"], "-@all +get", None), &["redis user app"]), []);
    assert_eq!(told(user("app", &["on"], "-@all +get", None), &["x"])[0].0, "right-not-approved");
}

#[test]
fn accounts_that_are_root_by_number_or_group() {
    let mut found = Found::default();
    let accounts = "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n\
                    open::1001:1001::/home/open:/bin/sh\ndeploy:x:1002:27::/home/deploy:/bin/sh\n";
    let groups = "root:x:0:\nsudo:x:27:alice,bob\nusers:x:100:carol\n";
    let settings = settings(json!({}));
    unix::judge_accounts(accounts, groups, &settings.groups, &mut found);
    let recorded = told(&found, &approved(&["unix member sudo:alice", "unix member root:toor"]));
    assert_eq!(
        recorded.told(),
        [
            ("superuser-not-approved", "sudo:bob", Severity::Critical),
            ("superuser-not-approved", "sudo:deploy", Severity::Critical),
            ("superuser-not-approved", "toor", Severity::Critical),
            ("password-empty", "open", Severity::Critical),
        ]
    );
}

#[test]
fn sudoers_as_sudo_reads_it() {
    let parsed = sudoers::parse(
        "# a comment\nDefaults\tenv_reset\nDefaults:bob !authenticate\nroot ALL=(ALL:ALL)   ALL\n\
         deploy ALL=(root) NOPASSWD: /bin/systemctl restart shop, \\\n  /bin/true # why\n#1001 ALL=ALL\n\
         Cmnd_Alias EVERY = ALL\nUser_Alias ADMINS = alice\nADMINS ALL = EVERY\n@includedir /etc/sudoers.d\n#include /etc/other\n",
    );
    let lines: Vec<(&str, bool)> = parsed.lines.iter().map(|(line, everything)| (line.as_str(), *everything)).collect();
    assert_eq!(
        lines,
        [
            ("Defaults env_reset", false),
            ("Defaults:bob !authenticate", true),
            ("root ALL=(ALL:ALL) ALL", true),
            ("deploy ALL=(root) NOPASSWD: /bin/systemctl restart shop, /bin/true", false),
            ("#1001 ALL=ALL", true),
            ("Cmnd_Alias EVERY = ALL", true),
            ("User_Alias ADMINS = alice", false),
            ("ADMINS ALL = EVERY", false),
        ]
    );
    assert_eq!(parsed.includes, ["/etc/sudoers.d", "/etc/other"]);
}

#[test]
fn keys_have_the_fingerprints_that_ssh_keygen_shows() {
    let directory = std::env::temp_dir().join(format!("hostler-keys-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let blob = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    let text = format!(
        "# keys\nfrom=\"192.0.2.1\",command=\"ls -l\" ssh-ed25519 {blob} github\nssh-ed25519 {blob}\nnonsense\n"
    );
    let (keys, damaged) = keys::parse(&text);
    assert_eq!((keys.len(), damaged), (2, 1));
    // The fingerprint that GitHub publishes for this very key of its servers.
    assert_eq!(keys[0].fingerprint, "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
    assert_eq!((keys[0].restricted, keys[1].restricted, keys[0].comment.as_str()), (true, false, "github"));
    let file = directory.join("key");
    std::fs::write(&file, format!("ssh-ed25519 {blob}\n")).expect("a file");
    if let Ok(shown) = Command::new("ssh-keygen").arg("-lf").arg(&file).output() {
        assert!(String::from_utf8_lossy(&shown.stdout).contains(&keys[0].fingerprint), "{shown:?}");
    }
    let _ = std::fs::remove_dir_all(&directory);
    let mut found = Found::default();
    let recorded = testing::record(|| unix::authorized("root/.ssh/authorized_keys", &text, true, &mut found));
    assert_eq!(recorded.told(), [("not-read", "root/.ssh/authorized_keys", Severity::Unknown)]);
    assert_eq!(told(&found, &approved(&["x"])).told()[0].2, Severity::Critical, "a key of root's opens everything");
}

#[test]
fn what_is_approved_and_gone_is_shown_only_where_it_was_looked_for() {
    let mut found = rights_of(&Role { superuser: true, ..role("postgres") }, 150_000);
    found.whole("postgres");
    let baseline = approved(&["postgres superuser postgres", "postgres superuser old", "redis admin default"]);
    let recorded = told(&found, &baseline);
    let gone = |recorded: &Recorded| recorded.tables[0].rows.iter().filter(|row| row[1].starts_with("gone")).count();
    assert_eq!((recorded.told().len(), gone(&recorded)), (0, 1));
}
