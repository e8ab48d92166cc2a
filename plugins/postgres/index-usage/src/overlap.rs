//! Indexes that another one covers: the same columns, or the beginning of more.

use hostler_sdk::prelude::*;

use crate::{Settings, catalogue::Index};

/// Tells them, and returns how many they are.
pub(crate) fn report(indexes: &[Index], settings: &Settings) -> usize {
    let mut count = 0;
    for index in indexes.iter().filter(|index| !index.needed && index.bytes >= settings.least.as_f64()) {
        let Some(other) = indexes.iter().find(|other| covers(other, index)) else { continue };
        count += 1;
        if count > settings.top {
            continue;
        }
        let how = if index.columns == other.columns { "has the same columns" } else { "begins with its columns" };
        finding!(
            Severity::Warning,
            "index-covered",
            index.full_name(),
            "{} {how}: this one takes {} for nothing",
            other.full_name(),
            ByteSize::from_f64(index.bytes)
        )
        .detail(format!(
            "On {}. The smaller one is read faster where nothing else is asked for: look at the plans that use it.",
            index.table
        ))
        .remedy(index.remedy())
        .report();
    }
    count
}

/// Whether `other` serves wherever `index` does. Of two that are the same, the one that was made first stays.
fn covers(other: &Index, index: &Index) -> bool {
    if other.oid == index.oid
        || other.table_oid != index.table_oid
        || other.method != index.method
        || other.condition != index.condition
    {
        return false;
    }
    let same = other.columns == index.columns && other.kinds == index.kinds && other.keys == index.keys;
    if same {
        return other.needed || other.oid < index.oid;
    }
    // Only a B-tree serves for the beginning of its columns; what it includes beside its keys is not in order.
    let begins = other.keys > index.keys
        && index.keys == index.columns.len()
        && other.columns[..index.keys] == index.columns[..];
    index.method == "btree" && begins && kinds_begin(&other.kinds, &index.kinds, index.keys)
}

/// Whether the classes, collations and orders of the first columns are the same.
fn kinds_begin(longer: &str, shorter: &str, keys: usize) -> bool {
    let parts = |kinds: &str| -> Vec<Vec<String>> {
        kinds.split('/').map(|part| part.split(' ').take(keys).map(str::to_owned).collect()).collect()
    };
    parts(longer) == parts(shorter)
}
