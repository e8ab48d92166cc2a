//! Statements that want more than was granted.

use hostler_tests::{Hostler, Postgres};
use serde_json::{Value, json};

use crate::puppet::refused_and_allowed;

fn query(sql: &str) -> Value {
    json!({ "call": "postgres", "sql": sql })
}

fn host(server: &Postgres, grant: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[postgres.main]\ndsn = \"{}\"\n[tasks.puppet]\nplugin = \"test-puppet\"\n\
         bind.database = {{ resource = \"postgres.main\", {grant} }}\n",
        server.superuser()
    ));
    host.install(&["test-puppet"]);
    host
}

#[test]
fn several_statements_in_one_are_refused() {
    let server = Postgres::start();
    server.execute("CREATE TABLE allowed AS SELECT 1 AS id");
    let host = host(&server, "read = [\"public.allowed\"]");
    refused_and_allowed(
        &host,
        &[query("SELECT 1; SELECT 2"), query("SELECT id FROM public.allowed; DROP TABLE public.allowed")],
        &[query("SELECT id FROM public.allowed"), query("SELECT ';' AS a -- ; \n")],
    );
}
