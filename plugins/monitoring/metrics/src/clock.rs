//! How far an exporter's clock is from this machine's. A request tells no point but a span: the exporter looked at its
//! clock some time between the question and the answer, and HTTP's Date is cut to whole seconds. Several requests narrow
//! the span, and only where all of it lies beyond the limit is a clock called wrong.

use std::time::{SystemTime, UNIX_EPOCH};

use hostler_sdk::{Timestamp, prelude::*};

/// Seconds since the Unix epoch.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// What the offset may be, in seconds: above zero the exporter is ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    pub least: f64,
    pub most: f64,
}

/// An exporter's clock in one answer, which was asked for at `asked` and had at `answered`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    pub asked: f64,
    pub answered: f64,
    /// The header, in whole seconds.
    pub date: Option<f64>,
    /// node_time_seconds.
    pub time: Option<f64>,
    /// The latest time that a sample carries.
    pub latest: Option<f64>,
}

impl Span {
    pub const OPEN: Self = Self { least: f64::NEG_INFINITY, most: f64::INFINITY };

    pub fn and(self, other: Self) -> Self {
        Self { least: self.least.max(other.least), most: self.most.min(other.most) }
    }

    pub fn is_known(self) -> bool {
        self.least.is_finite() && self.most.is_finite() && self.least <= self.most
    }

    pub fn middle(self) -> f64 {
        (self.least + self.most) / 2.0
    }

    /// How far the middle may be from the truth.
    pub fn resolution(self) -> f64 {
        (self.most - self.least) / 2.0
    }

    /// Whether all of it lies beyond the limit.
    pub fn is_beyond(self, limit: f64) -> bool {
        self.least > limit || self.most < -limit
    }

    pub fn in_words(self) -> String {
        let [least, most] = [self.least, self.most].map(Duration::from_seconds);
        match (self.least.is_finite(), self.most.is_finite()) {
            (true, true) => format!("between {least} and {most} ahead"),
            (true, false) => format!("at least {least} ahead"),
            (false, true) => format!("at most {most} ahead"),
            (false, false) => "not told".into(),
        }
    }
}

impl Seen {
    pub fn span(&self) -> Span {
        let mut span = Span::OPEN;
        if let Some(date) = self.date {
            span = span.and(Span { least: date - self.answered, most: date + 1.0 - self.asked });
        }
        if let Some(time) = self.time {
            span = span.and(Span { least: time - self.answered, most: time - self.asked });
        }
        // A sample is no younger than the clock that dated it.
        if let Some(latest) = self.latest {
            span = span.and(Span { least: latest - self.answered, most: f64::INFINITY });
        }
        span
    }
}

/// Of all answers. Where they contradict each other, the clock was set in between, and nothing is known.
pub fn narrowed(seen: &[Seen]) -> Span {
    seen.iter().fold(Span::OPEN, |span, one| span.and(one.span()))
}

/// `Fri, 27 Nov 2026 11:17:11 GMT`, in seconds.
pub fn date(text: &str) -> Option<f64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    let compact = format!("{year}{month:02}{day:0>2}T{}Z", time.replace(':', ""));
    Timestamp::from_compact(&compact).map(|at| at.0 as f64 / 1000.0)
}
