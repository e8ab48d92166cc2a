//! Reaching a server: by every form of address, with and without a password, and what is said where it cannot be.

mod support;

use std::{net::TcpListener, time::Duration};

use hostler_capability::{Error, Mode};
use hostler_configuration::RedisResource;
use hostler_redis::{RedisCapability, Timeouts};
use support::*;

fn at(url: &str) -> RedisResource {
    RedisResource { url: url.into(), ..RedisResource::default() }
}

/// The whole error, in which neither an address nor a secret may stand.
#[track_caller]
fn shown(error: &Error, never: &[&str]) -> String {
    let text = format!("{error:?}");
    for never in never.iter().chain(&["127.0.0.1"]) {
        assert!(!text.contains(never), "{never} in {text}");
    }
    text
}

#[tokio::test]
async fn a_server_answers_and_keeps_nothing_of_a_run() {
    let server = Server::start(&[]);
    let capability = RedisCapability::default();
    for _ in 0..2 {
        let session = open_on(&capability, &run(Mode::Check), &server.resource(), "+ping").await.expect("it opens");
        assert_eq!(text(&session.query(command("PING")).await.expect("it answers")[0]), "PONG");
    }
    let clients = server.client().ask("CLIENT LIST");
    let ours: Vec<_> = clients.lines().filter(|line| line.contains("name=hostler-task")).collect();
    assert_eq!(ours.len(), 1, "the second run has the first one's connection: {clients}");
    assert!(ours[0].contains("resp=3"));
}

#[tokio::test]
async fn a_password_is_taken_from_its_file_alone() {
    let server = Server::start(&["--requirepass", "hunter2hunter2"]);
    let file = path(&server, "password");
    let resource = RedisResource { password_file: Some(file.clone()), ..server.resource() };

    write_secret(&file, "hunter2hunter2", 0o600);
    assert!(open(&resource, "+ping").await.query(command("ping")).await.is_ok());

    write_secret(&file, "hunter3hunter3", 0o600);
    let text = shown(&open_error(&resource).await, &["hunter3", "hunter2"]);
    assert!(text.contains("WRONGPASS") && text.contains("password_file in [redis.cache]"), "{text}");

    write_secret(&file, "hunter2hunter2", 0o644);
    let text = shown(&open_error(&resource).await, &["hunter2"]);
    assert!(text.contains("chmod 600"), "{text}");

    std::fs::write(&file, "\nhunter2hunter2").expect("it is written");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode is set");
    assert!(shown(&open_error(&resource).await, &["hunter2"]).contains("nothing in its first line"));

    let text = shown(&open_error(&server.resource()).await, &["hunter2"]);
    assert!(text.contains("NOAUTH") && text.contains("write password_file"), "{text}");
}

#[tokio::test]
async fn a_user_of_least_rights_is_enough() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("ACL SETUSER hostler on >secret12 +info +command");
    let session = open(&server.resource_of("hostler", "secret12"), "+info +dbsize").await;
    assert!(session.query(command("info memory")).await.is_ok());
    let text = shown(&session.query(command("dbsize")).await.expect_err("the user may not"), &["secret12"]);
    assert!(text.contains("NOPERM") && text.contains("ACL SETUSER hostler +dbsize"), "{text}");

    client.ask("ACL SETUSER hostler -command");
    let text = shown(&open_error(&server.resource_of("hostler", "secret12")).await, &["secret12"]);
    assert!(text.contains("ACL SETUSER hostler +command"), "{text}");
}

#[tokio::test]
async fn a_unix_socket_and_another_database() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("redis.sock");
    let server = Server::start(&["--unixsocket", &socket.display().to_string()]);
    let mut client = server.client();
    client.ask("SELECT 3");
    client.ask("SET only-here 1");
    for url in [format!("redis+unix://{}?db=3", socket.display()), format!("{}/3", server.url())] {
        let session = open(&at(&url), "+dbsize").await;
        let reply = session.query(command("dbsize")).await.expect("it answers");
        assert!(format!("{reply:?}").contains("Int64(1)"), "{reply:?}");
    }
    let text = shown(&open_error(&at("redis+unix:///nowhere/redis.sock")).await, &["nowhere"]);
    assert!(text.contains("redis.cache: there is no such socket"), "{text}");
    let text = shown(&open_error(&at(&format!("{}/99", server.url()))).await, &[]);
    assert!(text.contains("DB index is out of range"), "{text}");
}

