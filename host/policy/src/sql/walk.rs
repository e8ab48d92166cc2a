//! The walk over a reading statement, or over the reading parts of a changing one.
//!
//! It goes into every field of every node. A node is passed where its kind is one of the expressions below, which are
//! all that a SELECT is made of; any other kind is refused by its name. So a changing statement inside a WITH, a lock, a
//! SELECT INTO, and whatever a later grammar brings, needs no rule of its own to be refused.

use super::PostgresGrant;
use super::functions;
use super::refusal::{Refusal, words_of};
use super::relations;
use super::tree::{Node, Value};

/// Kinds that name nothing themselves: their children are looked at, and that is all.
const EXPRESSIONS: [&str; 70] = [
    "AArrayExpr",
    "AConst",
    "AIndices",
    "AStar",
    "Alias",
    "BitString",
    "BoolExpr",
    "Boolean",
    "BooleanTest",
    "CaseExpr",
    "CaseWhen",
    "CoalesceExpr",
    "ColumnDef",
    "CommonTableExpr",
    "CteCycleClause",
    "CteSearchClause",
    "Float",
    "GroupingFunc",
    "GroupingSet",
    "InferClause",
    "Integer",
    "JoinExpr",
    "JsonAggConstructor",
    "JsonArgument",
    "JsonArrayAgg",
    "JsonArrayConstructor",
    "JsonArrayQueryConstructor",
    "JsonBehavior",
    "JsonFormat",
    "JsonFuncExpr",
    "JsonIsPredicate",
    "JsonKeyValue",
    "JsonObjectAgg",
    "JsonObjectConstructor",
    "JsonOutput",
    "JsonParseExpr",
    "JsonReturning",
    "JsonScalarExpr",
    "JsonSerializeExpr",
    "JsonTable",
    "JsonTableColumn",
    "JsonTablePathSpec",
    "JsonValueExpr",
    "List",
    "MergeSupportFunc",
    "MergeWhenClause",
    "MinMaxExpr",
    "MultiAssignRef",
    "NamedArgExpr",
    "NullTest",
    "OnConflictClause",
    "ParamRef",
    "PartitionBoundSpec",
    "PartitionRangeDatum",
    "PartitionSpec",
    "RangeFunction",
    "RangeSubselect",
    "RangeTableFunc",
    "RangeTableFuncCol",
    "ResTarget",
    "ReturningClause",
    "ReturningOption",
    "RowExpr",
    "SetToDefault",
    "SqlValueFunction",
    "String",
    "TypeCast",
    "WindowDef",
    "XmlExpr",
    "XmlSerialize",
];

/// A change that the walk came across in a WITH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// `DELETE`
    pub(super) words: &'static str,
    /// `public.orders`
    pub(super) object: String,
    /// Whether it has RETURNING.
    pub(super) returning: bool,
}

/// One walk, with the names that WITH gave so far.
pub(super) struct Walk<'a> {
    pub(super) grant: &'a PostgresGrant,
    names: Vec<String>,
    /// Whether the outermost WITH may hold changing statements, each of which is then judged.
    changes_allowed: bool,
    pub(super) changes: Vec<Change>,
}

