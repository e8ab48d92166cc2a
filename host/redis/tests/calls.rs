//! Queries and changes: what comes back, what is refused, what is planned, and what the audit says.

mod support;

use hostler_capability::{ApprovedPlan, Effect, Error, Limits, Mode};
use hostler_redis::RedisCapability;
use hostler_world::redis::{Execution, Executions, Node};
use support::*;

async fn opened(server: &Server, run: &Run, words: &str) -> std::sync::Arc<hostler_redis::Session> {
    open_on(&RedisCapability::default(), run, &server.resource(), words).await.expect("it opens")
}

#[tokio::test]
async fn replies_are_nodes_in_order() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("HSET hash field value");
    client.ask("ZADD scores 1.5 one");
    client.ask("SADD set member");
    client.bytes(&[b"SET", b"bin\xff", b"\x00\xff\r\n"]);
    let session = opened(&server, &run(Mode::Check), "+@read +info +memory|doctor ~*").await;
    let shown = async |text: &str| format!("{:?}", session.query(command(text)).await.expect("it answers"));
    let text = |text: &str| format!("{:?}", Node::Text(text.into()));
    assert_eq!(shown("hgetall hash").await, format!("[Node::Pairs(1), {}, {}]", text("field"), text("value")));
    assert_eq!(
        shown("zrange scores 0 -1 withscores").await,
        format!("[Node::Array(1), Node::Array(2), {}, Node::Float64(1.5)]", text("one"))
    );
    assert_eq!(shown("smembers set").await, format!("[Node::Array(1), {}]", text("member")));
    assert_eq!(shown("get missing").await, "[Node::Nil]");
    assert_eq!(shown("ttl hash").await, "[Node::Int64(-1)]");
    assert!(
        support::text(&session.query(command("info server")).await.expect("it answers")[0]).contains("redis_version:7")
    );
    assert!(support::text(&session.query(command("memory doctor")).await.expect("it answers")[0]).contains("Hi Sam"));
    let reply = session.query(vec![b"GET".to_vec(), b"bin\xff".to_vec()]).await.expect("it answers");
    assert!(matches!(&reply[0], Node::Text(bytes) if bytes == b"\x00\xff\r\n"));
}

#[tokio::test]
async fn an_error_stands_in_its_place_and_the_others_stand() {
    let server = Server::start(&[]);
    server.client().ask("RPUSH list a");
    let session = opened(&server, &run(Mode::Check), "+@read ~*").await;
    let commands = ["llen list", "get list", "ttl list"].map(command).to_vec();
    let replies = session.query_many(commands).await.expect("it answers");
    assert!(matches!(replies[0][..], [Node::Int64(1)]));
    assert!(matches!(&replies[1][..], [Node::Failure(text)] if text.starts_with("WRONGTYPE ")), "{replies:?}");
    assert!(matches!(replies[2][..], [Node::Int64(-1)]));
    match session.query(command("get list")).await {
        Err(Error::Failed(failure)) => assert_eq!(failure.code, "WRONGTYPE"),
        other => panic!("{other:?}"),
    }
    assert!(session.query_many(vec![]).await.expect("nothing is asked").is_empty());
}

#[tokio::test]
async fn a_servers_error_with_bytes_that_are_no_text_ends_no_connection() {
    let server = Server::start(&[]);
    let session = opened(&server, &run(Mode::Apply), "+config|set +ping").await;
    let error = session
        .execute(vec![b"CONFIG".to_vec(), b"SET".to_vec(), b"\xff\xfe".to_vec(), b"1".to_vec()])
        .await
        .expect_err("there is no such setting");
    assert!(matches!(error, Error::Failed(_)), "{error:?}");
    assert!(session.query(command("ping")).await.is_ok());
    let clients = server.client().ask("CLIENT LIST");
    assert_eq!(clients.lines().filter(|line| line.contains("name=hostler-task")).count(), 1, "{clients}");
}

