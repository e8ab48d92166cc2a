//! What a document says of itself: its owner, and when it was reviewed. In its front matter, or as the line `Last
//! Updated: 2025-01-21` near its beginning, as many a guide has it.

use hostler_sdk::Timestamp;

/// Lines in which a date outside of the front matter counts.
const NEAR_THE_BEGINNING: usize = 15;

/// When it was reviewed, as far as it says so.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Reviewed {
    /// On this day.
    On(Timestamp),
    /// What stands there is no date.
    NotUnderstood,
    /// It does not say.
    #[default]
    Silent,
}

/// What it says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Front {
    pub owner: Option<String>,
    pub reviewed: Reviewed,
}

impl Front {
    pub fn read(text: &str) -> Self {
        let mut front = Self::default();
        for line in matter(text) {
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim().trim_matches(['"', '\'']);
            match key.trim().to_ascii_lowercase().replace('_', "-").as_str() {
                "owner" | "owners" | "maintainer" if !value.is_empty() && value != "[]" => {
                    front.owner = Some(value.to_owned());
                }
                "last-reviewed" | "reviewed" | "review-date" => front.reviewed = date(value),
                _ => {}
            }
        }
        if front.reviewed == Reviewed::Silent {
            let dated = text.lines().take(NEAR_THE_BEGINNING).find_map(|line| {
                let (key, value) = line.trim_matches(['*', '_', '>', ' ']).split_once(':')?;
                let key = key.trim_matches(['*', '_', ' ']).to_ascii_lowercase();
                ["last updated", "last reviewed"].contains(&key.as_str()).then(|| date(value.trim_matches(['*', ' '])))
            });
            front.reviewed = dated.unwrap_or_default();
        }
        front
    }
}

/// The lines between two lines of three hyphens at the beginning. A list below `owner:` counts as one name after the
/// other: its first is taken.
fn matter(text: &str) -> Vec<String> {
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    if lines.next().map(str::trim_end) != Some("---") {
        return vec![];
    }
    let mut found: Vec<String> = vec![];
    for line in lines {
        if ["---", "..."].contains(&line.trim_end()) {
            return found;
        }
        match (line.trim().strip_prefix("- "), found.last_mut()) {
            (Some(item), Some(before)) if before.trim_end().ends_with(':') => before.push_str(item),
            _ => found.push(line.to_owned()),
        }
    }
    // It never ends, so it is none.
    vec![]
}

/// `2025-01-21`, with anything behind it.
fn date(text: &str) -> Reviewed {
    text.trim().get(..10).and_then(Timestamp::from_day).map_or(Reviewed::NotUnderstood, Reviewed::On)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Reviewed {
        Timestamp::from_compact(text).map_or(Reviewed::Silent, Reviewed::On)
    }

    #[test]
    fn owner_and_day_are_read_from_the_front_matter() {
        let front = Front::read("---\nowner: \"ada\"\nlast_reviewed: 2026-03-01\n---\n# Runbook\n");
        assert_eq!((front.owner.as_deref(), front.reviewed), (Some("ada"), day("20260301T000000Z")));
        let list = Front::read("---\nowners:\n  - ada\n  - bob\nreviewed: '2026-03-01T10:00'\n---\n");
        assert_eq!((list.owner.as_deref(), list.reviewed), (Some("ada"), day("20260301T000000Z")));
        assert_eq!(Front::read("---\nowner: ada\n# never ends"), Front::default());
        assert_eq!(Front::read("---\nowner:\n---\n").owner, None);
    }

    #[test]
    fn the_guides_own_line_counts_near_the_beginning() {
        assert_eq!(Front::read("# Guide\n\nLast Updated: 2025-01-21 20:34\n").reviewed, day("20250121T000000Z"));
        assert_eq!(Front::read("# Guide\n\n**Last reviewed:** 2025-01-21\n").reviewed, day("20250121T000000Z"));
        let late = format!("{}Last Updated: 2025-01-21\n", "\n".repeat(20));
        assert_eq!(Front::read(&late).reviewed, Reviewed::Silent);
    }

    #[test]
    fn what_is_no_date_is_not_taken_for_one() {
        for text in ["soon", "2025-13-01", "21.01.2025", "20250121", "2025-1-21", "", "2025/01/21"] {
            assert_eq!(date(text), Reviewed::NotUnderstood, "{text}");
        }
    }
}
