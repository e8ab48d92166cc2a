//! The rules as `nft -j list ruleset` prints them: kept as they are for whoever follows them, and as lines for whoever
//! compares them. Counters, handles and what fills itself at run time are left out, since they change by themselves.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::prelude::*;
use serde_json::Value;

/// A chain with its rules in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Chain {
    pub(crate) family: String,
    pub(crate) table: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    /// Nothing where it is only jumped to.
    pub(crate) hook: Option<String>,
    pub(crate) priority: i64,
    pub(crate) policy: String,
    /// The statements of each rule.
    pub(crate) rules: Vec<Vec<Value>>,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ruleset {
    pub(crate) chains: Vec<Chain>,
    lines: BTreeSet<String>,
    pub(crate) rules: usize,
}

impl Ruleset {
    pub(crate) fn parse(json: &str) -> Result<Self, TaskError> {
        let whole: Value = serde_json::from_str(json)?;
        let Some(objects) = whole.get("nftables").and_then(Value::as_array) else {
            return Err(TaskError::new("nft listed no ruleset: its JSON has no \"nftables\""));
        };
        let mut ruleset = Self::default();
        let mut orders: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for object in objects {
            let Some((kind, object)) = object.as_object().and_then(|object| object.iter().next()) else { continue };
            match kind.as_str() {
                "metainfo" => {}
                "chain" => ruleset.chain(object),
                "rule" => {
                    let place = place(object, "chain");
                    let line = format!("rule {place} {}", rule(object));
                    orders.entry(place).or_default().push(line.clone());
                    ruleset.rule(object);
                    ruleset.lines.insert(line);
                    ruleset.rules += 1;
                }
                "table" => {
                    ruleset.lines.insert(format!("table {} {}", text(object, "family"), text(object, "name")));
                }
                kind => {
                    ruleset.lines.insert(format!("{kind} {} {}", place(object, "name"), plain(&settled(object))));
                }
            }
        }
        // The same rules in another order are other rules.
        for (place, rules) in orders.into_iter().filter(|(_, rules)| rules.len() > 1) {
            ruleset.lines.insert(format!(
                "order {place} {} {:016x}",
                counted(rules.len(), "rule"),
                fingerprint(&rules)
            ));
        }
        Ok(ruleset)
    }

    fn chain(&mut self, object: &Value) {
        let hook = object.get("hook").and_then(Value::as_str).map(str::to_owned);
        let chain = Chain {
            family: text(object, "family").into(),
            table: text(object, "table").into(),
            name: text(object, "name").into(),
            kind: text(object, "type").into(),
            hook,
            priority: object.get("prio").and_then(Value::as_i64).unwrap_or_default(),
            policy: text(object, "policy").into(),
            rules: vec![],
        };
        let place = place(object, "name");
        self.lines.insert(match &chain.hook {
            Some(hook) => format!(
                "chain {place} type {} hook {hook} priority {} policy {}",
                chain.kind, chain.priority, chain.policy
            ),
            None => format!("chain {place}"),
        });
        self.chains.push(chain);
    }

    fn rule(&mut self, object: &Value) {
        let at = |chain: &&mut Chain| {
            chain.family == text(object, "family")
                && chain.table == text(object, "table")
                && chain.name == text(object, "chain")
        };
        if let Some(chain) = self.chains.iter_mut().find(at) {
            chain.rules.push(object.get("expr").and_then(Value::as_array).cloned().unwrap_or_default());
        }
    }

    pub(crate) fn find(&self, family: &str, table: &str, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.family == family && chain.table == table && chain.name == name)
    }

    /// What is compared.
    pub(crate) fn lines(&self) -> &BTreeSet<String> {
        &self.lines
    }
}

/// A number for lines, to tell whether they are the same.
pub(crate) fn fingerprint<T: AsRef<str>>(lines: impl IntoIterator<Item = T>) -> u64 {
    let bytes = |hash: u64, text: &str| {
        text.bytes().chain([b'\n']).fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    };
    lines.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, line| bytes(hash, line.as_ref()))
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn place(object: &Value, name: &str) -> String {
    format!("{} {} {}", text(object, "family"), text(object, "table"), text(object, name))
}

/// A set, map or other object without what changes by itself.
fn settled(object: &Value) -> Value {
    let Some(fields) = object.as_object() else { return object.clone() };
    let fills_itself = fields
        .get("flags")
        .and_then(Value::as_array)
        .is_some_and(|flags| flags.iter().filter_map(Value::as_str).any(|flag| matches!(flag, "timeout" | "dynamic")));
    let changes = ["handle", "family", "table", "name", "packets", "bytes", "used"];
    let fields = fields.iter().filter(|(key, _)| !(changes.contains(&key.as_str()) || fills_itself && *key == "elem"));
    Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// A rule in one line, near to what nft itself writes.
fn rule(object: &Value) -> String {
    let statements = object.get("expr").and_then(Value::as_array).into_iter().flatten();
    let mut parts: Vec<String> = statements.map(statement).collect();
    if let Some(comment) = object.get("comment").and_then(Value::as_str) {
        parts.push(format!("comment {comment:?}"));
    }
    parts.join(" ")
}

fn statement(statement: &Value) -> String {
    let Some((kind, value)) = statement.as_object().and_then(|one| one.iter().next()) else { return plain(statement) };
    match kind.as_str() {
        "counter" => "counter".into(),
        "accept" | "drop" | "return" | "continue" | "notrack" => kind.clone(),
        "jump" | "goto" => format!("{kind} {}", text(value, "target")),
        "match" => {
            let operator = match text(value, "op") {
                "==" | "in" => String::new(),
                other => format!("{other} "),
            };
            let side = |key: &str| value.get(key).map(operand).unwrap_or_default();
            format!("{} {operator}{}", side("left"), side("right"))
        }
        _ if value.is_null() => kind.clone(),
        _ => format!("{kind} {}", plain(value)),
    }
}

fn operand(value: &Value) -> String {
    let field = |value: &Value, first: &str, second: &str| format!("{} {}", text(value, first), text(value, second));
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(operand).collect::<Vec<_>>().join(","),
        Value::Object(object) => match object.iter().next() {
            Some((kind, inner)) if kind == "payload" && inner.get("protocol").is_some() => {
                field(inner, "protocol", "field")
            }
            Some((kind, inner)) if kind == "meta" || kind == "ct" => format!("{kind} {}", text(inner, "key")),
            Some((kind, inner)) if kind == "prefix" => {
                format!("{}/{}", text(inner, "addr"), inner.get("len").map(plain).unwrap_or_default())
            }
            Some((kind, Value::Array(items))) if kind == "set" => {
                format!("{{ {} }}", items.iter().map(operand).collect::<Vec<_>>().join(", "))
            }
            Some((kind, Value::Array(ends))) if kind == "range" => {
                ends.iter().map(operand).collect::<Vec<_>>().join("-")
            }
            _ => plain(value),
        },
        _ => plain(value),
    }
}

fn plain(value: &Value) -> String {
    value.to_string()
}
