//! Names that lead where nobody granted, at once or on the second look.
//!
//! The names are those of a file of hosts, or of a name server that changes its mind: both are put before the real host
//! in a namespace of its own.

use std::process::Command;

use hostler_tests::{Hostler, binary};
use serde_json::{Value, json};

use super::{Site, get};
use crate::puppet::write;

/// A task for an endpoint by name.
fn named(name: &str, port: u16, networks: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[endpoint.site]\nurl = \"http://{name}:{port}/app\"\n{networks}\n[tasks.puppet]\nplugin = \"test-puppet\"\n\
         bind.site = {{ resource = \"endpoint.site\", methods = [\"GET\"] }}\n"
    ));
    host.install(&["test-puppet"]);
    write(&host, &[get("/"), json!({ "call": "network", "method": "connect" })]);
    host
}

/// What became of the calls, where `hosts` is the machine's file of hosts.
fn with_hosts(host: &Hostler, hosts: &str) -> Vec<Value> {
    let file = host.path().join("hosts");
    std::fs::write(&file, hosts).expect("a file");
    let mut command = Command::new("bwrap");
    command.args(["--dev-bind", "/", "/", "--ro-bind"]).arg(&file).arg("/etc/hosts").arg("--").arg(binary());
    command.arg("--config").arg(host.configuration()).args(["run", "puppet", "--format", "json"]);
    let output = command.env("NO_COLOR", "1").output().expect("bubblewrap");
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    crate::puppet::attached(&document["tasks"][0])
}

#[test]
fn a_name_that_leads_inside_is_refused_unless_its_network_is_granted() {
    let site = Site::start();
    let granted = |networks: &str| named("shop.test", site.port, networks);
    for address in [
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fe80::1",
        "fc00::1",
        "fd12::1",
    ] {
        let outcomes = with_hosts(&granted(""), &format!("{address} shop.test\n"));
        assert!(outcomes.iter().all(|outcome| outcome.get("denied").is_some()), "{address}: {outcomes:?}");
        assert!(!format!("{outcomes:?}").contains(address), "the address is not told: {outcomes:?}");
    }
    assert!(site.asked().is_empty());
    let outcomes = with_hosts(&granted("networks = [\"127.0.0.0/8\"]"), "127.0.0.1 shop.test\n");
    assert!(outcomes.iter().all(|outcome| outcome.get("allowed").is_some()), "{outcomes:?}");
    let outcomes = with_hosts(&granted("networks = [\"10.0.0.0/8\"]"), "127.0.0.1 shop.test\n");
    assert!(outcomes.iter().all(|outcome| outcome.get("denied").is_some()), "{outcomes:?}");
}

/// Serves names and a web page in a network namespace of its own, and runs the host there once for each way to answer.
const CHANGING: &str = r#"
import http.server, json, socket, socketserver, subprocess, sys, threading

answers, asked, visited = [], [0], []

def name_server():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    while True:
        query, client = server.recvfrom(512)
        kind = query[-4:-2]
        records = []
        if kind == b"\x00\x01":
            records = answers[min(asked[0], len(answers) - 1)]
            asked[0] += 1
        body = b"".join(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04" + socket.inet_aton(a) for a in records)
        server.sendto(query[:2] + b"\x81\x80\x00\x01" + len(records).to_bytes(2, "big") + b"\x00\x00\x00\x00" + query[12:] + body, client)

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        visited.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"well")
    def log_message(self, *_):
        pass

web = socketserver.ThreadingTCPServer(("127.0.0.1", 8080), Page)
threading.Thread(target=name_server, daemon=True).start()
threading.Thread(target=web.serve_forever, daemon=True).start()
for line in json.loads(sys.argv[1]):
    answers[:], asked[0], visited[:] = line["answers"], 0, []
    run = subprocess.run(line["command"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    print(json.dumps({"asked": asked[0], "visited": len(visited), "document": json.loads(run.stdout)}), flush=True)
"#;

#[test]
fn a_name_that_changes_between_the_check_and_the_use_gains_nothing() {
    let far = "1.1.1.1";
    let refused = named("shop.example", 8080, "");
    let granted = named("shop.example", 8080, "networks = [\"127.0.0.0/8\"]");
    for host in [&refused, &granted] {
        write(host, &[get("/")]);
    }
    let line = |host: &Hostler, answers: Value| {
        let command = json!([binary(), "--config", host.configuration(), "run", "puppet", "--format", "json"]);
        json!({ "answers": answers, "command": command })
    };
    let lines = json!([
        line(&granted, json!([["127.0.0.1"]])),
        // First one that is allowed, then the loopback: nobody asks a second time.
        line(&refused, json!([[far], ["127.0.0.1"]])),
        // Both at once: the one that is not granted is left out.
        line(&refused, json!([["127.0.0.1", far]])),
        line(&refused, json!([["127.0.0.1"]])),
    ]);
    let directory = refused.path();
    std::fs::write(directory.join("resolv.conf"), "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
        .expect("a file");
    std::fs::write(directory.join("nsswitch.conf"), "hosts: dns\n").expect("a file");
    let mut command = Command::new("bwrap");
    command.args(["--unshare-net", "--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "CAP_NET_BIND_SERVICE"]);
    command.args(["--dev-bind", "/", "/"]);
    for file in ["resolv.conf", "nsswitch.conf"] {
        command.arg("--ro-bind").arg(directory.join(file)).arg(format!("/etc/{file}"));
    }
    let output = command.args(["--", "python3", "-c", CHANGING]).arg(lines.to_string()).output().expect("bubblewrap");
    let text = String::from_utf8_lossy(&output.stdout);
    let told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(told.len(), 4, "{text}{}", String::from_utf8_lossy(&output.stderr));
    let outcome = |told: &Value| crate::puppet::attached(&told["document"]["tasks"][0]).remove(0);
    assert_eq!(told[0]["visited"], 1, "what is granted is reached: {}", outcome(&told[0]));
    assert_eq!(outcome(&told[0])["allowed"]["text"], "well");
    for told in &told[1..] {
        assert_eq!(told["visited"], 0, "{}", outcome(told));
        assert!(told["asked"].as_u64() >= Some(1), "the name was looked up: {told}");
        assert!(outcome(told).get("allowed").is_none(), "{}", outcome(told));
    }
    assert!(outcome(&told[3]).get("denied").is_some(), "{}", outcome(&told[3]));
}
