//! What a Redis server answered, as a tree.
//!
//! It crosses the sandbox as a list in pre-order, since the component model has no recursive types.

use crate::TaskError;
use crate::bindings::redis::hostler::plugin::redis as wit;

/// How deep a reply may nest; no command's does by half.
const DEEPEST: usize = 32;

/// A reply.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Nothing.
    Nil,
    /// A flag.
    Boolean(bool),
    /// A whole number.
    Int64(i64),
    /// A number.
    Float64(f64),
    /// Text, not always UTF-8.
    Text(Vec<u8>),
    /// An error in its place: the others of a batch stand.
    Failure(String),
    /// Members in order.
    Array(Vec<Reply>),
    /// Keys and values.
    Pairs(Vec<(Reply, Reply)>),
}

impl Reply {
    pub(crate) fn read(nodes: wit::Reply) -> Result<Self, TaskError> {
        let mut nodes = nodes.into_iter();
        let reply = tree(&mut nodes, 0).ok_or_else(|| TaskError::new("the reply is not whole, or nests too deeply"))?;
        match nodes.next() {
            None => Ok(reply),
            Some(_) => Err(TaskError::new("the reply has more in it than it says")),
        }
    }

    /// A whole number, also one that is written as text.
    ///
    /// # Errors
    /// Where it is something else; a failure with its own text.
    pub fn integer(&self) -> Result<i64, TaskError> {
        match self {
            Self::Int64(number) => Ok(*number),
            Self::Text(text) => {
                let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                number.ok_or_else(|| self.unlike("a whole number"))
            }
            _ => Err(self.unlike("a whole number")),
        }
    }

    /// A number, also one that is written as text.
    ///
    /// # Errors
    /// Where it is something else; a failure with its own text.
    pub fn number(&self) -> Result<f64, TaskError> {
        match self {
            Self::Float64(number) => Ok(*number),
            Self::Text(text) => {
                let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                number.ok_or_else(|| self.unlike("a number"))
            }
            _ => Ok(self.integer().map_err(|_| self.unlike("a number"))? as f64),
        }
    }

    /// Text; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// Where it is something else; a failure with its own text.
    pub fn text(&self) -> Result<String, TaskError> {
        match self {
            Self::Text(text) => Ok(String::from_utf8_lossy(text).into_owned()),
            _ => Err(self.unlike("text")),
        }
    }

    /// The members of an array.
    ///
    /// # Errors
    /// Where it is something else; a failure with its own text.
    pub fn array(&self) -> Result<&[Reply], TaskError> {
        match self {
            Self::Array(members) => Ok(members),
            _ => Err(self.unlike("an array")),
        }
    }

    /// Keys and values, of a map or of an array that holds them in turn, as older protocols do.
    ///
    /// # Errors
    /// Where it is something else; a failure with its own text.
    pub fn pairs(&self) -> Result<Vec<(String, &Reply)>, TaskError> {
        match self {
            Self::Pairs(pairs) => pairs.iter().map(|(key, value)| Ok((key.text()?, value))).collect(),
            Self::Array(members) if members.len() % 2 == 0 => {
                members.chunks_exact(2).map(|pair| Ok((pair[0].text()?, &pair[1]))).collect()
            }
            _ => Err(self.unlike("keys and values")),
        }
    }

    fn unlike(&self, expected: &str) -> TaskError {
        TaskError::new(match self {
            Self::Failure(message) => message.clone(),
            Self::Nil => format!("the server answered nothing where {expected} is expected"),
            _ => format!("the server answered something else where {expected} is expected"),
        })
    }
}

fn tree(nodes: &mut impl Iterator<Item = wit::Node>, depth: usize) -> Option<Reply> {
    if depth > DEEPEST {
        return None;
    }
    Some(match nodes.next()? {
        wit::Node::Nil => Reply::Nil,
        wit::Node::Boolean(flag) => Reply::Boolean(flag),
        wit::Node::Int64(number) => Reply::Int64(number),
        wit::Node::Float64(number) => Reply::Float64(number),
        wit::Node::Text(text) => Reply::Text(text),
        wit::Node::Failure(message) => Reply::Failure(message),
        wit::Node::Array(count) => Reply::Array((0..count).map(|_| tree(nodes, depth + 1)).collect::<Option<_>>()?),
        wit::Node::Pairs(count) => Reply::Pairs(
            (0..count).map(|_| Some((tree(nodes, depth + 1)?, tree(nodes, depth + 1)?))).collect::<Option<_>>()?,
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_from_its_pre_order() {
        let text = |text: &str| wit::Node::Text(text.into());
        let nodes = vec![
            wit::Node::Pairs(2),
            text("a"),
            wit::Node::Array(2),
            wit::Node::Int64(1),
            wit::Node::Nil,
            text("b"),
            text("7"),
        ];
        let reply = Reply::read(nodes).expect("it is whole");
        let pairs = reply.pairs().expect("they are pairs");
        assert_eq!(pairs[0].1.array().expect("an array"), [Reply::Int64(1), Reply::Nil]);
        assert_eq!((pairs[1].0.as_str(), pairs[1].1.integer()), ("b", Ok(7)));
    }

    #[test]
    fn a_reply_that_is_not_whole_or_too_deep_or_too_long_is_refused() {
        assert!(Reply::read(vec![]).is_err());
        assert!(Reply::read(vec![wit::Node::Array(2), wit::Node::Nil]).is_err());
        assert!(Reply::read(vec![wit::Node::Array(u32::MAX)]).is_err());
        assert!(Reply::read(vec![wit::Node::Nil, wit::Node::Nil]).is_err());
        assert!(Reply::read((0..100).map(|_| wit::Node::Array(1)).chain([wit::Node::Nil]).collect()).is_err());
    }

    #[test]
    fn a_failure_says_what_the_server_said() {
        let error = Reply::Failure("WRONGTYPE not a list".into()).integer().unwrap_err();
        assert_eq!(error.to_string(), "WRONGTYPE not a list");
        assert_eq!(
            Reply::Array(vec![Reply::Text(b"a".to_vec()), Reply::Int64(1)]).pairs().map(|pairs| pairs.len()),
            Ok(1)
        );
    }
}
