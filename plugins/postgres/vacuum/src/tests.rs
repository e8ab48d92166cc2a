//! Which tables are chosen, what holds a vacuum up, and what is said of what was done.

use hostler_sdk::testing::{record, refuses_each, rows, settings};
use serde_json::json;

use super::*;

const MANIFEST: &str = include_str!("../plugin.toml");

fn server() -> Server {
    let rows = rows!(
        ["counts", "vacuum_base", "vacuum_scale", "vacuum_most", "insert_base", "insert_scale", "analyze_base",
            "analyze_scale", "freeze_age", "multixact_age", "block_size"];
        [true, 50.0, 0.2, None::<f64>, 1000.0, 0.2, 50.0, 0.1, 200e6, 400e6, 8192]
    );
    Server::read(&rows.one().unwrap()).unwrap()
}

fn healthy() -> Candidate {
    Candidate {
        oid: 16385,
        schema: "public".into(),
        name: "orders".into(),
        owner: "shop".into(),
        owned_by_superuser: false,
        tuples: 1000.0,
        unknown: false,
        pages: 100,
        frozen: None,
        dead: 250.0,
        inserted: 1200.0,
        modified: 150.0,
        age: 179e6,
        multixact_age: 0.0,
        options: [None; 9],
        busy: false,
        permitted: true,
    }
}

fn defaults() -> Settings {
    settings(MANIFEST, json!({}))
}

#[test]
fn at_its_limits_a_table_needs_nothing_and_just_above_it_does() {
    let need = |table: Candidate| need::of(&table, &server(), &defaults()).map(|work| work.statement());
    assert_eq!(need(healthy()), None);
    let vacuum = Some("VACUUM (ANALYZE, SKIP_LOCKED) \"public\".\"orders\"".to_owned());
    assert_eq!(need(Candidate { dead: 251.0, ..healthy() }), vacuum.clone());
    assert_eq!(need(Candidate { inserted: 1201.0, ..healthy() }), vacuum.clone());
    assert_eq!(
        need(Candidate { modified: 151.0, ..healthy() }).as_deref(),
        Some("ANALYZE (SKIP_LOCKED) \"public\".\"orders\"")
    );
    let restored = Candidate { tuples: 0.0, unknown: true, dead: 0.0, inserted: 0.0, modified: 0.0, ..healthy() };
    assert_eq!(
        need(restored.clone()).as_deref(),
        Some("ANALYZE (SKIP_LOCKED) \"public\".\"orders\""),
        "a restore counts nothing and gathers no statistics"
    );
    assert_eq!(need(Candidate { dead: 9e3, ..restored }), vacuum);
    let freeze = "VACUUM (FREEZE, ANALYZE, SKIP_LOCKED) \"public\".\"orders\"";
    assert_eq!(need(Candidate { age: 180e6, ..healthy() }).as_deref(), Some(freeze));
    assert_eq!(need(Candidate { multixact_age: 360e6, dead: 251.0, ..healthy() }).as_deref(), Some(freeze));
}

#[test]
fn as_many_workers_as_the_operator_says_and_only_where_indexes_are_vacuumed() {
    let settings: Settings = settings(MANIFEST, json!({ "parallel": 3 }));
    let statement = |table: Candidate| need::of(&table, &server(), &settings).map(|work| work.statement());
    assert_eq!(
        statement(Candidate { dead: 251.0, ..healthy() }).as_deref(),
        Some("VACUUM (ANALYZE, SKIP_LOCKED, PARALLEL 3) \"public\".\"orders\"")
    );
    assert_eq!(
        statement(Candidate { age: 180e6, ..healthy() }).as_deref(),
        Some("VACUUM (FREEZE, ANALYZE, SKIP_LOCKED, PARALLEL 3) \"public\".\"orders\"")
    );
    assert_eq!(
        statement(Candidate { modified: 151.0, ..healthy() }).as_deref(),
        Some("ANALYZE (SKIP_LOCKED) \"public\".\"orders\"")
    );
}

