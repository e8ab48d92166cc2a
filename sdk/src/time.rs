//! Points in time: enough for names, cut-offs and ages, without a calendar library in every plugin.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::Duration;

/// Milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The clock's time. Names and cut-offs use [`Context::planned_at`](crate::Context::planned_at) instead, so that a
    /// plan and its application agree.
    #[must_use]
    pub fn now() -> Self {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }

    /// From seconds since the Unix epoch; earlier times are the epoch.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self(u64::try_from(seconds).unwrap_or_default().saturating_mul(1000))
    }

    /// From nanoseconds since the Unix epoch, as files have it.
    #[must_use]
    pub fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self(u64::try_from(nanoseconds).unwrap_or_default() / 1_000_000)
    }

    /// How long before `later` this was; negative where it was after.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_seconds((later.0 as f64 - self.0 as f64) / 1000.0)
    }

    /// `20250121T203400Z`, for names.
    #[must_use]
    pub fn compact(self) -> String {
        let (year, month, day, hour, minute, second) = self.parts();
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }

    /// Reads what [`compact`](Self::compact) writes.
    #[must_use]
    pub fn from_compact(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let shape = bytes.len() == 16 && bytes[8] == b'T' && bytes[15] == b'Z';
        let digits = bytes.iter().enumerate().all(|(place, byte)| place == 8 || place == 15 || byte.is_ascii_digit());
        if !shape || !digits {
            return None;
        }
        let number = |from: usize, to: usize| text[from..to].parse::<i64>().ok();
        let days = days_from_civil(number(0, 4)?, number(4, 6)?, number(6, 8)?);
        let seconds = ((days * 24 + number(9, 11)?) * 60 + number(11, 13)?) * 60 + number(13, 15)?;
        let time = Self::from_seconds(seconds);
        // A month 13 or a day 31 of April comes back as another date.
        (time.compact() == text).then_some(time)
    }

    /// The beginning of a day, from a text such as `2025-01-21` and no other form.
    #[must_use]
    pub fn from_day(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let shape = parts.iter().map(|part| part.len()).eq([4, 2, 2]);
        if shape { Self::from_compact(&format!("{}T000000Z", parts.concat())) } else { None }
    }

    /// The last second of the day that it lies in.
    #[must_use]
    pub fn end_of_day(self) -> Self {
        const DAY: u64 = 86_400_000;
        Self(self.0 / DAY * DAY + DAY - 1000)
    }

    fn parts(self) -> (i64, i64, i64, u64, u64, u64) {
        let seconds = self.0 / 1000;
        let (year, month, day) = civil_from_days(i64::try_from(seconds / 86_400).unwrap_or(i64::MAX / 1_000_000));
        let rest = seconds % 86_400;
        (year, month, day, rest / 3600, rest % 3600 / 60, rest % 60)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, hour, minute, second) = self.parts();
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Days since 1970-01-01 in the Gregorian calendar. Years begin in March, so that the leap day is a year's last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_times_go_both_ways() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (1_737_491_640, "20250121T203400Z"),
            (4_107_542_399, "21000228T235959Z"),
        ] {
            assert_eq!(Timestamp::from_seconds(seconds).compact(), text);
            assert_eq!(Timestamp::from_compact(text), Some(Timestamp::from_seconds(seconds)));
        }
        assert_eq!(Timestamp::from_seconds(1_737_491_640).to_string(), "2025-01-21T20:34:00Z");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "20250121",
            "20251321T000000Z",
            "20250431T000000Z",
            "2025012xT000000Z",
            "20250121T250000Z",
            "é0250121T00000Z",
        ] {
            assert_eq!(Timestamp::from_compact(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_has_one_form_a_beginning_and_an_end() {
        let day = |text: &str| Timestamp::from_day(text).map(Timestamp::compact);
        assert_eq!(day("2024-02-29").as_deref(), Some("20240229T000000Z"));
        assert_eq!(
            Timestamp::from_day("2024-02-29").map(|day| day.end_of_day().compact()),
            Some("20240229T235959Z".into())
        );
        for text in
            ["2025-02-29", "20250121", "2025-1-21", "2025-01-21T00", "21-01-2025", "2025/01/21", "202a-01-21", ""]
        {
            assert_eq!(day(text), None, "{text}");
        }
    }
}
