//! Statements that tidy up: VACUUM, ANALYZE, REINDEX, CLUSTER, REFRESH MATERIALIZED VIEW, ALTER EXTENSION UPDATE.
//!
//! An option that changes the lock or the reach is part of the words; the others come with the bare word. What would act
//! on a whole database or schema is refused, since no pattern of the grant could hold it.

use pg_query::protobuf::ReindexObjectType;

use super::PostgresGrant;
use super::objects::{Allowed, Reach, is_on, may_state, may_write, may_write_single, options};
use super::refusal::Refusal;
use super::tree::{Node, Value};

/// Options of VACUUM and ANALYZE that work on the tables named. ONLY_DATABASE_STATS is for whole databases.
const VACUUM: [&str; 13] = [
    "analyze",
    "buffer_usage_limit",
    "disable_page_skipping",
    "freeze",
    "full",
    "index_cleanup",
    "parallel",
    "process_main",
    "process_toast",
    "skip_locked",
    "truncate",
    "verbose",
    "skip_database_stats",
];

/// VACUUM, VACUUM FULL and ANALYZE of the tables named.
pub(super) fn vacuum(grant: &PostgresGrant, root: &Node) -> Result<Allowed, Refusal> {
    let vacuums = root.flag("is_vacuumcmd");
    let options = options(root.list("options"), &VACUUM, "VACUUM")?;
    let words = match vacuums {
        true if is_on(&options, "full") => "VACUUM FULL",
        true => "VACUUM",
        false => "ANALYZE",
    };
    may_state(grant, words)?;
    let tables = root.list("rels");
    if tables.is_empty() {
        return Err(Refusal::NoObject { words: words.to_owned() });
    }
    // VACUUM FULL rewrites the table, which nobody should do to the catalogue in passing.
    let reach = if words == "VACUUM FULL" { Reach::Users } else { Reach::System };
    let objects = tables.iter().map(|table| match table.node() {
        Some(table) if table.kind == "VacuumRelation" => may_write(grant, table.node("relation"), reach),
        _ => Err(Refusal::Unparsable),
    });
    let allowed = Allowed::new(words, objects.collect::<Result<_, _>>()?);
    // ANALYZE can stand in a transaction, VACUUM cannot.
    Ok(if vacuums { allowed.alone() } else { allowed })
}

/// REINDEX and REINDEX CONCURRENTLY of one index or table.
pub(super) fn reindex(grant: &PostgresGrant, root: &Node) -> Result<Allowed, Refusal> {
    // Moving to another tablespace is no part of rebuilding an index.
    let options = options(root.list("params"), &["concurrently", "verbose"], "REINDEX")?;
    let concurrently = is_on(&options, "concurrently");
    let words = if concurrently { "REINDEX CONCURRENTLY" } else { "REINDEX" };
    may_state(grant, words)?;
    let one = [ReindexObjectType::ReindexObjectIndex, ReindexObjectType::ReindexObjectTable];
    if !one.iter().any(|kind| root.number("kind") == i64::from(*kind as i32)) {
        return Err(Refusal::NoObject { words: words.to_owned() });
    }
    let reach = if concurrently { Reach::Users } else { Reach::System };
    let allowed = Allowed::new(words, vec![may_write(grant, root.node("relation"), reach)?]);
    Ok(if concurrently { allowed.alone() } else { allowed })
}

/// CLUSTER of one table.
pub(super) fn cluster(grant: &PostgresGrant, root: &Node) -> Result<Allowed, Refusal> {
    options(root.list("params"), &["verbose"], "CLUSTER")?;
    may_state(grant, "CLUSTER")?;
    if root.node("relation").is_none() {
        return Err(Refusal::NoObject { words: "CLUSTER".to_owned() });
    }
    Ok(Allowed::new("CLUSTER", vec![may_write(grant, root.node("relation"), Reach::Users)?]))
}

/// REFRESH MATERIALIZED VIEW, which runs the view's own query; WITH NO DATA empties it.
pub(super) fn refresh(grant: &PostgresGrant, root: &Node) -> Result<Allowed, Refusal> {
    let words = match (root.flag("concurrent"), root.flag("skip_data")) {
        (true, _) => "REFRESH MATERIALIZED VIEW CONCURRENTLY",
        (false, true) => "REFRESH MATERIALIZED VIEW WITH NO DATA",
        (false, false) => "REFRESH MATERIALIZED VIEW",
    };
    may_state(grant, words)?;
    Ok(Allowed::new(words, vec![may_write(grant, root.node("relation"), Reach::Users)?]))
}

/// ALTER EXTENSION … UPDATE. The extension is a single name in the grant: `write = ["postgis"]`.
pub(super) fn update_extension(grant: &PostgresGrant, root: &Node) -> Result<Allowed, Refusal> {
    const WORDS: &str = "ALTER EXTENSION UPDATE";
    may_state(grant, WORDS)?;
    let options = options(root.list("options"), &["new_version"], WORDS)?;
    if options.iter().any(|option| !matches!(option.field("arg"), Value::Node(version) if version.kind == "String")) {
        return Err(Refusal::never("a version of an extension that is no text"));
    }
    Ok(Allowed::new(WORDS, vec![may_write_single(grant, root.text("extname"))?]))
}
