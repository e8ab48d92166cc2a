//! Months in UTC. A month is one of UTC's because sessions and servers have time zones, and a month that is split at one
//! place and joined at another counts samples twice or not at all.

use std::fmt;

use hostler_sdk::prelude::*;

/// A calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    year: u16,
    month: u8,
}

impl Month {
    /// Reads `2025-01`.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let month = Self { year: year.parse().ok()?, month: month.parse().ok()? };
        ((1..=12).contains(&month.month) && (1..=9998).contains(&month.year)).then_some(month)
    }

    pub fn next(self) -> Self {
        if self.month == 12 { Self { year: self.year + 1, month: 1 } } else { Self { month: self.month + 1, ..self } }
    }

    /// Its first moment; that of a month before 1970 is 1970's.
    pub fn start(self) -> Timestamp {
        Timestamp::from_compact(&format!("{:04}{:02}01T000000Z", self.year, self.month)).unwrap_or_default()
    }

    pub fn end(self) -> Timestamp {
        self.next().start()
    }

    /// The month in which a time lies.
    pub fn of(time: Timestamp) -> Option<Self> {
        let text = time.to_string();
        text.get(..7).and_then(Self::parse)
    }

    /// Whether its end is at least this long ago.
    pub fn ended(self, before: Duration, now: Timestamp) -> bool {
        self.end().until(now) >= before
    }
}

impl fmt::Display for Month {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}", self.year, self.month)
    }
}
