//! What `doctor` says of a server: whether it answers, and what its user lacks.

mod support;

use hostler_capability::Error;
use hostler_redis::{Need, examine};
use support::*;

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[tokio::test]
async fn a_user_with_all_rights_needs_nothing() {
    let server = Server::start(&[]);
    let found = examine("cache", &server.resource(), &words("+@read +info +expire +scan +config|get ~cache:*")).await;
    let found = found.expect("it answers");
    assert_eq!(found.user, "default");
    assert!(found.version.starts_with("7."));
    assert_eq!((found.needs, found.untried), (vec![], vec![]));
}

#[tokio::test]
async fn what_is_missing_comes_with_its_remedy() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("ACL SETUSER hostler on >secret12 +command +ttl +acl|dryrun ~other:*");
    let resource = server.resource_of("hostler", "secret12");
    let granted = words("+info +memory|usage +ttl +expire +scan ~cache:* %R~session:*");
    let found = examine("cache", &resource, &granted).await.expect("it answers");
    let remedies: Vec<_> = found.needs.iter().map(|need| need.remedy.as_str()).collect();
    assert_eq!(
        remedies,
        [
            "ACL SETUSER hostler +expire",
            "ACL SETUSER hostler +info",
            "ACL SETUSER hostler +memory|usage",
            "ACL SETUSER hostler +scan",
            "ACL SETUSER hostler %R~session:*",
            "ACL SETUSER hostler ~cache:*",
        ]
    );
    // The remedies are what it takes.
    for Need { remedy, .. } in &found.needs {
        assert_eq!(client.ask(remedy), "OK", "{remedy}");
    }
    let found = examine("cache", &resource, &granted).await.expect("it answers");
    assert_eq!(found.needs, []);
}

#[tokio::test]
async fn without_a_dry_run_what_reads_is_tried_and_the_rest_is_named() {
    let server = Server::start(&[]);
    server.client().ask("ACL SETUSER hostler on >secret12 +command +ttl ~cache:*");
    let resource = server.resource_of("hostler", "secret12");
    let found = examine("cache", &resource, &words("+info +ttl +expire ~cache:*")).await.expect("it answers");
    assert_eq!(found.untried, ["expire"]);
    let remedies: Vec<_> = found.needs.iter().map(|need| need.remedy.as_str()).collect();
    assert_eq!(remedies, ["ACL SETUSER hostler +info"]);
}

#[tokio::test]
async fn a_server_that_does_not_let_the_host_in_is_told() {
    let server = Server::start(&["--requirepass", "secret12"]);
    let error = examine("cache", &server.resource(), &words("+info")).await.expect_err("it wants a password");
    assert!(matches!(error, Error::Failed(failure) if failure.code == "NOAUTH"));
    let error = examine("cache", &server.resource(), &words("info")).await.expect_err("that is no word");
    assert!(matches!(error, Error::Invalid(_)));
}