#[test]
fn a_large_table_is_watched_and_what_the_server_tells_is_said_in_words() {
    let work = |table: Candidate| need::of(&table, &server(), &defaults()).unwrap();
    let large = Candidate { pages: 8192, dead: 251.0, ..healthy() };
    assert!(work(large.clone()).is_watched(8192) && !work(large.clone()).is_watched(8191));
    assert!(!work(Candidate { dead: 0.0, modified: 151.0, ..large }).is_watched(8192), "ANALYZE reads a sample");
    let said = |phase: Option<&str>, passes: i64, indexes: Option<i64>| {
        let rows = rows!(["phase", "total", "scanned", "vacuumed", "passes", "indexes_done", "indexes"];
            [phase, 8000.0, 8000.0, 2000.0, passes, indexes.map(|_| 1), indexes]);
        progress::said(&rows.one().unwrap()).unwrap()
    };
    assert_eq!(said(None, 0, None), None, "it has not begun, or has ended");
    assert_eq!(said(Some("scanning heap"), 0, None).as_deref(), Some("scanning heap, 100.0 % of the table"));
    assert_eq!(
        said(Some("vacuuming indexes"), 1, Some(3)).as_deref(),
        Some("vacuuming indexes, 100.0 % of the table, 1 of 3 indexes done, after 1 pass over its indexes")
    );
    assert_eq!(
        said(Some("vacuuming heap"), 2, Some(0)).as_deref(),
        Some("vacuuming heap, 25.0 % of the table, after 2 passes over its indexes")
    );
}

#[test]
fn a_tables_own_options_go_before_the_servers() {
    let need = |options| need::of(&Candidate { dead: 40.0, options, ..healthy() }, &server(), &defaults());
    assert_eq!(need([None; 9]), None);
    let own = [Some(10.0), Some(0.01), None, None, None, None, None, None, None];
    assert!(need(own).is_some_and(|work| work.reason == "40 dead rows, due above 20"));
    let capped = [None, None, Some(30.0), None, None, None, None, None, None];
    assert!(need(capped).is_some(), "PostgreSQL 18 caps the limit");
    let without_inserts = [None, None, None, Some(-1.0), None, None, None, None, None];
    let table = Candidate { inserted: 1e9, options: without_inserts, ..healthy() };
    assert_eq!(need::of(&table, &server(), &defaults()), None);
    let earlier = [None, None, None, None, None, None, None, Some(100e6), None];
    assert!(need(earlier).is_some_and(|work| work.kind == need::Kind::Freeze));
}

#[test]
fn those_that_need_it_most_come_first_and_the_excluded_not_at_all() {
    let named = |name: &str, dead, age| Candidate { name: name.into(), dead, age, ..healthy() };
    let tables =
        [named("some", 300.0, 0.0), named("old", 0.0, 195e6), named("much", 9000.0, 0.0), named("mine", 9e9, 0.0)];
    let settings: Settings = settings(MANIFEST, json!({"exclude": ["public.mine"]}));
    let order: Vec<String> =
        need::choose(&tables, &server(), &settings).into_iter().map(|work| work.candidate.name).collect();
    assert_eq!(order, ["old", "much", "some"]);
}

#[test]
fn an_age_is_a_warning_and_then_critical() {
    let worst = |age| record(|| need::report_ages(&[Candidate { age, ..healthy() }], &server(), &defaults())).worst();
    assert_eq!([worst(179e6), worst(180e6), worst(190e6)], [Severity::Ok, Severity::Warning, Severity::Critical]);
    let databases = |age| rows!(["name", "age", "multixact_age"]; ["shop", age, 0.0]);
    let worst = |age| record(|| ages::report_ages(&databases(age), &defaults())).worst();
    assert_eq!([worst(1.3e9), worst(1.31e9), worst(1.41e9)], [Severity::Ok, Severity::Warning, Severity::Critical]);
}

#[test]
fn a_table_that_the_role_may_not_vacuum_is_unknown_with_the_grant() {
    let table = Candidate { permitted: false, dead: 9000.0, ..healthy() };
    let supers = Candidate { owner: "postgres".into(), owned_by_superuser: true, ..table.clone() };
    let work = need::choose(&[supers], &server(), &defaults());
    let told = record(|| need::report_not_permitted(&work, "hostler", 150_018)).findings.remove(0);
    assert!(told.remedy.is_some_and(|remedy| remedy.starts_with("ALTER TABLE") && !remedy.contains("GRANT")));
    let work = need::choose(&[table], &server(), &defaults());
    let remedy = |version| record(|| need::report_not_permitted(&work, "hostler", version)).findings.remove(0);
    assert_eq!(remedy(150_018).severity, Severity::Unknown);
    assert!(remedy(150_018).remedy.is_some_and(|remedy| remedy.starts_with("GRANT shop TO hostler;")));
    assert_eq!(remedy(170_000).remedy.as_deref(), Some("GRANT pg_maintain TO hostler;"));
}

