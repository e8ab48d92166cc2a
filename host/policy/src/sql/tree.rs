//! The parse tree as plain data, so that one walk sees every node.
//!
//! A policy that matches on the node kinds it knows passes over the others, and whatever stands below them; the parser's
//! own iterator does, and says so. So the tree is turned into data here by its own serialisation, which the code
//! generator wrote for every field of every kind. Nothing has to be listed, hence nothing can be left out: a kind that
//! a later grammar brings arrives with its name and its children, and the walk refuses the name.

use serde::Serialize;

use super::refusal::Refusal;
use super::serialise::Plain;

/// One value of the tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// An optional field that is not there.
    Absent,
    /// A place in a list where the parser put nothing, or a node that it could not show.
    Missing,
    /// A flag.
    Flag(bool),
    /// A number, or an enumeration as its number.
    Number(i64),
    /// A name or a literal.
    Text(String),
    /// Several values in order.
    List(Vec<Value>),
    /// A node.
    Node(Node),
}

/// One node: its kind, and every field it has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) kind: &'static str,
    pub(super) fields: Vec<(&'static str, Value)>,
}

static ABSENT: Value = Value::Absent;

impl Node {
    /// The root of everything `tree` serialises to.
    pub(super) fn read(tree: &impl Serialize) -> Result<Node, Refusal> {
        match tree.serialize(Plain) {
            Ok(Value::Node(node)) => Ok(node),
            _ => Err(Refusal::Unparsable),
        }
    }

    /// A field by its name. A name that the kind does not have is a mistake in this crate, and found by any test that
    /// comes past it.
    pub(super) fn field(&self, name: &str) -> &Value {
        let found = self.fields.iter().find(|(field, _)| *field == name);
        debug_assert!(found.is_some(), "{} has no field {name}", self.kind);
        found.map_or(&ABSENT, |(_, value)| value)
    }

    /// A text field, empty where it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        match self.field(name) {
            Value::Text(text) => text,
            _ => "",
        }
    }

    /// A flag, false where it is not there.
    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.field(name), Value::Flag(true))
    }

    /// A number or an enumeration.
    pub(super) fn number(&self, name: &str) -> i64 {
        match self.field(name) {
            Value::Number(number) => *number,
            _ => 0,
        }
    }

    /// A list, empty where it is not there.
    pub(super) fn list(&self, name: &str) -> &[Value] {
        match self.field(name) {
            Value::List(list) => list,
            _ => &[],
        }
    }

    /// A node, where one is there.
    pub(super) fn node(&self, name: &str) -> Option<&Node> {
        self.field(name).node()
    }

    /// The parts of a name: a list of identifiers.
    pub(super) fn name(&self, name: &str) -> Vec<&str> {
        names(self.list(name))
    }
}

impl Value {
    /// The node that this value is.
    pub(super) fn node(&self) -> Option<&Node> {
        match self {
            Value::Node(node) => Some(node),
            _ => None,
        }
    }

    /// Whether nothing is there: no value, an empty list, an empty text, a flag that is not set.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Value::Absent | Value::Missing | Value::Flag(false) => true,
            Value::List(list) => list.is_empty(),
            Value::Text(text) => text.is_empty(),
            Value::Flag(true) | Value::Number(_) | Value::Node(_) => false,
        }
    }

    /// The text of an identifier or a text literal.
    pub(super) fn identifier(&self) -> Option<&str> {
        match self.node() {
            Some(node) if node.kind == "String" => Some(node.text("sval")),
            _ => None,
        }
    }
}

/// The identifiers of a list. One that is none is carried as an empty part, which no rule matches.
pub(super) fn names(list: &[Value]) -> Vec<&str> {
    list.iter().map(|value| value.identifier().unwrap_or_default()).collect()
}
