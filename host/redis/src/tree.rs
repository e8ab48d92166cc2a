//! A reply as a tree, for the few that the host itself looks into.

use hostler_world::redis::Node;

/// A reply, with its members inside it.
#[derive(Debug)]
pub(crate) enum Tree<'n> {
    Nil,
    Number(i64),
    Text(&'n [u8]),
    Array(Vec<Tree<'n>>),
    Pairs(Vec<(Tree<'n>, Tree<'n>)>),
    Other,
}

impl<'n> Tree<'n> {
    /// Nodes in pre-order as a tree; their depth was bounded when they were read.
    pub(crate) fn of(nodes: &'n [Node]) -> Option<Self> {
        let mut rest = nodes.iter();
        let tree = Self::take(&mut rest)?;
        rest.next().is_none().then_some(tree)
    }

    fn take(rest: &mut std::slice::Iter<'n, Node>) -> Option<Self> {
        Some(match rest.next()? {
            Node::Nil => Self::Nil,
            Node::Int64(number) => Self::Number(*number),
            Node::Text(text) => Self::Text(text),
            Node::Array(count) => Self::Array((0..*count).map(|_| Self::take(rest)).collect::<Option<_>>()?),
            Node::Pairs(count) => {
                let pair = |_| Some((Self::take(rest)?, Self::take(rest)?));
                Self::Pairs((0..*count).map(pair).collect::<Option<_>>()?)
            }
            Node::Boolean(_) | Node::Float64(_) | Node::Failure(_) => Self::Other,
        })
    }

    /// As text, where it is some.
    pub(crate) fn text(&self) -> Option<String> {
        if let Self::Text(text) = self { Some(String::from_utf8_lossy(text).into_owned()) } else { None }
    }

    /// As a number, where it is one.
    pub(crate) fn number(&self) -> Option<i64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// Its members; none where it is no array.
    pub(crate) fn members(&self) -> &[Self] {
        if let Self::Array(members) = self { members } else { &[] }
    }

    /// What stands behind a name in its pairs.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Pairs(pairs) = self else { return None };
        pairs
            .iter()
            .find(|(key, _)| matches!(key, Self::Text(text) if *text == name.as_bytes()))
            .map(|(_, value)| value)
    }
}