fn conditions(kind: &str, seconds: Option<f64>, xmin_age: i64, lag: Option<f64>) -> Conditions {
    let rows = rows!(["kind", "holder", "who", "xmin_age", "seconds", "lag"]; [kind, "pid 7", "alice web", xmin_age, seconds, lag]);
    Conditions::read(&rows).unwrap()
}

#[test]
fn an_old_transaction_is_told_and_keeps_a_vacuum_but_not_a_freeze() {
    let settings = defaults();
    let young = conditions("session", Some(3600.0), 5, None);
    assert_eq!((young.holder(&settings.limits()), young.forbid(&settings.limits())), (None, None));
    let old = conditions("session", Some(3601.0), 5, None);
    assert!(old.holder(&settings.limits()).is_some());
    let recorded = record(|| old.report(&settings.limits()));
    assert_eq!(recorded.findings[0].remedy.as_deref(), Some("SELECT pg_terminate_backend(7);"));
    assert!(conditions("slot", None, 10_000_001, None).holder(&settings.limits()).is_some());
    let work = |table: Candidate| need::of(&table, &server(), &settings).unwrap();
    assert!(!work(Candidate { dead: 9e9, ..healthy() }).goes_on_when_held());
    assert!(work(Candidate { age: 199e6, ..healthy() }).goes_on_when_held());
}

#[test]
fn lag_stops_a_run() {
    let lagging = conditions("standby", None, 0, Some(2e9));
    assert_eq!(lagging.forbid(&defaults().limits()).as_deref(), Some("a standby is 1.9 GiB behind"));
}

#[test]
fn a_warning_is_a_failure_in_every_language() {
    let notice = |code: &str, message: &str| {
        [Notice { severity: "WARNUNG".into(), code: code.into(), message: message.into(), detail: None, hint: None }]
    };
    assert!(outcome::refusal(&notice("01000", "»orders« wird übersprungen")).is_some());
    assert!(outcome::refusal(&notice("55P03", "skipping vacuum of \"orders\" --- lock not available")).is_some());
    assert!(outcome::refusal(&notice("00000", "finished vacuuming")).is_none());
}

#[test]
fn what_was_done_is_told_with_before_and_after() {
    let before = Candidate { dead: 9000.0, ..healthy() };
    let work = need::of(&before, &server(), &defaults()).unwrap();
    let told = |after: f64| {
        record(|| {
            let mut done = Done::new(2, 0, 50);
            done.add(&work, Outcome::Applied(before.clone()));
            done.compare(&[Candidate { dead: after, ..healthy() }]);
            done.add(&work, Outcome::Skipped("gone".into()));
            assert!(done.changed());
            assert_eq!(done.report(false, 1, 7, 8192), "1 of 2 due tables done, 1 still due");
        })
    };
    let well = told(0.0);
    assert_eq!(well.told(), []);
    assert_eq!(well.metric("postgres_tables_due_for_vacuum"), Some(1.0), "what is left, and not what was found");
    assert_eq!(well.tables[1].rows[0][1], "9000 → 0");
    assert_eq!(told(8999.0).told(), [("dead-rows-remain", "public.orders", Severity::Warning)]);
}

#[test]
fn the_ages_that_are_told_are_those_that_a_freeze_left() {
    let found = |age: f64, database: f64| Found {
        candidates: vec![Candidate { age, ..healthy() }],
        databases: rows!(["name", "age", "multixact_age"]; ["shop", database, 0.0]),
    };
    let told = |found: Found| record(|| found.report(&server(), &defaults()).unwrap());
    let before = told(found(199e6, 1.41e9));
    assert_eq!(
        before.told(),
        [("database-age", "shop", Severity::Critical), ("freeze-age", "public.orders", Severity::Critical)]
    );
    assert_eq!(before.findings[0].summary, "the oldest row is 1410000000 transactions old, critical above 1400000000");
    assert!(before.findings[1].summary.ends_with("99.5 % of the age that forces a freeze, critical from 95.0 % on"));
    assert_eq!(told(found(5.0, 5.0)).told(), []);
}

