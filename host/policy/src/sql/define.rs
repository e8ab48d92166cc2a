//! Statements that make, change and drop tables, indexes and databases.
//!
//! The forms that maintenance needs: a partition made, attached or detached, an index built or dropped, a scratch
//! database. Whatever else such a statement could bring in (an owner, a tablespace, another access method, a default
//! that calls a function) is refused where no rule looks at it.

use pg_query::protobuf::{AlterTableType, ConstrType, DropBehavior, ObjectType, OnCommitAction};

use super::PostgresGrant;
use super::objects::{
    Allowed, Reach, is_on, may_state, may_write, may_write_name, may_write_single, name_lists, options, without,
};
use super::refusal::Refusal;
use super::relations::may_read;
use super::tree::{Node, Value};
use super::walk::Walk;

/// Access methods of indexes that come with the server.
const INDEXES: [&str; 6] = ["brin", "btree", "gin", "gist", "hash", "spgist"];

/// Storage parameters of indexes and tables that have no common beginning.
const STORAGE: [&str; 11] = [
    "autosummarize",
    "buffering",
    "deduplicate_items",
    "fastupdate",
    "fillfactor",
    "gin_pending_list_limit",
    "log_autovacuum_min_duration",
    "pages_per_range",
    "parallel_workers",
    "toast_tuple_target",
    "vacuum_index_cleanup",
];

/// DROP of tables, indexes, views and materialized views. CASCADE reaches what nobody named, so it is in the words.
pub(super) fn drop(grant: &PostgresGrant, root: &Node) -> Result<Allowed, Refusal> {
    let kinds = [
        (ObjectType::ObjectTable, "DROP TABLE"),
        (ObjectType::ObjectIndex, "DROP INDEX"),
        (ObjectType::ObjectView, "DROP VIEW"),
        (ObjectType::ObjectMatview, "DROP MATERIALIZED VIEW"),
    ];
    let kind = kinds.iter().find(|(kind, _)| root.number("remove_type") == number(*kind as i32));
    let Some((_, words)) = kind else { return Err(Refusal::never("DROP of anything but tables, indexes and views")) };
    let concurrently = root.flag("concurrent");
    let mut words = (*words).to_owned();
    if concurrently {
        words.push_str(" CONCURRENTLY");
    }
    if root.number("behavior") != number(DropBehavior::DropRestrict as i32) {
        words.push_str(" CASCADE");
    }
    may_state(grant, &words)?;
    let names = name_lists(root.list("objects"));
    let objects = names.iter().map(|name| may_write_name(grant, name, Reach::Users));
    let allowed = Allowed::new(words, objects.collect::<Result<_, _>>()?);
    Ok(if concurrently { allowed.alone() } else { allowed })
}

/// CREATE TABLE, plain, as a copy of another one's shape, or as a partition. A parent and the table that a foreign
/// key points to change too, so both have to be granted.
///
/// A partition as its parent has it is a grant of its own, which `CREATE TABLE` covers: whoever may only add partitions
/// adds no column, default, constraint or level of partitions, so nothing but the bounds is the task's to say.
pub(super) fn create_table(grant: &PostgresGrant, root: &Node) -> Result<Allowed, Refusal> {
    const WORDS: &str = "CREATE TABLE";
    const PARTITION: &str = "CREATE TABLE PARTITION OF";
    if !root.field("partbound").is_empty() && may_state(grant, WORDS).is_err() {
        may_state(grant, PARTITION)?;
        without(root, &["table_elts", "partspec"], PARTITION)?;
        let logged = root.node("relation").is_some_and(|relation| relation.text("relpersistence") == "p");
        if root.list("inh_relations").len() != 1 || !logged {
            return Err(Refusal::never("a partition that is unlogged, or of no parent"));
        }
    } else {
        may_state(grant, WORDS)?;
    }
    let words = if may_state(grant, WORDS).is_ok() { WORDS } else { PARTITION };
    let mut objects = vec![may_write(grant, root.node("relation"), Reach::Users)?];
    without(root, &["of_typename", "tablespacename", "constraints", "nnconstraints"], WORDS)?;
    if !["", "heap"].contains(&root.text("access_method")) {
        return Err(Refusal::never("CREATE TABLE with an access method other than heap"));
    }
    if root.number("oncommit") > number(OnCommitAction::OncommitNoop as i32) {
        return Err(Refusal::never("CREATE TABLE ON COMMIT"));
    }
    storage(root.list("options"))?;
    for parent in root.list("inh_relations") {
        objects.push(may_write(grant, parent.node(), Reach::Users)?);
    }
    let mut walk = Walk::reading(grant);
    walk.value(root.field("partbound"))?;
    walk.value(root.field("partspec"))?;
    for element in root.list("table_elts") {
        let Value::Node(element) = element else { return Err(Refusal::Unparsable) };
        match element.kind {
            "ColumnDef" => {
                without(element, &["fdwoptions", "identity_sequence", "cooked_default"], WORDS)?;
                walk.fields_but(element, &["constraints"])?;
                for constraint in element.list("constraints") {
                    objects.extend(self::constraint(&mut walk, constraint)?);
                }
            }
            "Constraint" => objects.extend(constraint(&mut walk, &Value::Node(element.clone()))?),
            "TableLikeClause" => {
                let like = element.node("relation").ok_or(Refusal::Unparsable)?;
                // A shape may be taken from what may be read, and from what may be changed anyway.
                may_write(grant, Some(like), Reach::Users).map(drop_name).or_else(|_| may_read(grant, like))?;
            }
            _ => return Err(Refusal::never("CREATE TABLE with a part that is not known")),
        }
    }
    Ok(Allowed::new(words, objects))
}

