//! How large a B-tree would be if it were built now.
//!
//! Where every key column has a fixed width, the width of an entry is known and the estimate costs nothing. It leaves
//! out that equal keys are stored once, so it finds less bloat than there is, never more.

/// What an entry has beside its keys: its header, and its place in the page.
const OVERHEAD: u64 = 8 + 4;
/// What a page has beside its entries: its header and the B-tree's own.
const PAGE_OVERHEAD: u64 = 24 + 16;
/// How full a page is when an index is built.
const FILL: f64 = 0.9;

/// The bytes of a B-tree with so many entries, each with keys of this width.
#[must_use]
pub fn ideal(entries: f64, key_width: u64, block_size: u64) -> f64 {
    let entry = OVERHEAD + key_width.div_ceil(8) * 8;
    let fits = (block_size.saturating_sub(PAGE_OVERHEAD) as f64 * FILL / entry as f64).max(1.0);
    let leaves = (entries.max(0.0) / fits).ceil().max(1.0);
    // Each level above has an entry for each page below.
    let mut pages = 1.0 + leaves;
    let mut level = leaves;
    while level > 1.0 {
        level = (level / fits).ceil();
        pages += level;
    }
    pages * block_size as f64
}

/// The bytes of the same B-tree rebuilt, from what pgstatindex measured.
#[must_use]
pub fn rebuilt(leaf_pages: f64, internal_pages: f64, density: f64, block_size: u64) -> f64 {
    let leaves = (leaf_pages * density / 100.0 / FILL).ceil().max(1.0);
    let internal = if leaf_pages > 0.0 { (internal_pages * leaves / leaf_pages).ceil() } else { 0.0 };
    (1.0 + leaves + internal) * block_size as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_near_what_a_server_builds() {
        // PostgreSQL 15, a million int4 or int8 keys, all different: 2745 pages.
        for width in [4, 8] {
            let estimate = ideal(1e6, width, 8192) / 8192.0;
            assert!((2700.0..2790.0).contains(&estimate), "{estimate}");
        }
        assert_eq!(ideal(0.0, 4, 8192), 2.0 * 8192.0);
    }

    #[test]
    fn a_half_empty_index_would_be_half_as_large() {
        let bytes = rebuilt(2000.0, 20.0, 45.0, 8192);
        assert_eq!(bytes / 8192.0, 1.0 + 1000.0 + 10.0);
        assert_eq!(rebuilt(0.0, 0.0, 0.0, 8192) / 8192.0, 2.0);
    }
}
