//! When a procedure is due.
//!
//! Written in words rather than in cron's columns, since an operator reads it aloud in the night: `daily 03:00`,
//! `Mon,Thu 04:30`, `monthly 1 03:00`, `hourly :15`.

use std::{fmt, str::FromStr};

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};
use thiserror::Error;

use crate::moment::{instant, jumps_an_hour_over, second_instant};

/// When a procedure is due.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Schedule {
    text: String,
    rhythm: Rhythm,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rhythm {
    Hourly { minute: i8 },
    Daily { time: Time },
    Weekly { days: Vec<Weekday>, time: Time },
    Monthly { day: i8, time: Time },
}

/// The words of a schedule are not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "is {0:?}, which is no schedule: {1}; write \"daily 03:00\", \"Sun 03:00\", \"Mon,Thu 04:30\", \"monthly 1 03:00\" or \"hourly :15\""
)]
pub struct ScheduleError(String, &'static str);

impl Schedule {
    /// The next instant after `after` at which it is due in `zone`.
    ///
    /// A time that does not exist on that day, because the clock is put forward, is the instant of the shift; one that
    /// occurs twice is its first. An hourly one counts the hours that pass: it is due in both hours where the clock
    /// shows one twice, and not between two where the clock leaves one out. A monthly one of a day that the month does
    /// not have is due on its last day.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Timestamp {
        let today = zone.to_datetime(after);
        let due = match &self.rhythm {
            Rhythm::Hourly { minute } => hours(today)
                .filter_map(|hour| hour.with().minute(*minute).build().ok())
                .flat_map(|time| hourly(time, zone))
                .filter(|due| *due > after)
                .min(),
            Rhythm::Daily { time } => earliest(days(today.date(), 3), *time, zone, after),
            Rhythm::Weekly { days: weekdays, time } => {
                let dates = days(today.date(), 15).filter(|date| weekdays.contains(&date.weekday()));
                earliest(dates, *time, zone, after)
            }
            Rhythm::Monthly { day, time } => {
                let dates = (-1..=2).filter_map(|months| {
                    let first = today.date().first_of_month().checked_add(months.months()).ok()?;
                    first.with().day((*day).min(first.days_in_month())).build().ok()
                });
                earliest(dates, *time, zone, after)
            }
        };
        // Only at the end of time is there no next one.
        due.unwrap_or(Timestamp::MAX)
    }

    /// The time of day at which it is due, where it is a single one.
    pub(crate) fn time(&self) -> Option<Time> {
        match &self.rhythm {
            Rhythm::Hourly { .. } => None,
            Rhythm::Daily { time } | Rhythm::Weekly { time, .. } | Rhythm::Monthly { time, .. } => Some(*time),
        }
    }
}

/// The dates from the day before `today` on; the clocks of no zone are further apart within one.
fn days(today: Date, count: i32) -> impl Iterator<Item = Date> {
    (-1..count).filter_map(move |day| today.checked_add(day.days()).ok())
}

fn earliest(dates: impl Iterator<Item = Date>, time: Time, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    dates.filter_map(|date| instant(date.to_datetime(time), zone)).filter(|due| *due > after).min()
}

/// The hours around `now`, wide enough for the longest shift of a clock, which is a day.
fn hours(now: DateTime) -> impl Iterator<Item = DateTime> {
    let hour = now.with().minute(0).second(0).subsec_nanosecond(0).build().unwrap_or(now);
    (-26..=27).filter_map(move |hours| hour.checked_add(hours.hours()).ok())
}

