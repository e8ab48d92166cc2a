//! The offsets of the operator's time zone, half hour by half hour. A zone's rules are a database of their own that changes
//! several times a year; a server has it, and a component that carried it would be as large as all plugins and out of date.

use hostler_sdk::postgres::{Database, Parameter};
use hostler_sdk::{Timestamp, prelude::*};

/// Seconds: no zone changes its clock between two of them.
const STEP: i64 = 1800;
const DAY: i64 = 86_400;
/// How far apart a zone's clock and UTC are at most, with some room.
const FARTHEST: i64 = 15 * 3600;

/// Offsets from UTC, in seconds, from a time on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Zone {
    start: i64,
    offsets: Vec<i64>,
}

/// A window as it comes about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Seconds since the Unix epoch.
    pub opens: i64,
    pub closes: i64,
}

const OFFSETS: &str = "
    SELECT extract(epoch FROM to_timestamp(s) AT TIME ZONE $2::text)::int8 - s AS seconds FROM unnest($1::int8[]) WITH ORDINALITY AS t (s, place)
    ORDER BY t.place";

impl Zone {
    #[cfg(test)]
    pub fn of(start: i64, offsets: Vec<i64>) -> Self {
        Self { start: start - start.rem_euclid(STEP), offsets }
    }

    /// As a server knows it, between two times.
    pub async fn read(database: &Database, name: &str, from: Timestamp, until: Timestamp) -> Result<Self, TaskError> {
        let start = seconds(from) - seconds(from).rem_euclid(STEP);
        let times: Vec<i64> = (start..=seconds(until)).step_by(STEP as usize).collect();
        let parameters = [Parameter::from(times.as_slice()), name.into()];
        let rows = database.query(OFFSETS, &parameters).await?.rows().await?;
        let offsets = rows.iter().map(|row| row.get("seconds")).collect::<Result<_, _>>()?;
        Ok(Self { start, offsets })
    }

    pub fn offset(&self, at: i64) -> i64 {
        let place = (at - self.start).max(0) / STEP;
        let last = self.offsets.len().saturating_sub(1);
        self.offsets.get(usize::try_from(place).unwrap_or(last).min(last)).copied().unwrap_or_default()
    }

    /// What a clock on the wall shows, as seconds since 1970 began there.
    pub fn local(&self, at: i64) -> i64 {
        at + self.offset(at)
    }

    /// The hour of the day.
    pub fn hour(&self, at: i64) -> usize {
        (self.local(at).rem_euclid(DAY) / 3600) as usize
    }

    /// The first instant at which the clock shows a time, or has jumped over it.
    fn instant(&self, local: i64) -> i64 {
        let from = local - FARTHEST;
        let mut instants = (from - from.rem_euclid(STEP)..=local + FARTHEST).step_by(STEP as usize);
        instants.find(|at| self.local(*at) >= local).unwrap_or(local)
    }

    /// The next windows of `length` hours that open at an hour of the day, as the host opens and closes them.
    pub fn windows(&self, hour: usize, length: usize, after: i64, count: usize) -> Vec<Window> {
        let today = self.local(after).div_euclid(DAY);
        let (hour, length) = (hour as i64 * 3600, length as i64 * 3600);
        (today - 1..)
            .map(|day| {
                let opens = self.instant(day * DAY + hour);
                let closes = self.instant(day * DAY + hour + length);
                // The clock jumps over the whole of it: it is as long as ever, from the jump on.
                Window { opens, closes: if closes > opens { closes } else { opens + length } }
            })
            .filter(|window| window.opens > after)
            .take(count)
            .collect()
    }

    /// `2026-03-29 03:00 +02:00`.
    pub fn shown(&self, at: i64) -> String {
        let offset = self.offset(at);
        let text = Timestamp::from_seconds(at + offset).to_string().replace('T', " ");
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
        format!("{} {sign}{:02}:{:02}", text.get(..16).unwrap_or(&text), minutes / 60, minutes % 60)
    }
}

pub fn seconds(at: Timestamp) -> i64 {
    i64::try_from(at.0 / 1000).unwrap_or(i64::MAX)
}
