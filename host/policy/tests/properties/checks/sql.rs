//! What a PostgreSQL grant allows, held against the tree that the parser makes of the text that would be sent.
//!
//! The grants are fixed, and what each means is written here a second time, by hand. An input is a statement.

use std::collections::BTreeSet;

use hostler_policy::sql::PostgresGrant;
use pg_query::{NodeRef, protobuf::Node};

/// Roots of what `execute` may allow under the grant here.
const CHANGES: [&str; 5] = ["VacuumStmt", "InsertStmt", "DeleteStmt", "SelectStmt", "CallStmt"];
/// Functions that nothing reaches by reading.
const DANGEROUS: [&str; 12] = [
    "set_config",
    "pg_read_file",
    "pg_terminate_backend",
    "pg_cancel_backend",
    "lo_create",
    "lo_import",
    "lo_export",
    "query_to_xml",
    "table_to_xml",
    "nextval",
    "pg_sleep",
    "pg_reload_conf",
];
/// Relations that hold secrets.
const SECRET: [&str; 5] = ["pg_authid", "pg_shadow", "pg_user_mapping", "pg_statistic", "pg_largeobject"];

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Some of each: two relations, a schema of functions, and a few changes.
pub fn grant() -> PostgresGrant {
    PostgresGrant {
        read: list(&["public.orders", "public.metrics*"]),
        write: list(&["public.*"]),
        statements: list(&["VACUUM", "ANALYZE", "INSERT", "DELETE"]),
        functions: list(&["amcheck.*"]),
        call: list(&["squeeze.squeeze_table"]),
        settings: list(&["lock_timeout"]),
        ..PostgresGrant::default()
    }
}

fn strings(parts: &[Node]) -> Vec<&str> {
    parts
        .iter()
        .map(|part| match &part.node {
            Some(pg_query::NodeEnum::String(text)) => text.sval.as_str(),
            _ => "",
        })
        .collect()
}

/// Parses the text that would be sent, and looks at each of its nodes.
fn held(text: &str, changes: bool) {
    let parsed = pg_query::parse(text, 0).expect("what is allowed can be parsed");
    assert_eq!(parsed.protobuf.stmts.len(), 1, "one statement: {text}");
    let nodes = parsed.protobuf.nodes();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for (node, ..) in &nodes {
        if let NodeRef::CommonTableExpr(with) = node {
            names.insert(&with.ctename);
        }
    }
    for (node, ..) in &nodes {
        match node {
            NodeRef::RangeVar(relation) => {
                assert!(relation.catalogname.is_empty() && relation.relpersistence != "t", "{text}");
                let (schema, name) = (relation.schemaname.as_str(), relation.relname.as_str());
                let granted = match schema {
                    "" => name.starts_with("pg_") || names.contains(name),
                    "pg_catalog" | "information_schema" => true,
                    "public" if changes => true,
                    "public" => name == "orders" || name.starts_with("metrics"),
                    _ => false,
                };
                assert!(granted, "{schema}.{name} is beyond the grant: {text}");
                let secret = schema == "pg_catalog" || (schema.is_empty() && !names.contains(name));
                assert!(!secret || !SECRET.contains(&name), "{name} holds secrets: {text}");
            }
            NodeRef::FuncCall(call) => {
                let name = strings(&call.funcname);
                let granted = match name.as_slice() {
                    [function] | ["pg_catalog", function] => !DANGEROUS.contains(function),
                    ["amcheck", _] => true,
                    ["squeeze", "squeeze_table"] => changes,
                    _ => false,
                };
                assert!(granted, "{name:?} is beyond the grant: {text}");
            }
            NodeRef::SelectStmt(select) => {
                assert!(select.into_clause.is_none() && select.locking_clause.is_empty(), "{text}");
            }
            NodeRef::InsertStmt(_) | NodeRef::DeleteStmt(_) | NodeRef::VacuumStmt(_) => assert!(changes, "{text}"),
            NodeRef::UpdateStmt(_) | NodeRef::MergeStmt(_) | NodeRef::CopyStmt(_) | NodeRef::DoStmt(_) => {
                panic!("no grant here gives this: {text}");
            }
            _ => {}
        }
    }
}

fn root(text: &str) -> String {
    let parsed = pg_query::parse(text, 0).expect("what is allowed can be parsed");
    let root = parsed.protobuf.stmts.first().and_then(|raw| raw.stmt.as_ref()?.node.as_ref());
    let shown = format!("{root:?}");
    shown.trim_start_matches("Some(").split('(').next().unwrap_or_default().to_owned()
}

/// What is allowed is one statement, of a granted kind, that names only what is granted.
pub fn sql(data: &[u8]) {
    let Ok(sql) = std::str::from_utf8(data) else { return };
    let grant = grant();
    if let Ok(read) = grant.query(sql) {
        let root = root(&read.text);
        assert!(["SelectStmt", "VariableShowStmt", "ExplainStmt"].contains(&root.as_str()), "{root}: {}", read.text);
        held(&read.text, false);
        assert_eq!(
            grant.query(&read.text).map(|again| again.text),
            Ok(read.text),
            "it is itself when it is read again"
        );
    }
    if let Ok(change) = grant.execute(sql) {
        let root = root(&change.text);
        assert!(CHANGES.contains(&root.as_str()), "{root}: {}", change.text);
        let known = ["VACUUM", "ANALYZE", "INSERT", "DELETE", "CALL"].contains(&change.words.as_str());
        assert!(known, "{}: {}", change.words, change.text);
        for object in &change.objects {
            assert!(object.starts_with("public.") || object == "squeeze.squeeze_table", "{object}: {}", change.text);
        }
        held(&change.text, true);
        assert_eq!(grant.execute(&change.text).map(|again| again.text), Ok(change.text));
    }
    if let Ok(copied) = grant.copy_out(sql) {
        assert_eq!(root(&copied.text), "SelectStmt");
    }
    if let Some((name, value)) = sql.split_once('=')
        && grant.setting(name, value).is_ok()
    {
        assert!(name.eq_ignore_ascii_case("lock_timeout") && !value.contains(['\'', '\\', '\0', ';']), "{sql}");
    }
}
