//! Byte sizes, durations and percentages: as the host hands them over, and as people read them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number of bytes, shown as `1.5 GiB`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// For thresholds and metrics.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64
    }

    /// From a figure that may be negative or too large, as differences are.
    #[must_use]
    pub fn from_f64(bytes: f64) -> Self {
        Self(bytes.max(0.0) as u64)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut size = self.0 as f64;
        for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
            if size < 1024.0 || unit == "TiB" {
                return if unit == "B" {
                    write!(formatter, "{} B", self.0)
                } else {
                    write!(formatter, "{size:.1} {unit}")
                };
            }
            size /= 1024.0;
        }
        Ok(())
    }
}

/// A span of time in seconds, shown as `2 h 5 min`.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(f64);

impl Duration {
    /// From seconds.
    #[must_use]
    pub fn from_seconds(seconds: f64) -> Self {
        Self(seconds)
    }

    /// From milliseconds.
    #[must_use]
    pub fn from_milliseconds(milliseconds: u64) -> Self {
        Self(milliseconds as f64 / 1000.0)
    }

    /// From days.
    #[must_use]
    pub fn from_days(days: f64) -> Self {
        Self(days * 86_400.0)
    }

    /// In seconds.
    #[must_use]
    pub fn as_seconds(self) -> f64 {
        self.0
    }

    /// In whole milliseconds.
    #[must_use]
    pub fn as_milliseconds(self) -> u64 {
        (self.0.max(0.0) * 1000.0) as u64
    }

    /// In days.
    #[must_use]
    pub fn as_days(self) -> f64 {
        self.0 / 86_400.0
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0.0 { "-" } else { "" };
        let seconds = self.0.abs();
        if seconds < 1.0 {
            return write!(formatter, "{sign}{} ms", (seconds * 1000.0).round());
        }
        if seconds < 59.5 {
            return write!(formatter, "{sign}{} s", (seconds * 10.0).round() / 10.0);
        }
        let whole = seconds.round() as u64;
        let (large, unit, small, rest) = match whole {
            0..3600 => (whole / 60, "min", "s", whole % 60),
            3600..86_400 => (whole / 3600, "h", "min", whole % 3600 / 60),
            _ => (whole / 86_400, "d", "h", whole % 86_400 / 3600),
        };
        write!(formatter, "{sign}{large} {unit}")?;
        if rest == 0 { Ok(()) } else { write!(formatter, " {rest} {small}") }
    }
}

/// A share from 0 to 100, shown as `85.3 %`.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Percent(pub f64);

impl Percent {
    /// The share of `part` in `whole`; nothing where there is no whole.
    #[must_use]
    pub fn of(part: f64, whole: f64) -> Option<Self> {
        (whole > 0.0).then(|| Self(part / whole * 100.0))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.1} %", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB"), (5 << 50, "5120.0 TiB")]
        {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }

    #[test]
    fn spans_read_as_people_say_them() {
        for (seconds, text) in [
            (0.25, "250 ms"),
            (1.5, "1.5 s"),
            (59.7, "1 min"),
            (300.0, "5 min"),
            (7500.0, "2 h 5 min"),
            (273_600.0, "3 d 4 h"),
            (-90.0, "-1 min 30 s"),
        ] {
            assert_eq!(Duration::from_seconds(seconds).to_string(), text);
        }
    }

    #[test]
    fn a_share_of_nothing_is_no_share() {
        assert_eq!(Percent::of(1.0, 0.0), None);
        assert_eq!(Percent::of(85.3, 100.0).map(|share| share.to_string()), Some("85.3 %".into()));
    }
}