fn hourly(time: DateTime, zone: &TimeZone) -> impl Iterator<Item = Timestamp> {
    let first = if jumps_an_hour_over(time, zone) { None } else { instant(time, zone) };
    let second = second_instant(time, zone)
        .filter(|second| first.is_some_and(|first| second.duration_since(first).as_secs() >= 3600));
    first.into_iter().chain(second)
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let wrong = |problem| ScheduleError(text.chars().take(60).collect(), problem);
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let at = |word: &str| clock(word).ok_or_else(|| wrong("a time is written 03:00"));
        let rhythm = match words.as_slice() {
            ["hourly"] => Rhythm::Hourly { minute: 0 },
            ["hourly", minute] => {
                let minute = minute.strip_prefix(':').filter(|digits| digits.len() == 2);
                let minute = minute.and_then(|digits| digits.parse().ok()).filter(|minute| (0..60).contains(minute));
                Rhythm::Hourly { minute: minute.ok_or_else(|| wrong("a minute is written :15"))? }
            }
            [time] if time.contains(':') => Rhythm::Daily { time: at(time)? },
            ["daily", time] => Rhythm::Daily { time: at(time)? },
            ["monthly", day, time] => {
                let day = day.parse().ok().filter(|day| (1..=31).contains(day));
                Rhythm::Monthly { day: day.ok_or_else(|| wrong("a day is a number from 1 to 31"))?, time: at(time)? }
            }
            ["monthly", _] => return Err(wrong("it lacks the day or the time")),
            ["daily"] => return Err(wrong("it lacks the time")),
            [days, time] => {
                let days = weekdays(days).ok_or_else(|| wrong("a day is Mon, Tue, Wed, Thu, Fri, Sat or Sun"))?;
                Rhythm::Weekly { days, time: at(time)? }
            }
            _ => return Err(wrong("it has too few or too many words")),
        };
        Ok(Self { text: words.join(" "), rhythm })
    }
}

impl TryFrom<String> for Schedule {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Self, ScheduleError> {
        text.parse()
    }
}

impl Schedule {
    /// The same as calendar events of systemd's, without their time zone; it is due at each of them.
    pub fn on_calendar(&self) -> Vec<String> {
        let at = |time: &Time| format!("{:02}:{:02}:00", time.hour(), time.minute());
        match &self.rhythm {
            Rhythm::Hourly { minute } => vec![format!("*-*-* *:{minute:02}:00")],
            Rhythm::Daily { time } => vec![format!("*-*-* {}", at(time))],
            Rhythm::Weekly { days, time } => {
                let days: Vec<String> = days.iter().map(|day| format!("{day:?}").chars().take(3).collect()).collect();
                vec![format!("{} *-*-* {}", days.join(","), at(time))]
            }
            Rhythm::Monthly { day: 31, time } => vec![format!("*-*~01 {}", at(time))],
            // February's last day stands for a day that it does not have.
            Rhythm::Monthly { day: day @ 29..=30, time } => {
                vec![format!("*-01,03,04,05,06,07,08,09,10,11,12-{day} {}", at(time)), format!("*-02~01 {}", at(time))]
            }
            Rhythm::Monthly { day, time } => vec![format!("*-*-{day:02} {}", at(time))],
        }
    }

    /// The same as cron's five columns, each with whether it is due only where the day is its month's last, which cron
    /// has no word for.
    pub fn columns(&self) -> Vec<(String, bool)> {
        let at = |time: &Time| format!("{} {}", time.minute(), time.hour());
        match &self.rhythm {
            Rhythm::Hourly { minute } => vec![(format!("{minute} * * * *"), false)],
            Rhythm::Daily { time } => vec![(format!("{} * * *", at(time)), false)],
            Rhythm::Weekly { days, time } => {
                let days: Vec<String> = days.iter().map(|day| day.to_sunday_zero_offset().to_string()).collect();
                vec![(format!("{} * * {}", at(time), days.join(",")), false)]
            }
            Rhythm::Monthly { day: 31, time } => vec![(format!("{} 28-31 * *", at(time)), true)],
            Rhythm::Monthly { day: day @ 29..=30, time } => {
                vec![(format!("{} {day} 1,3-12 *", at(time)), false), (format!("{} 28-29 2 *", at(time)), true)]
            }
            Rhythm::Monthly { day, time } => vec![(format!("{} {day} * *", at(time)), false)],
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// `03:00`; one digit for the hour will do.
pub(crate) fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        let right = lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        right.then(|| part.parse::<i8>().ok()).flatten()
    };
    Time::new(digits(hour, 1..=2)?, digits(minute, 2..=2)?, 0, 0).ok()
}

/// `mon,thu`, `mon-fri`, whole names too.
fn weekdays(text: &str) -> Option<Vec<Weekday>> {
    let mut days = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            None => days.push(weekday(part)?),
            Some((from, to)) => {
                let (from, to) = (weekday(from)?, weekday(to)?);
                days.extend(from.cycle_forward().take(1 + usize::try_from(from.until(to)).ok()?));
            }
        }
    }
    Some(days)
}

fn weekday(text: &str) -> Option<Weekday> {
    const NAMES: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    NAMES.iter().find(|(name, _)| *name == text || name[..3] == *text).map(|(_, day)| *day)
}