#[tokio::test]
async fn what_is_not_granted_never_reaches_the_server() {
    let server = Server::start(&[]);
    let run = run(Mode::Apply);
    let session = opened(&server, &run, "+get +expire +acl|log ~cache:*").await;
    let mut client = server.client();
    client.ask("CONFIG RESETSTAT");
    for (text, part) in [
        ("get user:1", "no key pattern of allow covers reading user:1"),
        ("set cache:1 secret", "it takes +set"),
        ("flushall", "flushall"),
        ("nonsense secret", "no command nonsense"),
        ("multi", "changes the connection"),
        ("expire cache:1 10", "a query only reads"),
        ("acl log reset", "a query only reads"),
    ] {
        match session.query(command(text)).await {
            Err(Error::Denied(denial)) => {
                assert!(denial.rule.contains(part), "{text}: {denial:?}");
                assert_eq!(denial.request, "cache");
                assert!(!denial.operation.contains("secret"), "{denial:?}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    assert!(matches!(session.query(command("get")).await, Err(Error::Invalid(_))));
    assert!(matches!(session.query(vec![]).await, Err(Error::Invalid(_))));
    let batch = ["get cache:1", "get user:1"].map(command).to_vec();
    assert!(matches!(session.query_many(batch).await, Err(Error::Denied(_))), "one refuses all");
    assert!(matches!(session.execute(command("get cache:1")).await, Err(Error::Invalid(_))));
    let info = client.ask("INFO commandstats");
    for name in ["get", "set", "flushall", "multi", "expire", "acl"] {
        assert!(!info.contains(&format!("cmdstat_{name}:")), "{name} was sent: {info}");
    }
    let lines = run.lines();
    assert!(lines.iter().filter(|line| line.contains("Denied")).count() >= 9, "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("secret")), "{lines:?}");
}

#[tokio::test]
async fn the_audit_has_two_lines_a_call_whatever_its_size() {
    let server = Server::start(&[]);
    let run = run(Mode::Check);
    let session = opened(&server, &run, "+@read ~*").await;
    let mut commands: Vec<_> = (0..1000).map(|number| command(&format!("ttl key:{number}"))).collect();
    commands.push(command("TTL key:1"));
    commands.push(command("type key:1"));
    session.query_many(commands).await.expect("it answers");
    session.query(command("get user:1")).await.expect("it answers");
    assert_eq!(
        run.lines(),
        [
            "open | Allowed | bind",
            "open | Done | ",
            "ttl ×1001, type ×1 | Allowed | +@read",
            "ttl ×1001, type ×1 | Done | ",
            "get user:1 | Allowed | +@read",
            "get user:1 | Done | ",
        ]
    );
    assert_eq!(run.context.usage.read().0, 1003);
}

#[tokio::test]
async fn secrets_of_the_server_are_blanked() {
    let server = Server::start(&["--requirepass", "hunter2hunter2", "--masterauth", "master2master2"]);
    let resource = server.resource_of("default", "hunter2hunter2");
    let session = open(&resource, "+config|get +acl").await;
    for text in
        ["config get requirepass", "CONFIG GET *", "config get m*auth REQUIREP*", "acl list", "acl getuser default"]
    {
        for replies in [
            vec![session.query(command(text)).await.expect("it answers")],
            session.query_many(vec![command(text)]).await.expect("it answers"),
        ] {
            let all: Vec<_> = replies.iter().flatten().map(support::text).collect();
            let all = all.join("\n");
            assert!(!all.contains("hunter2") && !all.contains("master2"), "{text}: {all}");
            // The hash of hunter2hunter2.
            assert!(!all.contains("fb7d2c") && !all.split(['#', '\n']).any(|word| word.len() == 64), "{text}: {all}");
            assert!(all.contains("***"), "{text}: {all}");
        }
    }
    let plain = Server::start(&[]);
    let session = open(&plain.resource(), "+config|get").await;
    let reply = session.query(command("config get requirepass")).await.expect("it answers");
    assert!(matches!(&reply[2], Node::Text(text) if text.is_empty()), "that there is none stays visible");
}

#[tokio::test]
async fn check_mode_plans_and_changes_nothing() {
    let server = Server::start(&[]);
    server.client().ask("SET session:1 a");
    let run = run(Mode::Check);
    let session = opened(&server, &run, "+expire +del +config|set ~session:*").await;
    let planned = session.execute(command("EXPIRE session:1 600 nx")).await.expect("it is planned");
    assert!(matches!(planned, Execution::Planned));
    assert!(matches!(session.execute(command("config set maxmemory 1gb")).await, Ok(Execution::Planned)));
    let many = (0..50).map(|number| command(&format!("expire session:{number} {number}"))).collect();
    assert!(matches!(session.execute_many(many).await, Ok(Executions::Planned)));
    assert!(matches!(session.execute_many(vec![]).await, Ok(Executions::Planned)));
    let plan = run.context.plan();
    let effects: Vec<_> = plan
        .effects()
        .map(|planned| (planned.effect.operation.as_str(), planned.effect.object.as_str(), planned.rows))
        .collect();
    assert_eq!(
        effects,
        [
            ("expire ? NX", "session:1", Some(1)),
            ("config set ?…", "maxmemory", Some(1)),
            ("expire ?", "session:*", Some(50)),
        ]
    );
    assert_eq!(server.client().ask("TTL session:1"), "-1");
    assert!(run.lines().iter().any(|line| line.contains("Planned")));
}

#[tokio::test]
async fn apply_mode_changes_and_says_how_much() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for number in 0..10 {
        client.ask(&format!("SET session:{number} a"));
    }
    client.ask("RPUSH session:list a");
    let run = run(Mode::Apply);
    let session = opened(&server, &run, "+expire +incr +del ~session:*").await;
    match session.execute(command("expire session:1 600")).await {
        Ok(Execution::Applied(reply)) => assert!(matches!(reply[..], [Node::Int64(1)])),
        other => panic!("{other:?}"),
    }
    let commands = ["incr session:n", "incr session:list", "expire session:2 60", "expire session:3 60"];
    let Ok(Executions::Applied(replies)) = session.execute_many(commands.map(command).to_vec()).await else {
        panic!("it is applied")
    };
    assert!(matches!(&replies[1][..], [Node::Failure(text)] if text.starts_with("WRONGTYPE")));
    assert!(matches!(session.execute(command("incr session:list")).await, Err(Error::Failed(_))));
    assert!(matches!(session.execute_many(vec![command("incr session:list")]).await, Ok(Executions::Applied(_))));
    let plan = run.context.plan();
    let outcomes: Vec<_> =
        plan.effects().map(|effect| (effect.effect.operation.as_str(), effect.outcome.as_str(), effect.rows)).collect();
    assert_eq!(
        outcomes,
        [
            ("expire ?", "applied", Some(1)),
            ("expire ?", "applied", Some(2)),
            ("incr", "applied", Some(1)),
            ("incr", "failed: failed", None),
            ("incr", "failed: failed", None),
        ]
    );
    assert_eq!(client.ask("TTL session:1"), "600");
    assert_eq!(client.ask("TTL session:3"), "60");
}

#[tokio::test]
async fn an_approved_plan_holds_what_is_applied() {
    let server = Server::start(&[]);
    server.client().ask("SET a 1");
    let check = run(Mode::Check);
    let session = opened(&server, &check, "+del +expire ~*").await;
    session.execute(command("del a")).await.expect("it is planned");
    let approved = ApprovedPlan::new(&check.context.plan());
    let run = run_with(Mode::Apply, Limits::default(), Some(approved));
    let session = opened(&server, &run, "+del +expire ~*").await;
    assert!(matches!(session.execute(command("del b")).await, Err(Error::Denied(_))));
    let both = ["expire a 1", "del a"].map(command).to_vec();
    assert!(matches!(session.execute_many(both).await, Err(Error::Denied(_))));
    assert_eq!(server.client().ask("EXISTS a"), "1", "nothing of a refused batch was sent");
    assert!(matches!(session.execute(command("del a")).await, Ok(Execution::Applied(_))));
    assert_eq!(
        run.context.plan().effects().last().expect("one").effect,
        Effect { request: "cache".into(), operation: "del".into(), object: "a".into() }
    );
}

#[tokio::test]
async fn replies_are_held_to_limits() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.bytes(&[b"SET", b"large", &vec![b'x'; 65 << 20]]);
    client.bytes(&[b"SET", b"small", &[b'x'; 1000]]);
    let run = run_with(Mode::Check, Limits { bytes: 5000, ..Limits::default() }, None);
    let session = opened(&server, &run, "+get ~*").await;
    match session.query(command("get large")).await {
        Err(Error::Limit(limit)) => assert_eq!(limit, "reply_bytes"),
        other => panic!("{other:?}"),
    }
    for _ in 0..4 {
        assert!(session.query(command("get small")).await.is_ok());
    }
    match session.query(command("get small")).await {
        Err(Error::Limit(limit)) => assert_eq!(limit, "bytes"),
        other => panic!("{other:?}"),
    }
    assert_eq!(run.context.troubles_and_notes().0.len(), 2, "the verdict is unknown");
}

#[tokio::test]
async fn a_dropped_call_is_recorded_and_closes_its_connection() {
    let server = Server::start(&[]);
    let run = run(Mode::Apply);
    let session = opened(&server, &run, "+blpop +ping ~*").await;
    let call = tokio::time::timeout(std::time::Duration::from_millis(100), session.execute(command("blpop nothing 0")));
    assert!(call.await.is_err());
    assert!(run.lines().last().expect("a line").contains("Cancelled"));
    assert_eq!(run.context.plan().effects().next().expect("one").outcome, "unknown");
    let mut client = server.client();
    let gone = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        client.ask("INFO clients").contains("blocked_clients:0")
    });
    assert!(gone, "the server still holds the call");
    assert!(session.query(command("ping")).await.is_ok());
}
