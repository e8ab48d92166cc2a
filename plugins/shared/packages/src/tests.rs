//! apt's own words, as apt 2.6 prints them, and what still runs.

use hostler_sdk::machine::Process;
use hostler_sdk::prelude::*;
use hostler_sdk::testing::record;

use crate::policy::{Sources, installed};
use crate::simulation::{Simulation, Upgrade};
use crate::{is_one_of, is_security, restart};

const SIMULATED: &str = "Reading package lists...
Building dependency tree...
Calculating upgrade...
The following packages have been kept back:
  linux-image-amd64
The following packages will be upgraded:
  openssl tzdata
2 upgraded, 1 newly installed, 1 to remove and 1 not upgraded.
Remv old-tool [1.0]
Inst tzdata [2025b-0+deb12u2] (2026f-0+deb12u1 Debian-Security:12/oldstable-security [all])
Inst openssl [3.0.1] (3.0.2 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [amd64]) [libssl3:amd64 ]
Inst fresh:i386 (1:1.0~rc1 PostgreSQL for Debian/Ubuntu repository:bookworm-pgdg [i386])
Conf tzdata (2026f-0+deb12u1 Debian-Security:12/oldstable-security [all])
";

fn patterns() -> Vec<String> {
    vec!["Debian-Security:*".into(), "*-security".into()]
}

#[test]
fn a_simulation_is_read_as_apt_prints_it() {
    let found = Simulation::parse(SIMULATED).expect("it is one");
    assert_eq!((found.removals, found.held), (vec!["old-tool".to_owned()], vec!["linux-image-amd64".to_owned()]));
    let [tzdata, openssl, fresh] = found.upgrades.as_slice() else { panic!("three: {:?}", found.upgrades) };
    assert_eq!(tzdata.exactly(), "tzdata=2026f-0+deb12u1");
    assert_eq!(tzdata.installed.as_deref(), Some("2025b-0+deb12u2"));
    assert_eq!(openssl.origins, ["Debian:12.15/oldstable", "Debian-Security:12/oldstable-security"]);
    let origins = vec!["PostgreSQL for Debian/Ubuntu repository:bookworm-pgdg".to_owned()];
    let expected = Upgrade { name: "fresh:i386".into(), installed: None, candidate: "1:1.0~rc1".into(), origins };
    assert_eq!(fresh, &expected);
}

#[test]
fn what_is_no_simulation_is_an_error_and_not_an_empty_one() {
    for text in ["", "Reading package lists...\n", "E: Unmet dependencies\n"] {
        assert!(Simulation::parse(text).is_err(), "{text}");
    }
    let none = Simulation::parse("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n");
    assert_eq!(none, Ok(Simulation::default()));
    let unfinished =
        "0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n2 not fully installed or removed.\n";
    assert_eq!(Simulation::parse(unfinished).map(|found| found.unfinished), Ok(2));
    assert!(Simulation::parse(&SIMULATED.replace("(2026f", "2026f")).is_ok_and(|found| found.upgrades.len() == 2));
}

#[test]
fn security_is_told_by_label_and_by_suite() {
    for (origin, security) in [
        ("Debian-Security:12/oldstable-security", true),
        ("Ubuntu:22.04/jammy-security", true),
        ("UbuntuESM:22.04/jammy-infra-security", true),
        ("Debian:12.15/oldstable", false),
        ("Debian:12-updates/oldstable-updates", false),
        ("shop-security-tools:1/main", false),
        ("", false),
    ] {
        assert_eq!(is_security(origin, &patterns()), security, "{origin}");
    }
    let named = ["postgresql*".to_owned()];
    assert!(is_one_of("postgresql-14:amd64", &named) && !is_one_of("libpq5", &named));
}

const SOURCES: &str = "Package files:
 100 /var/lib/dpkg/status
     release a=now
 500 http://deb.debian.org/debian-security bookworm-security/main amd64 Packages
     release v=12,o=Debian,a=oldstable-security,n=bookworm-security,l=Debian-Security,c=main,b=amd64
     origin deb.debian.org
 500 http://deb.debian.org/debian bookworm/main amd64 Packages
     release v=12.15,o=Debian,a=oldstable,n=bookworm,l=Debian,c=main,b=amd64
     origin deb.debian.org
Pinned packages:
";

#[test]
fn a_fix_below_a_point_release_is_seen_and_one_that_is_installed_is_not() {
    let sources = Sources::parse(SOURCES);
    let table = |package: &str, versions: &[(&str, &str)]| {
        let lines: String =
            versions.iter().map(|(mark, source)| format!(" {mark} 1.0 500\n        500 {source}\n")).collect();
        format!("{package}:\n  Installed: 1\n  Candidate: 2\n  Version table:\n{lines}")
    };
    let fix = "http://deb.debian.org/debian-security bookworm-security/main amd64 Packages";
    let point = "http://deb.debian.org/debian bookworm/main amd64 Packages";
    let own = "/var/lib/dpkg/status";
    let text = table("below", &[("   ", point), ("   ", fix), ("***", own)])
        + &table("there", &[("   ", point), ("***", fix), ("   ", fix)])
        + &table("plain", &[("   ", point), ("***", own)]);
    let found = sources.with_fix(&text, |origin| is_security(origin, &patterns()));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["below"]);
    let known = installed("there:\n  Installed: 1.0\nabsent:\n  Installed: (none)\n");
    assert_eq!(known.into_iter().collect::<Vec<_>>(), [("there".to_owned(), "1.0".to_owned())]);
    let comma = SOURCES.replace("l=Debian-Security", "l=Debian-Security, fixes");
    assert_ne!(Sources::parse(&comma), sources);
    assert_eq!(Sources::parse(""), Sources::default());
}

fn process(id: u32, name: &str, unit: Option<&str>, deleted_code: bool) -> Process {
    Process { id, name: name.into(), user: "root".into(), unit: unit.map(str::to_owned), deleted_code }
}

#[test]
fn what_runs_old_code_is_told_once_a_unit_with_how_to_start_it_again() {
    let processes = [
        process(1, "systemd", Some("init.scope"), true),
        process(7, "nginx", Some("nginx.service"), true),
        process(8, "nginx", Some("nginx.service"), true),
        process(9, "postgres", Some("postgresql@15-main.service"), true),
        process(10, "bash", Some("session-3.scope"), true),
        process(11, "cron", Some("cron.service"), false),
        process(12, "worker", None, true),
        process(13, "ignored", None, true),
    ];
    let (ignore, databases) = (["ignored".to_owned()], ["postgresql*".to_owned()]);
    let told = record(|| assert_eq!(restart::report_old_code(&processes, &ignore, &databases), 5));
    let remedies: Vec<&str> = told.findings.iter().filter_map(|finding| finding.remedy.as_deref()).collect();
    assert_eq!(remedies[0], "systemctl daemon-reexec");
    assert_eq!(remedies[1], "systemctl restart nginx.service");
    assert!(remedies[2].contains("maintenance window"), "{remedies:?}");
    assert!(told.findings[1].summary.starts_with("2 processes run code"), "{:?}", told.findings[1]);
    assert!(told.findings.iter().all(|finding| finding.severity == Severity::Warning && finding.remedy.is_some()));
}
