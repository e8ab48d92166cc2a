//! The reply of COMMAND as the policy's command table.

use std::collections::{BTreeSet, HashMap};

use hostler_policy::redis::{BeginSearch, CommandEntry, CommandTable, FindKeys, KeySpec};
use hostler_world::redis::Node;

use crate::tree::Tree;

/// Reads the reply; nothing where it is not one.
pub(crate) fn read(nodes: &[Node]) -> Option<CommandTable> {
    let Tree::Array(entries) = Tree::of(nodes)? else { return None };
    let table = CommandTable::new(entries.iter().map(entry).collect::<Option<Vec<_>>>()?);
    (!table.is_empty()).then_some(table)
}

/// Name, arity, flags, first key, last key, step; since version 6 categories; since 7 tips, key specifications and
/// subcommands.
fn entry(tree: &Tree<'_>) -> Option<CommandEntry> {
    let parts = tree.members();
    let number = |place: usize| parts.get(place).and_then(Tree::number);
    let subcommands = parts.get(9).map(Tree::members).unwrap_or_default();
    let subcommands = subcommands.iter().map(|tree| {
        let entry = entry(tree)?;
        Some((entry.name.split_once('|')?.1.to_owned(), entry))
    });
    Some(CommandEntry {
        name: parts.first()?.text()?.to_ascii_lowercase(),
        arity: number(1)?,
        flags: words(parts.get(2)?, ""),
        categories: parts.get(6).map(|tree| words(tree, "@")).unwrap_or_default(),
        positions: (number(3)?, number(4)?, number(5)?),
        key_specs: parts.get(8).map(Tree::members).unwrap_or_default().iter().map(key_spec).collect(),
        subcommands: subcommands.collect::<Option<HashMap<_, _>>>()?,
    })
}

fn words(tree: &Tree<'_>, before: &str) -> BTreeSet<String> {
    let word = |tree: &Tree<'_>| {
        let text = tree.text()?;
        Some(text.strip_prefix(before).map(str::to_owned).unwrap_or(text))
    };
    tree.members().iter().filter_map(word).collect()
}

/// What is not understood is `Unknown`, which makes the policy ask for every key.
fn key_spec(tree: &Tree<'_>) -> KeySpec {
    let part = |name: &str| {
        let part = tree.get(name)?;
        Some((part.get("type")?.text()?, part.get("spec")?))
    };
    let begin = part("begin_search").and_then(|(kind, spec)| match kind.as_str() {
        "index" => Some(BeginSearch::Index(spec.get("index")?.number()?)),
        "keyword" => Some(BeginSearch::Keyword(spec.get("keyword")?.text()?)),
        _ => None,
    });
    let find = part("find_keys").and_then(|(kind, spec)| {
        let number = |name: &str| spec.get(name).and_then(Tree::number);
        match kind.as_str() {
            "range" => {
                Some(FindKeys::Range { last: number("lastkey")?, step: number("keystep")?, limit: number("limit")? })
            }
            "keynum" => Some(FindKeys::KeyNumber {
                index: number("keynumidx")?,
                first: number("firstkey")?,
                step: number("keystep")?,
            }),
            _ => None,
        }
    });
    KeySpec {
        flags: tree.get("flags").map(|flags| words(flags, "")).unwrap_or_default(),
        begin: begin.unwrap_or(BeginSearch::Unknown),
        find: find.unwrap_or(FindKeys::Unknown),
    }
}
