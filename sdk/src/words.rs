//! Counts and names in sentences, as people write them: `1 key` and `2 keys`, `is` and `are`, the first few of many names.
//!
//! Each plugin tells its operator counts; here they are put into words once, so that none says "1 indexes".

use std::fmt::Display;

/// A number with its noun, which is given for one: `1 key`, `2 keys`, `0 indexes`.
#[must_use]
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    let ending = match noun {
        _ if number == N::from(1) => "",
        noun if ["s", "x", "ch", "sh"].iter().any(|sound| noun.ends_with(sound)) => "es",
        _ => "s",
    };
    format!("{number} {noun}{ending}")
}

/// The word that agrees with a number: `is` for one and `are` for many.
#[must_use]
pub fn agreed<N: PartialEq + From<u8>>(number: N, one: &'static str, many: &'static str) -> &'static str {
    if number == N::from(1) { one } else { many }
}

/// The first names, and how many there are beside them: `a, b and 5 more`.
#[must_use]
pub fn listed<T: AsRef<str>>(names: &[T], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    let text = shown.join(", ");
    match names.len() - shown.len() {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_from_many() {
        assert_eq!(counted(1_usize, "key"), "1 key");
        assert_eq!(counted(0_u64, "index"), "0 indexes");
        assert_eq!(counted(1.0_f64, "dead row"), "1 dead row");
        assert_eq!(counted(-7_i64, "row"), "-7 rows");
        assert_eq!((agreed(1_u64, "is", "are"), agreed(2_u64, "is", "are")), ("is", "are"));
    }

    #[test]
    fn names_beyond_the_first_are_counted() {
        assert_eq!(listed(&["a", "b"], 2), "a, b");
        assert_eq!(listed(&["a".to_owned(), "b".to_owned(), "c".to_owned()], 2), "a, b and 1 more");
        assert_eq!(listed::<&str>(&[], 2), "");
    }
}
