use std::time::Duration;

use hostler_capability::{Binding, Capability, Error, Grant, Mode, Resource, RunState, StopReason, Target};
use hostler_configuration::EndpointResource;
use hostler_world::network::Starttls;
use wasmtime::{Engine, component::Linker};

use super::support::{endpoint, get, listener, many, run, unavailable};
use crate::{NetworkCapability, NetworkRun, examine};

#[tokio::test]
async fn a_port_that_listens_is_timed_and_one_that_does_not_is_said_by_name() {
    let (listening, port) = listener().await;
    let open = run(Mode::Check, endpoint(format!("tcp://127.0.0.1:{port}")), &[]);
    assert!(open.client.connect("shop", None).await.is_ok_and(|took| took < 5_000));
    let lines = open.lines();
    assert!(
        lines.contains("Allowed shop | connect | endpoint.shop") && lines.contains("Done shop | connect"),
        "{lines}"
    );
    drop(listening);
    let words = unavailable(open.client.connect("shop", None).await);
    assert_eq!(words, "endpoint.shop: the connection was refused");
}

/// A name that leads to the loopback, which the other test's own file of hosts gives it.
const NAME: &str = "inner.shop.test";

#[tokio::test]
#[ignore = "started by the other test, where the name leads to the loopback"]
async fn inside() {
    let (_listening, port) = listener().await;
    let refused = run(Mode::Check, endpoint(format!("http://{NAME}:{port}")), &[]);
    let calls = [
        refused.client.connect("shop", None).await.map(drop),
        refused.client.http("shop", get("/")).await.map(drop),
        refused.client.tls_handshake("shop", None, None, Starttls::None).await.map(drop),
    ];
    for result in calls {
        let Err(Error::Denied(denial)) = result else { panic!("{result:?}") };
        assert!(denial.rule.contains("networks"), "{denial:?}");
        assert!(!denial.rule.contains("127.0.0.1") && !denial.rule.contains(NAME), "{denial:?}");
    }
    let networks = vec!["127.0.0.0/8".into()];
    let granted = run(Mode::Check, EndpointResource { networks, ..endpoint(format!("http://{NAME}:{port}")) }, &[]);
    assert!(granted.client.connect("shop", None).await.is_ok());
    let networks = vec!["10.0.0.0/8".into()];
    let elsewhere = run(Mode::Check, EndpointResource { networks, ..endpoint(format!("http://{NAME}:{port}")) }, &[]);
    assert!(matches!(elsewhere.client.connect("shop", None).await, Err(Error::Denied(_))));
}

#[test]
fn a_name_may_not_lead_to_the_machine_itself() {
    let directory = tempfile::tempdir().expect("a directory");
    let hosts = directory.path().join("hosts");
    std::fs::write(&hosts, format!("127.0.0.1 localhost {NAME}\n")).expect("a file");
    let output = std::process::Command::new("bwrap")
        .args(["--dev-bind", "/", "/", "--ro-bind"])
        .arg(&hosts)
        .arg("/etc/hosts")
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "tests::connecting::inside", "--ignored"])
        .output()
        .expect("bubblewrap");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn localhost_and_addresses_are_what_the_operator_wrote() {
    let (_listening, port) = listener().await;
    for host in ["localhost", "127.0.0.1"] {
        let open = run(Mode::Check, endpoint(format!("http://{host}:{port}/")), &[]);
        assert!(open.client.connect("shop", None).await.is_ok(), "{host}");
    }
}

#[tokio::test]
async fn a_name_that_is_nobodys_is_not_repeated() {
    let open = run(Mode::Check, endpoint("https://no-such-host.invalid/".into()), &[]);
    assert_eq!(unavailable(open.client.connect("shop", None).await), "endpoint.shop: its name does not resolve");
}

#[tokio::test]
async fn targets_are_named_where_a_request_takes_many() {
    let (_listening, port) = listener().await;
    let url = || endpoint(format!("tcp://127.0.0.1:{port}"));
    let open = many(Mode::Check, vec![("a", url()), ("b", url())], true, &[]);
    assert_eq!(open.client.targets("shop"), ["a", "b"]);
    assert!(open.client.connect("shop", Some("b")).await.is_ok());
    assert!(open.lines().contains("shop/b | connect | endpoint.b"));
    for target in [None, Some("c")] {
        assert!(matches!(open.client.connect("shop", target).await, Err(Error::Denied(_))));
    }
    assert!(matches!(open.client.connect("other", None).await, Err(Error::Denied(_))));
    assert!(open.client.targets("other").is_empty());
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_runs_into_the_time_limit_or_the_stop() {
    let (_listening, port) = listener().await;
    let open = run(Mode::Check, endpoint(format!("http://127.0.0.1:{port}")), &[]);
    let mut call = get("/");
    call.timeout_ms = Some(300);
    assert!(matches!(open.client.http("shop", call).await, Err(Error::TimedOut(300))));
    let context = open.context.clone();
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        context.stop.request(StopReason::Interrupted);
    };
    let (result, ()) = tokio::join!(open.client.http("shop", get("/")), stopping);
    assert!(matches!(result, Err(Error::Stopped)));
}

#[tokio::test]
async fn doctor_sees_an_endpoint_that_listens_and_one_that_does_not() {
    let (listening, port) = listener().await;
    let resource = endpoint(format!("tcp://127.0.0.1:{port}"));
    assert_eq!(examine("shop", &resource).await.problem, None);
    drop(listening);
    assert_eq!(examine("shop", &resource).await.problem.as_deref(), Some("the connection was refused"));
}

#[test]
fn it_links_and_prepares_and_names_a_wrong_url_without_repeating_it() {
    let mut configuration = wasmtime::Config::new();
    configuration.wasm_component_model_async(true);
    let mut linker = Linker::<RunState>::new(&Engine::new(&configuration).expect("an engine"));
    NetworkCapability::new().link(&mut linker).expect("it links");
    let context = run(Mode::Check, endpoint("tcp://127.0.0.1:1".into()), &[]).context;
    let bound = |url: &str| {
        let targets = vec![Target { name: "shop".into(), resource: Resource::Endpoint(endpoint(url.into())) }];
        Binding { request: "shop".into(), many: false, targets, grant: Grant::Endpoint(vec![]) }
    };
    let slot = NetworkCapability::new().prepare(&[bound("https://shop.example/")], &context);
    assert!(slot.expect("it is right").is::<NetworkRun>());
    let wrong = NetworkCapability::new().prepare(&[bound("https://hush@shop.example/")], &context).map(drop);
    let words = wrong.expect_err("it has a user").to_string();
    assert!(words.contains("endpoint.shop") && words.contains("header_file") && !words.contains("hush"), "{words}");
}
