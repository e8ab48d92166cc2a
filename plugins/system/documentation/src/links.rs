//! Links to other files of the same tree. What leads to another host, or to a place of the same document, is not looked
//! at: nothing here may reach the network, and a heading's anchor is the reader's program's own.

use std::collections::BTreeSet;

/// A link and the line that it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub line: usize,
    pub target: String,
}

/// Where a link leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leads {
    /// To something that is there, or that is not looked at.
    Well,
    /// To nothing.
    Nowhere,
    /// Out of the directory.
    Outside,
}

/// All links of a document's prose.
pub fn links(prose: &[(usize, String)]) -> Vec<Link> {
    let mut found = vec![];
    for (line, text) in prose {
        let text = without_code(text);
        let mut add = |target: &str| found.push(Link { line: *line, target: target.to_owned() });
        if let Some(target) = definition(&text) {
            add(target);
        }
        for (at, _) in text.match_indices("](") {
            if let Some(target) = target(&text[at + 2..]) {
                add(target);
            }
        }
    }
    found
}

/// `[name]: target`, and no footnote.
fn definition(text: &str) -> Option<&str> {
    let (name, rest) = text.trim_start().strip_prefix('[')?.split_once("]:")?;
    let target = rest.split_whitespace().next()?.trim_matches(['<', '>']);
    (!name.starts_with('^') && !name.contains(']')).then_some(target)
}

/// What stands in the brackets, without a title; brackets of its own are balanced.
fn target(rest: &str) -> Option<&str> {
    if let Some(pointed) = rest.strip_prefix('<') {
        return pointed.split_once('>').map(|(target, _)| target);
    }
    let mut depth = 0_usize;
    for (at, letter) in rest.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(&rest[..at]),
            ')' => depth -= 1,
            letter if letter.is_whitespace() => return Some(&rest[..at]),
            _ => {}
        }
    }
    None
}

/// The line with what stands between backticks taken out.
fn without_code(line: &str) -> String {
    let mut parts = line.split('`');
    let mut text = parts.next().unwrap_or_default().to_owned();
    let rest: Vec<&str> = parts.collect();
    for pair in rest.chunks(2) {
        match pair {
            [_, outside] => text.push_str(outside),
            [unpaired] => text.push_str(unpaired),
            _ => {}
        }
    }
    text
}

/// Where a link of the document `from` leads; `there` has every path below the directory.
pub fn leads(from: &str, target: &str, there: &BTreeSet<String>) -> Leads {
    let elsewhere = target.contains("://") || target.starts_with("//");
    let scheme =
        target.split_once(':').is_some_and(|(scheme, _)| scheme.chars().all(|one| one.is_ascii_alphanumeric()));
    let path = target.split(['#', '?']).next().unwrap_or_default();
    if elsewhere || scheme || path.is_empty() {
        return Leads::Well;
    }
    let path = decoded(path);
    let mut parts: Vec<&str> = match path.strip_prefix('/') {
        Some(_) => vec![],
        None => from.split('/').rev().skip(1).collect::<Vec<_>>().into_iter().rev().collect(),
    };
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part != ".." {
            parts.push(part);
        } else if parts.pop().is_none() {
            return Leads::Outside;
        }
    }
    if parts.is_empty() || there.contains(&parts.join("/")) { Leads::Well } else { Leads::Nowhere }
}

/// `%20` and its like as what they stand for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let digits = others.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &others[2..];
            }
            None => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str) -> Vec<String> {
        links(&[(1, text.to_owned())]).into_iter().map(|link| link.target).collect()
    }

    #[test]
    fn links_are_found_wherever_they_stand() {
        assert_eq!(targets("[a](b.md) and ![c](d/e.png \"title\") and [f](<g h.md>)"), ["b.md", "d/e.png", "g h.md"]);
        assert_eq!(targets("[ref]: other.md \"t\""), ["other.md"]);
        assert_eq!(targets("[wiki](a_(b).md)"), ["a_(b).md"]);
        assert_eq!(targets("`[a](b)` and [^1]: note and [x] (y)"), Vec::<String>::new());
        assert_eq!(targets("a stray ` and [a](b)"), ["b"]);
    }

    #[test]
    fn a_link_is_followed_from_its_document() {
        let there = BTreeSet::from(["docs/a.md", "docs", "docs/with space.md", "README.md"].map(str::to_owned));
        for (target, expected) in [
            ("a.md", Leads::Well),
            ("./a.md#part", Leads::Well),
            ("with%20space.md", Leads::Well),
            ("../README.md", Leads::Well),
            ("/README.md", Leads::Well),
            ("..", Leads::Well),
            ("#here", Leads::Well),
            ("https://shop.example/x", Leads::Well),
            ("mailto:ada@shop.example", Leads::Well),
            ("b.md", Leads::Nowhere),
            ("../a.md", Leads::Nowhere),
            ("../../a.md", Leads::Outside),
            ("%zz.md", Leads::Nowhere),
        ] {
            assert_eq!(leads("docs/guide.md", target, &there), expected, "{target}");
        }
    }
}
