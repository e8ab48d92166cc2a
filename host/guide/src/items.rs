//! The items of the guide, as `plugins/guide.toml` has them.

use serde::Deserialize;

use crate::GuideError;

const TABLE: &str = include_str!("../../../plugins/guide.toml");

/// How often an item is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rhythm {
    /// Every day.
    Daily,
    /// Every week.
    Weekly,
    /// Every month.
    Monthly,
}

impl Rhythm {
    /// All three, the most frequent first.
    pub const ALL: [Self; 3] = [Self::Daily, Self::Weekly, Self::Monthly];

    /// The procedure's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }
}

/// An item of the guide.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// As manifests name it: `Database: Check replication lag`.
    pub name: String,
    /// Its line in the guide.
    pub line: u32,
    /// The list that it stands in; none where it is of a chapter.
    #[serde(default)]
    pub procedure: Option<Rhythm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    item: Vec<Item>,
}

/// All items, in the guide's order.
///
/// # Errors
/// Where the built-in table is damaged, which a test would have said.
pub fn items() -> Result<Vec<Item>, GuideError> {
    let table: Table = toml::from_str(TABLE)
        .map_err(|error| GuideError::Table { table: "plugins/guide.toml", problem: error.to_string() })?;
    Ok(table.item)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_item_has_a_name_of_its_own_and_stands_in_order() {
        let items = items().expect("the table is whole");
        let names: BTreeSet<&str> = items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names.len(), items.len());
        assert!(items.windows(2).all(|pair| pair[0].line < pair[1].line));
        for rhythm in Rhythm::ALL {
            assert!(items.iter().filter(|item| item.procedure == Some(rhythm)).count() >= 12, "{}", rhythm.word());
        }
    }
}