impl<'a> Walk<'a> {
    /// A walk over what reads alone.
    pub(super) fn reading(grant: &'a PostgresGrant) -> Walk<'a> {
        Walk { grant, names: Vec::new(), changes_allowed: false, changes: Vec::new() }
    }

    /// A walk whose outermost WITH may change.
    pub(super) fn changing(grant: &'a PostgresGrant) -> Walk<'a> {
        Walk { changes_allowed: true, ..Walk::reading(grant) }
    }

    /// Any value.
    pub(super) fn value(&mut self, value: &Value) -> Result<(), Refusal> {
        match value {
            Value::Node(node) => self.node(node),
            Value::List(list) => list.iter().try_for_each(|value| self.value(value)),
            Value::Missing => Err(Refusal::never("a part of the statement that the parser does not show")),
            Value::Absent | Value::Flag(_) | Value::Number(_) | Value::Text(_) => Ok(()),
        }
    }

    /// Any node, whatever it is.
    pub(super) fn node(&mut self, node: &Node) -> Result<(), Refusal> {
        match node.kind {
            "SelectStmt" => return self.select(node),
            "RangeFunction" => return self.function_in_from(node),
            "RangeVar" => self.relation(node)?,
            "FuncCall" => functions::may_call(self.grant, node)?,
            "TypeName" => functions::may_name_type(node)?,
            "AExpr" => functions::may_name("operator", &node.name("name"))?,
            "SubLink" => functions::may_name("operator", &node.name("oper_name"))?,
            "SortBy" => functions::may_name("operator", &node.name("use_op"))?,
            "CollateClause" => functions::may_name("collation", &node.name("collname"))?,
            "ColumnRef" => functions::may_select(node.list("fields").get(1..).unwrap_or_default())?,
            "AIndirection" => functions::may_select(node.list("indirection"))?,
            "RangeTableSample" => {
                let method = node.name("method");
                if !functions::is_catalogue(&method) || !["bernoulli", "system"].contains(&method[method.len() - 1]) {
                    return Err(Refusal::never("a sampling method other than bernoulli and system"));
                }
            }
            "IndexElem" | "PartitionElem" => {
                functions::may_name("collation", &node.name("collation"))?;
                functions::may_name("operator class", &node.name("opclass"))?;
            }
            kind if EXPRESSIONS.contains(&kind) => {}
            kind => return Err(unknown(kind)),
        }
        self.fields_but(node, &[])
    }

    /// Every field but those named, which the caller has dealt with.
    pub(super) fn fields_but(&mut self, node: &Node, done: &[&str]) -> Result<(), Refusal> {
        debug_assert!(done.iter().all(|name| node.fields.iter().any(|(field, _)| field == name)), "{}", node.kind);
        let mut fields = node.fields.iter().filter(|(field, _)| !done.contains(field));
        fields.try_for_each(|(_, value)| self.value(value))
    }

    /// A SELECT, VALUES or TABLE with its WITH, whose names are known inside it and nowhere else.
    fn select(&mut self, select: &Node) -> Result<(), Refusal> {
        self.within(select, |walk| {
            // DISTINCT without ON is a list of one gap.
            let distinct = select.list("distinct_clause").iter().filter(|value| !matches!(value, Value::Missing));
            distinct.into_iter().try_for_each(|value| walk.value(value))?;
            walk.fields_but(select, &["with_clause", "distinct_clause"])
        })
    }

    /// A function in FROM: pairs of a call and, often, no list of columns.
    fn function_in_from(&mut self, range: &Node) -> Result<(), Refusal> {
        for pair in range.list("functions").iter().map(Value::node) {
            let items = pair.filter(|pair| pair.kind == "List").map(|pair| pair.list("items"));
            let [call, columns @ ..] = items.unwrap_or_default() else {
                return Err(unknown("a function in FROM"));
            };
            self.value(call)?;
            let columns = columns.iter().filter(|value| !matches!(value, Value::Missing));
            columns.into_iter().try_for_each(|value| self.value(value))?;
        }
        self.fields_but(range, &["functions"])
    }

    /// Walks `inside` with the names of the statement's WITH in scope.
    pub(super) fn within(
        &mut self,
        statement: &Node,
        inside: impl FnOnce(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let outside = self.names.len();
        // The server takes changing statements in the WITH of the whole statement alone.
        let changes_allowed = std::mem::take(&mut self.changes_allowed);
        if let Some(with) = statement.node("with_clause") {
            self.with(with, changes_allowed)?;
        }
        let result = inside(self);
        self.names.truncate(outside);
        result
    }

    fn with(&mut self, with: &Node, changes_allowed: bool) -> Result<(), Refusal> {
        let entries: Vec<&Node> = with.list("ctes").iter().filter_map(Value::node).collect();
        if entries.len() != with.list("ctes").len() {
            return Err(unknown("an entry of WITH"));
        }
        for entry in &entries {
            relations::may_name(entry.text("ctename"))?;
        }
        let recursive = with.flag("recursive");
        if recursive {
            // Each entry sees all of them.
            self.names.extend(entries.iter().map(|entry| entry.text("ctename").to_owned()));
        }
        for entry in entries {
            match entry.node("ctequery") {
                Some(query) if changes_allowed && super::rows::is_change(query) => {
                    let change = super::rows::change(self, query)?;
                    self.changes.push(change);
                    self.fields_but(entry, &["ctequery"])?;
                }
                _ => self.node(entry)?,
            }
            if !recursive {
                // Each entry sees those before it, and not itself.
                self.names.push(entry.text("ctename").to_owned());
            }
        }
        Ok(())
    }

    /// A relation that is read: a name of a WITH in scope, or one that the grant allows.
    fn relation(&mut self, relation: &Node) -> Result<(), Refusal> {
        let (schema, name) = relations::parts(relation)?;
        if schema.is_empty() && self.names.iter().any(|known| known == name) {
            return Ok(());
        }
        relations::may_read(self.grant, relation)
    }
}

/// The refusal for a kind that has no place in a statement that reads.
fn unknown(kind: &str) -> Refusal {
    match kind {
        "LockingClause" => Refusal::never("locking rows (FOR UPDATE, FOR SHARE)"),
        "IntoClause" => Refusal::never("SELECT INTO"),
        "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => {
            Refusal::never(format!("{} inside of a statement that reads", words_of(kind)))
        }
        kind => Refusal::never(format!("{} in this place", words_of(kind))),
    }
}
