//! What a plugin leaves on the server: load that would never end.

use std::time::Instant;

use serde_json::json;

use super::{host, query, server};

/// A bomb, a product and a recursion without end: none of them is a function that could be refused by its name.
const SLOW: &[&str] = &[
    "SELECT count(*) FROM generate_series(1, 100000000000)",
    "SELECT count(*) FROM public.allowed a, public.allowed b, public.allowed c, public.allowed d, public.allowed e, \
     public.allowed f, public.allowed g, public.allowed h, public.allowed i, public.allowed j, public.allowed k",
    "WITH RECURSIVE a(n) AS (SELECT 1::numeric UNION ALL SELECT n + 1 FROM a) SELECT count(*) FROM a",
];

/// Each is given two seconds; the plugin is told nothing but that its time was up, and the server is free of it.
#[test]
fn a_statement_without_end_is_ended_on_the_server_too() {
    let server = server();
    let host = host(&server, "read = [\"public.allowed\"]");
    let text = std::fs::read_to_string(host.configuration()).expect("a configuration");
    for sql in SLOW {
        let steps = json!([query(sql).to_string()]);
        let limited = format!("{text}settings.steps = {steps}\nlimits = {{ wall_seconds = 2 }}\n");
        std::fs::write(host.configuration(), limited).expect("it is written");
        let began = Instant::now();
        let output = host.run(&["run", "puppet", "--format", "json"]);
        assert!(!output.stdout.contains(&hexadecimal("allowed")), "{sql}: {output:?}");
        assert!(began.elapsed().as_secs() < 20, "{sql}: {:?}", began.elapsed());
        hostler_tests::eventually("the server is free of it", || {
            server.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'") == "1"
        });
    }
}

/// As attachments are written in the output.
fn hexadecimal(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
