//! A maintenance window: the hours of a day in which changes may be made, across midnight too.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Time, tz::TimeZone};
use thiserror::Error;

use crate::{moment::instant, schedule::clock};

/// The hours of each day in which changes may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Window {
    /// When it opens.
    pub from: Time,
    /// When it closes: on the next day where this is not after `from`. Midnight is the end of the day.
    pub to: Time,
}

/// The words of a window are not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("is {0:?}, which is no window: {1}; write \"02:00-05:00\", or \"22:00-04:00\" across midnight")]
pub struct WindowError(String, &'static str);

impl Window {
    /// When it closes, where it is open at `at` in `zone`.
    pub fn open_at(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.around(at, zone).find(|(opens, closes)| *opens <= at && at < *closes).map(|(_, closes)| closes)
    }

    /// When it opens next after `after` in `zone`.
    pub fn opens_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.around(after, zone).map(|(opens, _)| opens).filter(|opens| *opens > after).min()
    }

    /// Whether the clock's time is inside, on a day on which the clock is not put forward or back.
    pub(crate) fn holds(&self, time: Time) -> bool {
        if self.from < self.to { self.from <= time && time < self.to } else { time >= self.from || time < self.to }
    }

    /// The windows of the days around, as they open and close.
    fn around(&self, at: Timestamp, zone: &TimeZone) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let today = zone.to_datetime(at).date();
        (-2..=2).filter_map(move |day| {
            let date = today.checked_add(day.days()).ok()?;
            let end = if self.to <= self.from { date.tomorrow().ok()? } else { date };
            let opens = instant(date.to_datetime(self.from), zone)?;
            let closes = instant(end.to_datetime(self.to), zone)?;
            if opens < closes {
                return Some((opens, closes));
            }
            // The clock jumps over the whole of it: it is as long as ever, from the jump on.
            Some((opens, opens.checked_add(self.length()).ok()?))
        })
    }

    fn length(&self) -> SignedDuration {
        let minutes = |time: Time| i64::from(time.hour()) * 60 + i64::from(time.minute());
        SignedDuration::from_mins((minutes(self.to) - minutes(self.from)).rem_euclid(24 * 60))
    }
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let wrong = |problem| WindowError(text.chars().take(60).collect(), problem);
        let (from, to) = text.split_once('-').ok_or_else(|| wrong("it has no hyphen between two times"))?;
        let from = clock(from.trim()).ok_or_else(|| wrong("a time is written 02:00"))?;
        let to = match to.trim() {
            "24:00" => Time::midnight(),
            to => clock(to).ok_or_else(|| wrong("a time is written 05:00"))?,
        };
        if from == to {
            return Err(wrong("it closes when it opens; leave the window out where every hour will do"));
        }
        Ok(Self { from, to })
    }
}

impl TryFrom<String> for Window {
    type Error = WindowError;

    fn try_from(text: String) -> Result<Self, WindowError> {
        text.parse()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        write!(formatter, "{:02}:{:02}-{:02}:{:02}", from.hour(), from.minute(), to.hour(), to.minute())
    }
}
