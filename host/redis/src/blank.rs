//! Secrets of the server's, blanked in replies: password hashes of ACL users, and passwords among its settings.
//!
//! Whether there is one stays visible, since that is what a plugin that looks after security has to tell.

use hostler_world::redis::Node;

/// Settings that are secrets.
const SECRETS: &[&[u8]] =
    &[b"requirepass", b"masterauth", b"primaryauth", b"tls-key-file-pass", b"tls-client-key-file-pass"];
const BLANK: &[u8] = b"***";

/// Blanks what is secret in a reply.
pub(crate) type Blanker = fn(&mut [Node]);

/// What is blanked in the replies of a command.
pub(crate) fn blanker(name: &str) -> Option<Blanker> {
    match name {
        "config|get" => Some(settings),
        "acl|list" => Some(users),
        "acl|getuser" => Some(user),
        _ => None,
    }
}

/// Names and values in turn, as pairs or as an array.
fn settings(nodes: &mut [Node]) {
    let Some((_, members)) = nodes.split_first_mut() else { return };
    for pair in members.chunks_mut(2) {
        if let [Node::Text(name), Node::Text(value)] = pair
            && SECRETS.iter().any(|secret| secret.eq_ignore_ascii_case(name))
            && !value.is_empty()
        {
            *value = BLANK.to_vec();
        }
    }
}

/// Lines such as `user default on #5e88… ~* &* +@all`.
fn users(nodes: &mut [Node]) {
    for node in nodes {
        if let Node::Text(line) = node {
            let words = line.split(|byte| *byte == b' ').map(|word| match word.first() {
                Some(b'#') => b"#***".as_slice(),
                Some(b'>') => b">***",
                _ => word,
            });
            *line = words.collect::<Vec<_>>().join(b" ".as_slice());
        }
    }
}

/// The members of the array behind `passwords`.
fn user(nodes: &mut [Node]) {
    let Some(place) = nodes.iter().position(|node| matches!(node, Node::Text(text) if text == b"passwords")) else {
        return;
    };
    let count = match nodes.get(place + 1) {
        Some(Node::Array(count)) => usize::try_from(*count).unwrap_or(usize::MAX),
        _ => 0,
    };
    for node in nodes.iter_mut().skip(place + 2).take(count) {
        *node = Node::Text(BLANK.to_vec());
    }
}
