//! The window of VACUUM FULL: a part of the day, in the operator's time zone. What time it is there the server says,
//! which has the time zones.

use hostler_sdk::postgres::{Database, Parameter};
use hostler_sdk::prelude::*;

pub const NOW: &str = "SELECT to_char(clock_timestamp() AT TIME ZONE $1::text, 'HH24:MI') AS now";

/// Minutes of the day: from, and up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(u32, u32);

impl Window {
    /// Reads `01:00-05:00`; nothing where it is empty.
    pub fn parse(text: &str) -> Result<Option<Self>, TaskError> {
        if text.is_empty() {
            return Ok(None);
        }
        let window = text.split_once('-').and_then(|(from, to)| Some(Self(minutes(from)?, minutes(to)?)));
        match window.filter(|window| window.0 != window.1) {
            Some(window) => Ok(Some(window)),
            None => Err(TaskError::new(format!("window = {text:?} is no part of a day"))
                .remedy("write it as in \"01:00-05:00\", or \"22:00-02:00\" across midnight")),
        }
    }

    /// How long the window is still open at a time of the day; nothing where it is closed.
    pub fn left(self, now: u32) -> Option<Duration> {
        const DAY: u32 = 24 * 60;
        let (since, length) = ((now + DAY - self.0) % DAY, (self.1 + DAY - self.0) % DAY);
        (since < length).then(|| Duration::from_seconds(f64::from(length - since) * 60.0))
    }

    /// How long it is still open now.
    pub async fn open(self, database: &Database, zone: &str) -> Result<Option<Duration>, TaskError> {
        let row = database.query(NOW, &[Parameter::from(zone)]).await?.one().await?;
        let now: String = row.get("now")?;
        Ok(minutes(&now).and_then(|now| self.left(now)))
    }
}

/// Of `05:30`.
fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| (text.len() == 2).then(|| text.parse::<u32>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}
