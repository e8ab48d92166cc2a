//! The most frequent of very many, in bounded memory.
//!
//! Up to twice the number that is kept are counted; then the rarer half is dropped, and from then on a key that was not
//! met lately is only remembered by its hash when it comes, and counted when it comes again: most of very many come
//! once, and a place in the table for each of them is what costs time. A key that comes steadily is never dropped; a
//! figure may be too small by what was not counted, never too large.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// Hashes of keys that came lately, one in each place.
const REMEMBERED: usize = 1 << 16;

/// Counts by key.
#[derive(Debug)]
pub struct Top<C> {
    counts: HashTable<Counted<C>>,
    /// Empty until a key is dropped for the first time.
    lately: Vec<u64>,
    hasher: RandomState,
    kept: usize,
    /// Whether a key was dropped: then figures are lower bounds.
    pub dropped: bool,
}

#[derive(Debug)]
struct Counted<C> {
    hash: u64,
    key: Box<[u8]>,
    count: C,
}

impl<C: Default> Top<C> {
    /// Keeps so many keys at least.
    #[must_use]
    pub fn new(kept: usize) -> Self {
        let counts = HashTable::with_capacity(kept * 2);
        Self { counts, lately: vec![], hasher: RandomState::default(), kept, dropped: false }
    }

    /// Counts something of a key; `weight` says what to keep where there are too many.
    pub fn count(&mut self, key: &[u8], weight: impl Fn(&C) -> u64, add: impl FnOnce(&mut C)) {
        self.count_if(key, false, weight, add);
    }

    /// As [`Top::count`]; `notable` is what is to be counted though its key comes for the first time.
    pub fn count_if(&mut self, key: &[u8], notable: bool, weight: impl Fn(&C) -> u64, add: impl FnOnce(&mut C)) {
        let hash = self.hasher.hash_one(key);
        if let Some(counted) = self.counts.find_mut(hash, |counted| *counted.key == *key) {
            return add(&mut counted.count);
        }
        if !self.came_lately(hash) && !notable {
            return;
        }
        if self.counts.len() >= self.kept * 2 {
            self.prune(weight);
        }
        let mut counted = Counted { hash, key: key.into(), count: C::default() };
        add(&mut counted.count);
        self.counts.insert_unique(hash, counted, |counted| counted.hash);
    }

    /// Whether a new key is worth a place; remembers it for the next time.
    fn came_lately(&mut self, hash: u64) -> bool {
        let place = hash as usize % REMEMBERED;
        self.lately.get_mut(place).is_none_or(|remembered| std::mem::replace(remembered, hash) == hash)
    }

    fn prune(&mut self, weight: impl Fn(&C) -> u64) {
        let mut weights: Vec<u64> = self.counts.iter().map(|counted| weight(&counted.count)).collect();
        let middle = weights.len() / 2;
        let (_, median, _) = weights.select_nth_unstable(middle);
        let least = *median;
        let mut room = self.counts.len() - self.kept;
        self.counts.retain(|counted| {
            let goes = room > 0 && weight(&counted.count) <= least;
            room -= usize::from(goes);
            !goes
        });
        self.lately.resize(REMEMBERED, 0);
        self.dropped = true;
    }

    /// The heaviest first; equal ones by their key.
    pub fn heaviest(&self, weight: impl Fn(&C) -> u64) -> Vec<(&[u8], &C)> {
        let mut all: Vec<(&[u8], &C)> = self.counts.iter().map(|counted| (&*counted.key, &counted.count)).collect();
        all.sort_by(|one, other| weight(other.1).cmp(&weight(one.1)).then_with(|| one.0.cmp(other.0)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_often_is_kept_among_very_many() {
        let mut top = Top::<u64>::new(100);
        for number in 0..100_000_u32 {
            top.count(&number.to_le_bytes(), |count| *count, |count| *count += 1);
            if number % 10 == 0 {
                top.count(b"often", |count| *count, |count| *count += 1);
            }
        }
        let heaviest = top.heaviest(|count| *count);
        assert_eq!(heaviest[0], (&b"often"[..], &10_000));
        assert!(heaviest.len() <= 200 && top.dropped);
    }

    #[test]
    fn what_begins_late_is_counted_but_for_its_first_time() {
        let mut top = Top::<u64>::new(100);
        let add = |top: &mut Top<u64>, key: &[u8]| top.count(key, |count| *count, |count| *count += 1);
        for number in 0..1000_u32 {
            add(&mut top, &number.to_le_bytes());
        }
        for _ in 0..500 {
            add(&mut top, b"late");
        }
        assert_eq!(top.heaviest(|count| *count)[0], (&b"late"[..], &499));
        top.count_if(b"large", true, |count| *count, |count| *count += 1000);
        assert_eq!(top.heaviest(|count| *count)[0], (&b"large"[..], &1000));
    }

    #[test]
    fn few_are_counted_exactly() {
        let mut top = Top::<u64>::new(100);
        for number in 0..200_u32 {
            top.count(&number.to_le_bytes(), |count| *count, |count| *count += 1);
        }
        assert!(!top.dropped && top.heaviest(|count| *count).len() == 200);
    }
}
