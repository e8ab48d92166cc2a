//! The most frequent of very many, in bounded memory.
//!
//! Up to twice the number that is kept are counted; then the rarer half is dropped. A key that comes steadily is never
//! dropped; a figure may be too small by what was counted before its key was dropped, never too large.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// Counts by key.
#[derive(Debug)]
pub struct Top<C> {
    counts: HashMap<Box<[u8]>, C, RandomState>,
    kept: usize,
    /// Whether a key was dropped: then figures are lower bounds.
    pub dropped: bool,
}

impl<C: Default> Top<C> {
    /// Keeps so many keys at least.
    #[must_use]
    pub fn new(kept: usize) -> Self {
        Self { counts: HashMap::with_capacity_and_hasher(kept * 2, RandomState::default()), kept, dropped: false }
    }

    /// Counts something of a key; `weight` says what to keep where there are too many.
    pub fn count(&mut self, key: &[u8], weight: impl Fn(&C) -> u64, add: impl FnOnce(&mut C)) {
        if let Some(counted) = self.counts.get_mut(key) {
            return add(counted);
        }
        if self.counts.len() >= self.kept * 2 {
            self.prune(weight);
        }
        add(self.counts.entry(key.into()).or_default());
    }

    fn prune(&mut self, weight: impl Fn(&C) -> u64) {
        let mut weights: Vec<u64> = self.counts.values().map(&weight).collect();
        let middle = weights.len() / 2;
        let (_, median, _) = weights.select_nth_unstable(middle);
        let least = *median;
        let mut room = self.counts.len() - self.kept;
        self.counts.retain(|_, count| {
            let goes = room > 0 && weight(count) <= least;
            room -= usize::from(goes);
            !goes
        });
        self.dropped = true;
    }

    /// The heaviest first; equal ones by their key.
    pub fn heaviest(&self, weight: impl Fn(&C) -> u64) -> Vec<(&[u8], &C)> {
        let mut all: Vec<(&[u8], &C)> = self.counts.iter().map(|(key, count)| (&**key, count)).collect();
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
}
