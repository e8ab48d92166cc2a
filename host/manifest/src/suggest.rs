//! "Did you mean": the nearest known name.

/// The known name nearest to `given`, where one is near enough to be a slip of the hand.
///
/// Near is a Jaro-Winkler similarity of at least 0.8, or one letter swapped, missing, added or changed among three at
/// least: the similarity of short names is low whatever the slip.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(similarity, name)| *similarity >= 0.8 || (name.len() >= 3 && strsim::osa_distance(given, name) <= 1))
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        assert_eq!(did_you_mean("shedule", ["schedule", "window"]), Some("schedule"));
        assert_eq!(did_you_mean("dns", ["dsn", "password_file"]), Some("dsn"));
        assert_eq!(did_you_mean("colour", ["schedule", "window"]), None);
        assert_eq!(did_you_mean("ab", ["ac", "cb"]), None);
    }
}
