//! What is updated by which statement, and what is left with which word.

use hostler_sdk::testing::{refuses_each, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

fn defaults() -> Settings {
    settings(MANIFEST, json!({}))
}

fn old(name: &str) -> Outdated {
    Outdated {
        database: "shop".into(),
        name: name.into(),
        installed: "1.0".into(),
        available: Some("1.1".into()),
        owned: true,
        owner: "app".into(),
        reachable: true,
        upgrade: Some("gis".into()),
        sets_path: None,
    }
}

#[test]
fn what_can_be_updated_is_and_the_rest_is_told_with_its_way() {
    let settings: Settings = settings(MANIFEST, json!({ "exclude": ["plpgsql*"] }));
    let told = |one: Outdated| {
        one.left(&settings).map(|finding| (finding.severity, finding.code, finding.remedy.unwrap_or_default()))
    };
    assert_eq!(told(old("pg_trgm")), None);
    let (severity, code, remedy) = told(old("plpgsql_check")).expect("it is left");
    assert_eq!((severity, code.as_str()), (Severity::Warning, "extension-outdated"));
    assert!(remedy.starts_with("ALTER EXTENSION \"plpgsql_check\" UPDATE"));
    let foreign = told(Outdated { owned: false, ..old("pg_trgm") }).expect("it is left");
    assert_eq!(foreign.0, Severity::Unknown);
    assert!(foreign.2.contains("as app, who owns it"));
    assert_eq!(told(Outdated { reachable: false, ..old("pg_trgm") }).expect("it is left").0, Severity::Warning);
    assert_eq!(told(Outdated { available: None, ..old("pg_trgm") }).expect("it is left").0, Severity::Critical);
}

#[test]
fn postgis_goes_first_with_its_companions_by_its_own_function() {
    let all = [old("hstore"), old("postgis"), old("postgis_raster")];
    let (updates, told) = outdated::choose(&all, &defaults());
    let statements: Vec<&str> = updates.iter().map(|update| update.statement.as_str()).collect();
    assert_eq!(statements, ["SELECT \"gis\".postgis_extensions_upgrade()", "ALTER EXTENSION \"hstore\" UPDATE"]);
    assert_eq!(updates[0].title("shop"), "update postgis, postgis_raster in shop");
    assert!(told.is_empty());
    // No update path leads there by itself, and the function finds one.
    assert_eq!(Outdated { reachable: false, ..old("postgis") }.left(&defaults()), None);
}

#[test]
fn where_one_of_postgis_is_to_be_left_all_of_it_is() {
    let some: Settings = settings(MANIFEST, json!({ "exclude": ["postgis_raster"] }));
    let all = [old("hstore"), old("postgis"), old("postgis_raster")];
    let (updates, told) = outdated::choose(&all, &some);
    assert_eq!(updates.len(), 1);
    let subjects: Vec<&str> = told.iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!(subjects, ["shop.postgis_raster", "shop.postgis"]);
    assert!(told[1].summary.ends_with("it is left, since postgis_raster goes with it and is"));
    let topology = Outdated { sets_path: Some("postgis_topology".into()), ..old("postgis") }.left(&defaults());
    let summary = topology.expect("it is left").summary;
    assert!(summary.contains("postgis_topology sets the database's search_path"), "{summary}");
    let ancient = Outdated { upgrade: None, ..old("postgis") }.left(&defaults()).expect("it is left");
    assert_eq!(
        ancient.remedy.as_deref(),
        Some("ALTER EXTENSION \"postgis\" UPDATE;    -- in this database, after a backup")
    );
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(MANIFEST, &[("exclude", json!("a")), ("timeout", json!("0s"))]);
}

#[test]
fn the_statements_are_covered_by_the_request() {
    let grant = hostler_policy::sql::PostgresGrant {
        statements: vec!["ALTER EXTENSION UPDATE".into()],
        write: vec!["*".into()],
        call: vec!["*.postgis_extensions_upgrade".into()],
        ..hostler_policy::sql::PostgresGrant::default()
    };
    for sql in [DATABASES, EXTENSIONS] {
        grant.query(sql).map(drop).unwrap();
    }
    let (updates, _) = outdated::choose(&[old("hstore"), old("postgis")], &settings(MANIFEST, json!({})));
    for update in updates {
        grant.execute(&update.statement).map(drop).unwrap();
    }
}