#[test]
fn a_plan_says_what_is_due_in_words_that_agree() {
    let summary = |due: usize, tables| {
        let mut done = Done::new(due, 0, 50);
        let table = Candidate { dead: 251.0, ..healthy() };
        for _ in 0..due {
            done.add(&need::of(&table, &server(), &defaults()).unwrap(), Outcome::Planned);
        }
        assert!(!done.changed(), "a plan changes nothing, so nothing is read again");
        done.report(true, due, tables, 8192)
    };
    assert_eq!(summary(0, 1), "none of 1 table is due");
    assert_eq!(summary(1, 7), "1 of 7 tables is due, 1 planned");
    assert_eq!(summary(2, 7), "2 of 7 tables are due, 2 planned");
}

#[test]
fn tables_that_are_due_and_not_permitted_are_not_called_none() {
    let summary = |due, not_permitted| Done::new(due, not_permitted, 50).report(true, due, 7, 8192);
    assert_eq!(summary(0, 2), "2 of 7 tables are due, and the role may vacuum none of them");
    assert_eq!(
        summary(1, 2),
        "1 of 7 tables is due, 0 planned; 1 more than the limit of 50; 2 more that the role may not vacuum"
    );
}

#[test]
fn tables_that_somebody_holds_back_are_told() {
    let work = need::of(&Candidate { dead: 9000.0, ..healthy() }, &server(), &defaults()).unwrap();
    let recorded = record(|| {
        let mut done = Done::new(1, 0, 50);
        done.add(&work, Outcome::Held("the session \"pid 7\"".into()));
        assert_eq!(done.report(false, 1, 7, 8192), "0 of 1 due table done, 1 still due");
    });
    assert_eq!(recorded.told(), [("tables-held-back", "run", Severity::Warning)]);
    assert_eq!(
        recorded.findings[0].summary,
        "1 table was left out, since the session \"pid 7\" keeps dead rows from being removed: public.orders"
    );
}

#[test]
fn a_stopped_run_says_what_is_left() {
    let recorded = record(|| {
        let mut done = Done::new(3, 0, 50);
        done.stop("the maintenance window closed");
        done.report(false, 3, 3, 8192)
    });
    assert!(recorded.findings[0].summary.contains("3 tables are left"), "{:?}", recorded.findings);
}

#[test]
fn each_bad_setting_is_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("freeze_warning", json!(101)),
            ("freeze_critical", json!("95")),
            ("age_warning", json!("old")),
            ("age_critical", json!("2:1")),
            ("longest_transaction", json!("0s")),
            ("most_lag", json!("much")),
            ("limit", json!(0)),
            ("exclude", json!("public.orders")),
            ("timeout", json!("4 hours or so")),
            ("parallel", json!(-1)),
            ("parallel", json!("many")),
        ],
    );
}

#[test]
fn the_statements_are_covered_by_the_request() {
    use hostler_policy::sql::PostgresGrant;
    let none = PostgresGrant::default();
    for sql in [SERVER, shared_relations::conditions::CONDITIONS, DATABASES, &tables(150_018), &tables(180_000)] {
        none.query(sql).map(drop).unwrap();
    }
    let grant = PostgresGrant {
        statements: vec!["VACUUM".into(), "ANALYZE".into()],
        functions: vec!["pg_catalog.pg_sleep".into()],
        write: vec!["*.*".into()],
        ..PostgresGrant::default()
    };
    for version in [150_018, 180_000] {
        grant.query(&progress::statement(version)).map(drop).unwrap();
    }
    let odd = Candidate { name: "a\"; DROP TABLE b".into(), ..healthy() };
    for candidate in [odd.clone(), Candidate { age: 199e6, ..odd.clone() }, Candidate { modified: 151.0, ..odd }] {
        let candidate = Candidate { modified: 151.0, ..candidate };
        let work = need::of(&candidate, &server(), &defaults()).unwrap();
        grant.execute(&work.statement()).map(drop).unwrap();
    }
}
