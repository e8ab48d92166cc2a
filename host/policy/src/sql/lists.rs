//! The reviewed lists, which ship as plain text beside this file so that they can be read and compared.

use std::collections::HashSet;
use std::sync::LazyLock;

type Names = LazyLock<HashSet<&'static str>>;

/// Functions of pg_catalog that are immutable in every overload.
static IMMUTABLE: Names = LazyLock::new(|| names(include_str!("lists/immutable.txt")));
/// Functions of pg_catalog that were reviewed one by one.
static REVIEWED: Names = LazyLock::new(|| names(include_str!("lists/reviewed.txt")));
/// Names that a field may not have, since they would call a function.
static FIELDS: Names = LazyLock::new(|| names(include_str!("lists/fields.txt")));
/// Settings that may be read.
static SETTINGS: Names = LazyLock::new(|| names(include_str!("lists/settings.txt")));

/// How the server's own functions begin: a field called so is held to the lists of functions, whatever a later
/// version adds.
const FUNCTION_PREFIXES: [&str; 4] = ["pg_", "lo_", "txid_", "binary_upgrade_"];

/// Functions of pg_catalog that no grant lets a task call, since each lets the task leave every other rule: they run
/// a text as a statement, read a table by name, open files, or change who the session is.
const NEVER: [&str; 26] = [
    "set_config",
    "query_to_xml",
    "query_to_xmlschema",
    "query_to_xml_and_xmlschema",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "table_to_xml",
    "table_to_xmlschema",
    "table_to_xml_and_xmlschema",
    "schema_to_xml",
    "schema_to_xmlschema",
    "schema_to_xml_and_xmlschema",
    "database_to_xml",
    "database_to_xmlschema",
    "database_to_xml_and_xmlschema",
    "ts_stat",
    "ts_rewrite",
    "pg_read_file",
    "pg_read_file_old",
    "pg_read_binary_file",
    "pg_ls_dir",
    "pg_stat_file",
    "pg_extension_config_dump",
    "pg_stop_making_pinned_objects",
    "loread",
    "lowrite",
];

/// What those have in common by name: large objects and their files, files of the administration pack, internals of
/// an upgrade.
const NEVER_PREFIXES: [&str; 3] = ["lo_", "pg_file_", "binary_upgrade_"];

fn names(text: &'static str) -> HashSet<&'static str> {
    text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect()
}

/// Whether a function of pg_catalog may be called by anything that reads.
pub(super) fn is_safe_function(name: &str) -> bool {
    IMMUTABLE.contains(name) || REVIEWED.contains(name)
}

/// Whether a function of pg_catalog is refused even where a grant names it.
pub(super) fn is_never_called(name: &str) -> bool {
    NEVER.contains(&name) || NEVER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether `expression.name` may be written: a name that calls nothing, or only what may be called anyway.
pub(super) fn is_safe_field(name: &str) -> bool {
    let like_a_function = FUNCTION_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    !is_never_called(name) && !FIELDS.contains(name) && (!like_a_function || is_safe_function(name))
}

/// Whether a setting may be read.
pub(super) fn is_readable_setting(name: &str) -> bool {
    SETTINGS.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_there_and_agree() {
        assert!(IMMUTABLE.len() > 1000 && REVIEWED.len() > 200 && SETTINGS.len() > 300 && FIELDS.len() > 40);
        assert_eq!(IMMUTABLE.intersection(&REVIEWED).count(), 0, "a function is on one list");
        for name in IMMUTABLE.iter().chain(REVIEWED.iter()) {
            assert!(!is_never_called(name) && !FIELDS.contains(name), "{name} is both safe and refused");
        }
    }
}
