//! The tasks whose history a run may see: patterns in which `*` stands for any text.

use hostler_capability::{Binding, Grant};

/// What a run is granted of the history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryGrant {
    /// The request that it is bound to; nothing where none is.
    pub request: Option<String>,
    patterns: Vec<String>,
}

impl HistoryGrant {
    /// The grant among a run's bindings.
    pub fn new(bindings: &[Binding]) -> Self {
        let granted = bindings.iter().find_map(|binding| match &binding.grant {
            Grant::History(patterns) => {
                Some(Self { request: Some(binding.request.clone()), patterns: patterns.clone() })
            }
            _ => None,
        });
        granted.unwrap_or_default()
    }

    /// Whether a task's history may be seen.
    pub fn covers(&self, task: &str) -> bool {
        self.patterns.iter().any(|pattern| matches(pattern, task))
    }

    /// The rule, as the operator writes it.
    pub fn rule(&self) -> String {
        let quoted: Vec<_> = self.patterns.iter().map(|pattern| format!("{pattern:?}")).collect();
        format!("tasks = [{}]", quoted.join(", "))
    }
}

/// Whether a pattern covers a name. The parts between stars are looked for in order, each as early as it comes, which
/// is enough where a star takes any text, and takes no longer than the name is long for each part.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("vacuum", "vacuum", true),
            ("vacuum", "vacuums", false),
            ("*", "", true),
            ("*", "anything", true),
            ("postgres-*", "postgres-vacuum", true),
            ("postgres-*", "redis-memory", false),
            ("*-memory", "redis-memory", true),
            ("*-memory", "redis-memory-x", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("**", "x", true),
            ("ä*ö", "äüö", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