fn drop_name(_: String) {}

/// A constraint of a column or a table, and the table that it changes besides.
fn constraint(walk: &mut Walk<'_>, constraint: &Value) -> Result<Option<String>, Refusal> {
    let known = [
        ConstrType::ConstrNull,
        ConstrType::ConstrNotnull,
        ConstrType::ConstrDefault,
        ConstrType::ConstrIdentity,
        ConstrType::ConstrGenerated,
        ConstrType::ConstrCheck,
        ConstrType::ConstrPrimary,
        ConstrType::ConstrUnique,
        ConstrType::ConstrForeign,
        ConstrType::ConstrAttrDeferrable,
        ConstrType::ConstrAttrNotDeferrable,
        ConstrType::ConstrAttrDeferred,
        ConstrType::ConstrAttrImmediate,
    ];
    let Value::Node(constraint) = constraint else { return Err(Refusal::Unparsable) };
    if constraint.kind == "CollateClause" {
        return walk.node(constraint).map(|()| None);
    }
    let kind = (constraint.kind == "Constraint").then(|| constraint.number("contype"));
    if !kind.is_some_and(|kind| known.iter().any(|known| kind == number(*known as i32))) {
        return Err(Refusal::never("a constraint of a kind that is not known"));
    }
    let unlooked = ["indexspace", "access_method", "exclusions", "options", "cooked_expr", "old_conpfeqop"];
    without(constraint, &unlooked, "a constraint")?;
    walk.fields_but(constraint, &["pktable"])?;
    match constraint.node("pktable") {
        Some(other) => may_write(walk.grant, Some(other), Reach::Users).map(Some),
        None => Ok(None),
    }
}

/// CREATE TABLE … AS a query, which is held to the rules of reading.
pub(super) fn create_table_as(grant: &PostgresGrant, root: &Node) -> Result<Allowed, Refusal> {
    const WORDS: &str = "CREATE TABLE";
    if root.number("objtype") != number(ObjectType::ObjectTable as i32) {
        return Err(Refusal::never("CREATE MATERIALIZED VIEW"));
    }
    may_state(grant, WORDS)?;
    let into = root.node("into").ok_or(Refusal::Unparsable)?;
    without(into, &["table_space_name", "view_query"], WORDS)?;
    if !["", "heap"].contains(&into.text("access_method")) {
        return Err(Refusal::never("CREATE TABLE with an access method other than heap"));
    }
    if into.number("on_commit") > number(OnCommitAction::OncommitNoop as i32) {
        return Err(Refusal::never("CREATE TABLE ON COMMIT"));
    }
    storage(into.list("options"))?;
    match root.node("query") {
        Some(query) if query.kind == "SelectStmt" => Walk::reading(grant).node(query)?,
        _ => return Err(Refusal::never("CREATE TABLE AS anything but a query")),
    }
    Ok(Allowed::new(WORDS, vec![may_write(grant, into.node("rel"), Reach::Users)?]))
}

/// CREATE INDEX, with UNIQUE and CONCURRENTLY in the words.
pub(super) fn create_index(grant: &PostgresGrant, root: &Node) -> Result<Allowed, Refusal> {
    let concurrently = root.flag("concurrent");
    let words = match (root.flag("unique"), concurrently) {
        (false, false) => "CREATE INDEX",
        (false, true) => "CREATE INDEX CONCURRENTLY",
        (true, false) => "CREATE UNIQUE INDEX",
        (true, true) => "CREATE UNIQUE INDEX CONCURRENTLY",
    };
    may_state(grant, words)?;
    let object = may_write(grant, root.node("relation"), Reach::Users)?;
    without(root, &["table_space", "exclude_op_names", "isconstraint"], words)?;
    if !INDEXES.contains(&root.text("access_method")) {
        return Err(Refusal::never("an index of an access method that does not come with the server"));
    }
    storage(root.list("options"))?;
    let mut walk = Walk::reading(grant);
    for element in root.list("index_params").iter().chain(root.list("index_including_params")) {
        let element = element.node().filter(|element| element.kind == "IndexElem").ok_or(Refusal::Unparsable)?;
        without(element, &["opclassopts"], words)?;
        walk.node(element)?;
    }
    walk.value(root.field("where_clause"))?;
    let allowed = Allowed::new(words, vec![object]);
    Ok(if concurrently { allowed.alone() } else { allowed })
}

