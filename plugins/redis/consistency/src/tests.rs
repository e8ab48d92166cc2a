//! What INFO says of replication and persistence, and what a comparison says.

use hostler_sdk::Info;
use hostler_sdk::testing::{Recorded, record, refuses_each, settings};
use serde_json::json;

use super::*;
use compare::{Compared, agree};

const MANIFEST: &str = include_str!("../plugin.toml");

fn tell(info: &str) -> Recorded {
    let settings: Settings = settings(MANIFEST, json!({}));
    let info = Info::parse(&format!("expired_stale_perc:0.00\r\n{}\r\n", info.replace(' ', "\r\n")));
    record(|| state::report(&info, &settings).unwrap())
}

#[test]
fn a_replica_without_its_primary_is_told_by_how_long() {
    let down = |seconds: i64| {
        tell(&format!("role:slave master_link_status:down master_link_down_since_seconds:{seconds}")).worst()
    };
    assert_eq!(
        [down(1), down(60), down(61), down(-1)],
        [Severity::Warning, Severity::Warning, Severity::Critical, Severity::Critical]
    );
    assert_eq!(tell("role:slave master_link_status:up master_last_io_seconds_ago:1").told(), []);
}

#[test]
fn a_replica_that_receives_faster_than_it_applies_is_behind() {
    let behind = |bytes: u64| {
        tell(&format!(
            "role:slave master_link_status:up master_last_io_seconds_ago:0 slave_read_repl_offset:{bytes} slave_repl_offset:0 rdb_last_save_time:1700000000 rdb_changes_since_last_save:7"
        ))
    };
    assert_eq!(
        [behind(1 << 20).worst(), behind((1 << 20) + 1).worst(), behind((64 << 20) + 1).worst()],
        [Severity::Ok, Severity::Warning, Severity::Critical]
    );
    let told = behind((1 << 20) + 1);
    assert_eq!(told.told(), [("replica-behind", "server", Severity::Warning)]);
    assert_eq!(told.metric("redis_unsaved_changes"), Some(7.0));
    assert!(told.metric("redis_last_save_age_seconds").is_some_and(|age| age > 1e7));
}

#[test]
fn a_primary_tells_how_far_each_replica_is_behind() {
    let behind = |bytes: u64| {
        tell(&format!(
            "role:master master_repl_offset:{bytes} slave0:ip=10.0.0.1,port=6379,state=online,offset=0,lag=0"
        ))
        .worst()
    };
    assert_eq!(
        [behind(1 << 20), behind((1 << 20) + 1), behind((64 << 20) + 1)],
        [Severity::Ok, Severity::Warning, Severity::Critical]
    );
    let filled = tell("role:master master_repl_offset:9 slave0:ip=10.0.0.1,port=1,state=wait_bgsave,offset=0,lag=0");
    assert_eq!(filled.told(), [("replica-not-online", "replica 10.0.0.1:1", Severity::Warning)]);
}

#[test]
fn what_did_not_reach_the_disk_and_what_did_not_go_are_told() {
    let told = tell("role:master rdb_last_bgsave_status:err aof_last_write_status:ok");
    assert_eq!(told.told(), [("snapshot-failed", "server", Severity::Critical)]);
    let settings: Settings = settings(MANIFEST, json!({}));
    let stale = Info::parse("role:master\r\nexpired_stale_perc:10.5\r\n");
    assert_eq!(
        record(|| state::report(&stale, &settings).unwrap()).told(),
        [("expired-stale", "server", Severity::Warning)]
    );
    assert!(state::report(&Info::parse("role:master\r\n"), &settings).is_err(), "what is not there is not well");
}

#[test]
fn mismatches_are_judged_by_their_share() {
    let settings: Settings = settings(MANIFEST, json!({"pattern": "product:*"}));
    let worst = |wrong: usize| {
        let compared = Compared { compared: 1000, differ: vec!["product:1".into(); wrong], orphaned: vec![] };
        record(|| compared.report(&settings)).worst()
    };
    assert_eq!(
        [worst(1), worst(2), worst(10), worst(11)],
        [Severity::Ok, Severity::Warning, Severity::Warning, Severity::Critical]
    );
    assert_eq!(record(|| Compared::default().report(&settings)).worst(), Severity::Unknown);
    assert!(agree(b"a", "a") && agree(br#"{"a":1,"b":2}"#, r#"{"b": 2, "a": 1}"#));
    assert!(!agree(b"a", "b") && !agree(b"1", "1.0"));
}

#[test]
fn bad_settings_are_refused() {
    refuses_each(
        MANIFEST,
        &[
            ("link", json!("x")),
            ("behind_warning", json!(-1)),
            ("stale_warning", json!(101)),
            ("sample", json!(0)),
            ("mismatch_critical", json!("x")),
        ],
    );
}
