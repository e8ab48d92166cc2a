//! Names and texts inside SQL. Parameters are better wherever the grammar takes one; VACUUM and its like take none.

/// A name in double quotes, whatever it holds.
#[must_use]
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name with its schema.
#[must_use]
pub fn quote_qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_identifier(schema), quote_identifier(name))
}

/// A text in single quotes, as the host's sessions read it (`standard_conforming_strings` is on).
#[must_use]
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_inside_cannot_end_it() {
        assert_eq!(quote_qualified("public", "a\"; DROP TABLE b"), "\"public\".\"a\"\"; DROP TABLE b\"");
        assert_eq!(quote_literal("it's"), "'it''s'");
    }
}