/// ALTER TABLE with exactly one of the actions that maintenance needs.
pub(super) fn alter_table(grant: &PostgresGrant, root: &Node) -> Result<Allowed, Refusal> {
    let [Value::Node(command)] = root.list("cmds") else {
        return Err(Refusal::never("ALTER TABLE with several actions at once"));
    };
    if root.number("objtype") != number(ObjectType::ObjectTable as i32) || command.kind != "AlterTableCmd" {
        return Err(Refusal::never("ALTER of anything but a table"));
    }
    let partition = command.node("def").filter(|partition| partition.kind == "PartitionCmd");
    let concurrently = partition.is_some_and(|partition| partition.flag("concurrent"));
    let subtype =
        i32::try_from(command.number("subtype")).ok().and_then(|subtype| AlterTableType::try_from(subtype).ok());
    // The bare DETACH PARTITION covers CONCURRENTLY, whose lock is the weaker one.
    let words: &[&str] = match subtype {
        Some(AlterTableType::AtDetachPartition) if concurrently => {
            &["ALTER TABLE DETACH PARTITION", "ALTER TABLE DETACH PARTITION CONCURRENTLY"]
        }
        Some(AlterTableType::AtDetachPartitionFinalize) => {
            &["ALTER TABLE DETACH PARTITION", "ALTER TABLE DETACH PARTITION CONCURRENTLY"]
        }
        Some(AlterTableType::AtDetachPartition) => &["ALTER TABLE DETACH PARTITION"],
        Some(AlterTableType::AtAttachPartition) => &["ALTER TABLE ATTACH PARTITION"],
        Some(AlterTableType::AtValidateConstraint) => &["ALTER TABLE VALIDATE CONSTRAINT"],
        Some(AlterTableType::AtSetRelOptions) => &["ALTER TABLE SET"],
        Some(AlterTableType::AtResetRelOptions) => &["ALTER TABLE RESET"],
        _ => return Err(Refusal::never("ALTER TABLE with this action")),
    };
    let granted = words.iter().find(|words| may_state(grant, words).is_ok());
    let words = *granted.ok_or_else(|| Refusal::Statement { words: words[words.len() - 1].to_owned() })?;
    let mut objects = vec![may_write(grant, root.node("relation"), Reach::Users)?];
    without(command, &["newowner"], "ALTER TABLE")?;
    match command.field("def") {
        Value::Absent => {}
        Value::Node(partition) if partition.kind == "PartitionCmd" => {
            objects.push(may_write(grant, partition.node("name"), Reach::Users)?);
            Walk::reading(grant).value(partition.field("bound"))?;
        }
        Value::Node(list) if list.kind == "List" => storage(list.list("items"))?,
        _ => return Err(Refusal::never("ALTER TABLE with this action")),
    }
    let allowed = Allowed::new(words, objects);
    Ok(if concurrently { allowed.alone() } else { allowed })
}

/// CREATE DATABASE, from one of the templates: from any other database it would be a copy of its data.
pub(super) fn create_database(grant: &PostgresGrant, root: &Node) -> Result<Allowed, Refusal> {
    const WORDS: &str = "CREATE DATABASE";
    const OPTIONS: [&str; 13] = [
        "allow_connections",
        "builtin_locale",
        "collation_version",
        "connection_limit",
        "encoding",
        "icu_locale",
        "icu_rules",
        "lc_collate",
        "lc_ctype",
        "locale",
        "locale_provider",
        "strategy",
        "template",
    ];
    may_state(grant, WORDS)?;
    for option in options(root.list("options"), &OPTIONS, WORDS)? {
        let template = option.field("arg").identifier();
        if option.text("defname") == "template" && !matches!(template, Some("template0" | "template1")) {
            return Err(Refusal::never("CREATE DATABASE from a template other than template0 and template1"));
        }
    }
    Ok(Allowed::new(WORDS, vec![may_write_single(grant, root.text("dbname"))?]).alone())
}

/// DROP DATABASE. FORCE ends other sessions, so it is in the words.
pub(super) fn drop_database(grant: &PostgresGrant, root: &Node) -> Result<Allowed, Refusal> {
    let options = options(root.list("options"), &["force"], "DROP DATABASE")?;
    let words = if is_on(&options, "force") { "DROP DATABASE FORCE" } else { "DROP DATABASE" };
    may_state(grant, words)?;
    Ok(Allowed::new(words, vec![may_write_single(grant, root.text("dbname"))?]).alone())
}

/// Storage parameters: how full pages are, and how autovacuum treats the table.
fn storage(list: &[Value]) -> Result<(), Refusal> {
    let known = |option: &&Node| {
        let name = option.text("defname");
        option.kind == "DefElem"
            && ["", "toast"].contains(&option.text("defnamespace"))
            && (STORAGE.contains(&name) || name.starts_with("autovacuum_") || name.starts_with("vacuum_"))
    };
    match list.iter().all(|option| option.node().filter(known).is_some()) {
        true => Ok(()),
        false => Err(Refusal::never("a storage parameter that is not known")),
    }
}

fn number(enumeration: i32) -> i64 {
    i64::from(enumeration)
}