#[tokio::test]
async fn tls_wants_a_certificate_that_is_vouched_for_and_names_the_host() {
    let server = Server::start_tls("127.0.0.1");
    let good = RedisResource { root_certificates: Some(path(&server, "authority.crt")), ..server.resource() };
    assert!(open(&good, "+ping").await.query(command("ping")).await.is_ok());

    let text = shown(&open_error(&server.resource()).await, &[]);
    assert!(text.contains("nobody vouches for"), "{text}");

    let file = path(&server, "empty.crt");
    std::fs::write(&file, "nothing").expect("it is written");
    let empty = RedisResource { root_certificates: Some(file), ..server.resource() };
    assert!(shown(&open_error(&empty).await, &[]).contains("hold no certificate"));

    let other = Server::start_tls("127.0.0.2");
    let other = RedisResource { root_certificates: Some(path(&other, "authority.crt")), ..other.resource() };
    let server = Server::start_tls("127.0.0.2");
    let wrong = RedisResource { url: server.url(), root_certificates: Some(path(&server, "authority.crt")), ..other };
    let text = shown(&open_error(&wrong).await, &["127.0.0.2"]);
    assert!(text.contains("for another name"), "{text}");
}

#[tokio::test]
async fn tls_and_plain_text_do_not_mix() {
    let (plain, tls) = (Server::start(&[]), Server::start_tls("127.0.0.1"));
    let short = Timeouts { connect: Duration::from_millis(300), command: Duration::from_secs(5) };
    for url in [plain.url().replace("redis:", "rediss:"), tls.url().replace("rediss:", "redis:")] {
        let resource = RedisResource { root_certificates: Some(path(&tls, "authority.crt")), ..at(&url) };
        let error = open_on(&RedisCapability::new(short), &run(Mode::Apply), &resource, "+ping").await.err();
        // Each side may wait for the other to say something that it understands, or close.
        assert!(matches!(error, Some(Error::Unavailable(_) | Error::TimedOut(300))), "{error:?}");
    }
    // Another service answers at once, in words that are no TLS.
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = std::io::Write::write_all(&mut client, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let resource = RedisResource {
        root_certificates: Some(path(&tls, "authority.crt")),
        ..at(&format!("rediss://127.0.0.1:{port}"))
    };
    assert!(shown(&open_error(&resource).await, &[]).contains("does not speak TLS"));
    let text = shown(&open_error(&at(&format!("redis://127.0.0.1:{port}"))).await, &[]);
    assert!(text.contains("does not answer as Redis does") || text.contains("closed the connection"), "{text}");
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable() {
    let error = open_error(&at(&format!("redis://127.0.0.1:{}", free_port()))).await;
    assert!(matches!(error, Error::Unavailable(_)));
    assert!(shown(&error, &[]).contains("redis.cache: nobody listens there"));
    let error = open_error(&at("redis://no-such-host.invalid")).await;
    assert!(matches!(error, Error::Unavailable(_)));
    assert!(shown(&error, &["no-such-host"]).contains("redis.cache: its name leads nowhere"));
}

#[tokio::test]
async fn a_server_that_hangs_after_accepting_times_out() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let url = format!("redis://127.0.0.1:{}", listener.local_addr().expect("an address").port());
    let short = Timeouts { connect: Duration::from_millis(200), command: Duration::from_secs(5) };
    let error = open_on(&RedisCapability::new(short), &run(Mode::Apply), &at(&url), "+ping").await.err();
    assert!(matches!(error, Some(Error::TimedOut(200))), "{error:?}");
}

#[tokio::test]
async fn a_command_that_takes_too_long_times_out_and_harms_no_other() {
    let server = Server::start(&[]);
    let short = Timeouts { connect: Duration::from_secs(5), command: Duration::from_millis(300) };
    let (capability, run) = (RedisCapability::new(short), run(Mode::Apply));
    let session = open_on(&capability, &run, &server.resource(), "+blpop +ping ~*").await.expect("it opens");
    let error = session.execute(command("blpop nothing 0")).await.err();
    assert!(matches!(error, Some(Error::TimedOut(300))), "{error:?}");
    assert_eq!(run.context.plan().steps[0].effects[0].outcome, "failed: timed-out");
    assert_eq!(text(&session.query(command("ping")).await.expect("it answers")[0]), "PONG");
}

#[tokio::test]
async fn nodes_of_clusters_and_sentinels_say_what_to_do() {
    let node = Server::start(&["--cluster-enabled", "yes"]);
    let text = shown(&open_error(&node.resource()).await, &[]);
    assert!(text.contains("node of a cluster") && text.contains("bind a server"), "{text}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let port = free_port();
    let mut sentinel = std::process::Command::new("redis-sentinel")
        .arg(file.path())
        .args(["--port", &port.to_string()])
        .stdout(std::process::Stdio::null())
        .spawn()
        .or_else(|_| {
            std::process::Command::new("redis-server")
                .arg(file.path())
                .args(["--sentinel", "--port", &port.to_string()])
                .stdout(std::process::Stdio::null())
                .spawn()
        })
        .expect("redis-server is installed");
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(sentinel.try_wait().expect("its state").is_none(), "it ended");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let text = shown(&open_error(&at(&format!("redis://127.0.0.1:{port}"))).await, &[]);
    sentinel.kill().and_then(|()| sentinel.wait()).expect("it ends");
    assert!(text.contains("it is a sentinel"), "{text}");
}

#[tokio::test]
async fn addresses_of_clusters_and_sentinels_are_refused_before_the_run() {
    for (url, part) in [
        ("redis+cluster://127.0.0.1:1,127.0.0.1:2", "address of a cluster"),
        ("redis-sentinel://127.0.0.1:26379/main", "address of a sentinel"),
        ("redis+sentinel://127.0.0.1:26379/main", "address of a sentinel"),
        ("redis://127.0.0.1:1,127.0.0.1:2", "several hosts"),
        ("redis://:secret12@127.0.0.1", "password_file"),
    ] {
        let made = RedisCapability::default().run(&[binding(&at(url), "+ping")], &run(Mode::Check).context);
        let error = made.err().expect("it is refused").to_string();
        assert!(error.starts_with("redis.cache: its url") && error.contains(part), "{error}");
        assert!(!error.contains("127.0.0.1") && !error.contains("secret12"), "{error}");
    }
    let made = RedisCapability::default().run(&[binding(&at("redis://a"), "+ping info")], &run(Mode::Check).context);
    assert!(made.err().expect("it is refused").to_string().contains("\"info\""));
}

#[tokio::test]
async fn a_server_that_closes_in_the_middle_of_a_result_is_told() {
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port);
    let mut client = server.client();
    for number in 0..1000 {
        client.ask(&format!("RPUSH list member-{number}"));
    }
    let run = run(Mode::Apply);
    let resource = at(&format!("redis://127.0.0.1:{}", proxy.port));
    let session = open_on(&RedisCapability::default(), &run, &resource, "+@read +ping ~*").await.expect("it opens");
    assert_eq!(session.query(command("lrange list 0 -1")).await.expect("it answers").len(), 1001);
    *proxy.left.lock().expect("nobody panicked") = Some(5000);
    let error = session.query(command("lrange list 0 -1")).await.expect_err("it is cut");
    assert!(shown(&error, &[]).contains("closed the connection in the middle of a reply"), "{error:?}");
    let lines = run.lines();
    assert!(lines.last().expect("a line").contains("Failed | unavailable"), "{lines:?}");
    *proxy.left.lock().expect("nobody panicked") = None;
    assert!(session.query(command("ping")).await.is_ok(), "the next call has another connection");
}

#[tokio::test]
async fn a_server_that_was_restarted_is_reached_again() {
    let mut server = Server::start(&[]);
    let capability = RedisCapability::default();
    let session = open_on(&capability, &run(Mode::Check), &server.resource(), "+ping").await.expect("it opens");
    server.restart();
    assert!(session.query(command("ping")).await.is_ok());
    server.stop();
    let error = session.query(command("ping")).await.expect_err("it is down");
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn calls_beyond_the_connections_wait_for_their_turn() {
    let server = Server::start(&[]);
    let session = open(&server.resource(), "+info").await;
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let session = session.clone();
            tokio::spawn(async move { session.query(command("info")).await })
        })
        .collect();
    for call in calls {
        assert!(call.await.expect("it ends").is_ok());
    }
    let clients = server.client().ask("CLIENT LIST");
    let count = clients.lines().filter(|line| line.contains("name=hostler-task")).count();
    assert!((1..=4).contains(&count), "{clients}");
}

#[tokio::test]
async fn targets_are_opened_by_name() {
    let (one, two) = (Server::start(&[]), Server::start(&[]));
    two.client().ask("SET a 1");
    let mut many = binding(&one.resource(), "+dbsize");
    many.many = true;
    many.targets[0].name = "one".into();
    many.targets.push(hostler_capability::Target {
        name: "two".into(),
        resource: hostler_capability::Resource::Redis(two.resource()),
    });
    let run = run(Mode::Check);
    let part = RedisCapability::default().run(&[many], &run.context).expect("it is good");
    assert_eq!(part.targets("cache"), ["one", "two"]);
    assert!(part.targets("other").is_empty());
    assert!(matches!(part.open("cache".into(), None).await.err(), Some(Error::Invalid(_))));
    assert!(matches!(part.open("other".into(), None).await.err(), Some(Error::Denied(_))));
    assert!(matches!(part.open("cache".into(), Some("three".into())).await.err(), Some(Error::Denied(_))));
    let session = part.open("cache".into(), Some("two".into())).await.expect("it opens");
    assert!(format!("{:?}", session.query(command("dbsize")).await).contains("Int64(1)"));
}
