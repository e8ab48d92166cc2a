//! Pictures that are older than what they draw: the source of the same name beside them, or what the settings say.

use std::collections::BTreeMap;

use hostler_sdk::{Timestamp, matches_pattern};

const PICTURES: [&str; 6] = ["svg", "png", "pdf", "jpg", "jpeg", "webp"];
const SOURCES: [&str; 9] = ["mmd", "mermaid", "dot", "gv", "puml", "plantuml", "drawio", "d2", "dia"];

/// A picture, and what it draws that changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    pub picture: String,
    pub source: String,
    pub changed: Timestamp,
    pub drawn: Timestamp,
}

/// The stale ones of a tree; `changed` has when each path was changed, `draws` patterns of what a picture draws.
pub fn stale(changed: &BTreeMap<String, Timestamp>, draws: &BTreeMap<String, String>) -> Vec<Stale> {
    let ending =
        |path: &str| path.rsplit_once('.').map(|(stem, ending)| (stem.to_owned(), ending.to_ascii_lowercase()));
    let is = |path: &str, endings: &[&str]| ending(path).is_some_and(|(_, own)| endings.contains(&own.as_str()));
    let stem = |path: &str| ending(path).map(|(stem, _)| stem);
    let mut found = vec![];
    for (picture, drawn) in changed.iter().filter(|(path, _)| is(path, &PICTURES)) {
        let pattern = draws.get(picture);
        let newest = changed
            .iter()
            .filter(|(path, _)| *path != picture)
            .filter(|(path, _)| match pattern {
                Some(pattern) => matches_pattern(pattern, path),
                None => is(path, &SOURCES) && stem(path) == stem(picture),
            })
            .max_by_key(|(_, changed)| changed.0);
        if let Some((source, changed)) = newest.filter(|(_, changed)| changed.0 > drawn.0) {
            found.push(Stale { picture: picture.clone(), source: source.clone(), changed: *changed, drawn: *drawn });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_held_against_its_source_or_what_is_said() {
        let at = |pairs: &[(&str, i64)]| -> BTreeMap<String, Timestamp> {
            pairs.iter().map(|(path, day)| ((*path).to_owned(), Timestamp::from_seconds(day * 86_400))).collect()
        };
        let tree = at(&[
            ("a/net.svg", 5),
            ("a/net.mmd", 6),
            ("b/net.svg", 9),
            ("b/net.dot", 9),
            ("c.PNG", 1),
            ("src/x.rs", 2),
        ]);
        let names = |draws: &BTreeMap<String, String>| -> Vec<(String, String)> {
            stale(&tree, draws).into_iter().map(|one| (one.picture, one.source)).collect()
        };
        let pair = |picture: &str, source: &str| (picture.to_owned(), source.to_owned());
        assert_eq!(names(&BTreeMap::new()), [pair("a/net.svg", "a/net.mmd")]);
        let draws = BTreeMap::from([("c.PNG".to_owned(), "src/*".to_owned())]);
        assert_eq!(names(&draws), [pair("a/net.svg", "a/net.mmd"), pair("c.PNG", "src/x.rs")]);
    }
}
