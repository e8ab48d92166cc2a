//! The servers that the tests stand on.

use hostler_tests::{Postgres, eventually, programs, servers};

#[test]
fn there_are_servers_of_four_major_versions_and_one_says_which_it_is() {
    assert_eq!(servers(), [15, 16, 17, 18]);
    for version in servers() {
        let server = Postgres::of(version);
        assert_eq!(server.version, version);
        assert_eq!(server.value("SHOW server_version").split('.').next(), Some(version.to_string().as_str()));
        server.execute("CREATE EXTENSION pg_stat_statements; CREATE EXTENSION amcheck; CREATE EXTENSION pgstattuple");
    }
}

#[test]
fn each_version_has_a_standby_though_one_brings_no_client() {
    assert!(!programs(16).join("pg_basebackup").exists());
    for version in servers() {
        let server = Postgres::of(version);
        let standby = server.standby("replica");
        assert_eq!(standby.value("SELECT pg_is_in_recovery()"), "t");
        eventually("it streams", || {
            server.value("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1"
        });
    }
}
