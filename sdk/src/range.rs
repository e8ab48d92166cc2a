//! Alert ranges in the Monitoring Plugins syntax, `[@][start:][end]`, and how a value is judged by two of them.
//!
//! The syntax is for whoever writes settings. Whoever reads a finding at night gets the limit in words beside the
//! figure: `, critical above 90 %`.

use std::fmt;

use serde::Deserialize;

use crate::{ByteSize, Duration, Severity};

/// Where a value raises an alert: `80` above 80 or below 0, `10:` below 10, `~:5` above 5, `5:10` outside of 5 to 10,
/// `@5:10` from 5 to 10.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Range {
    start: f64,
    end: f64,
    inside: bool,
}

/// A text that is no alert range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeError(String);

impl fmt::Display for RangeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} is no alert range such as \"80\" or \"10:\"", self.0)
    }
}

impl std::error::Error for RangeError {}

impl Range {
    /// Reads a range.
    ///
    /// # Errors
    /// Where the text is none.
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        let wrong = || RangeError(text.to_owned());
        let bound = |part: &str| part.parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(wrong);
        let (inside, range) = match text.strip_prefix('@') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (start, end) = match range.split_once(':') {
            None => (0.0, bound(range)?),
            Some((start, end)) => (
                if start == "~" { f64::NEG_INFINITY } else { bound(start)? },
                if end.is_empty() { f64::INFINITY } else { bound(end)? },
            ),
        };
        if start > end { Err(wrong()) } else { Ok(Self { start, end, inside }) }
    }

    /// Alerts above `limit`.
    #[must_use]
    pub fn above(limit: f64) -> Self {
        Self { start: f64::NEG_INFINITY, end: limit, inside: false }
    }

    /// Alerts below `limit`.
    #[must_use]
    pub fn below(limit: f64) -> Self {
        Self { start: limit, end: f64::INFINITY, inside: false }
    }

    /// Where it alerts, in words: `above 80 %`, `below 10 %`.
    #[must_use]
    pub fn in_words(&self, measure: Measure) -> String {
        let [start, end] = [self.start, self.end].map(|limit| measure.show(limit));
        let from = self.start != f64::NEG_INFINITY && self.start != 0.0;
        match (self.inside, from, self.end != f64::INFINITY) {
            (false, true, true) => format!("below {start} or above {end}"),
            (false, _, true) => format!("above {end}"),
            (false, ..) => format!("below {start}"),
            (true, true, true) => format!("from {start} to {end}"),
            (true, true, false) => format!("from {start} on"),
            (true, false, _) => format!("up to {end}"),
        }
    }

    /// Whether `value` raises the alert. One that is no number does.
    #[must_use]
    pub fn matches(&self, value: f64) -> bool {
        (self.start..=self.end).contains(&value) == self.inside
    }
}

impl TryFrom<String> for Range {
    type Error = RangeError;

    fn try_from(text: String) -> Result<Self, RangeError> {
        Self::parse(&text)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inside {
            formatter.write_str("@")?;
        }
        if self.start == f64::NEG_INFINITY {
            formatter.write_str("~:")?;
        } else if self.start != 0.0 || self.end == f64::INFINITY {
            write!(formatter, "{}:", self.start)?;
        }
        if self.end == f64::INFINITY { Ok(()) } else { write!(formatter, "{}", self.end) }
    }
}

/// What a figure is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// A count, or a ratio.
    Plain,
    /// Parts of a hundred.
    Percent,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

impl Measure {
    fn show(self, limit: f64) -> String {
        match self {
            Self::Plain => limit.to_string(),
            Self::Percent => format!("{limit} %"),
            Self::Bytes => ByteSize::from_f64(limit).to_string(),
            Self::Seconds => Duration::from_seconds(limit).to_string(),
        }
    }
}

/// The severity of `value`, and the limit that it broke, in words that go on after the figure: `, critical above 90 %`.
/// Empty where it broke none.
#[must_use]
pub fn judged(value: f64, warning: &Range, critical: &Range, measure: Measure) -> (Severity, String) {
    let severity = judge(value, warning, critical);
    let limit = match severity {
        Severity::Critical => format!(", critical {}", critical.in_words(measure)),
        Severity::Warning => format!(", warning {}", warning.in_words(measure)),
        Severity::Ok | Severity::Unknown => String::new(),
    };
    (severity, limit)
}

/// As [`judged`], where larger is worse and the limits are figures.
#[must_use]
pub fn judged_above(value: f64, warning: f64, critical: f64, measure: Measure) -> (Severity, String) {
    judged(value, &Range::above(warning), &Range::above(critical), measure)
}

/// As [`judged`], where smaller is worse and the limits are figures.
#[must_use]
pub fn judged_below(value: f64, warning: f64, critical: f64, measure: Measure) -> (Severity, String) {
    judged(value, &Range::below(warning), &Range::below(critical), measure)
}

/// The severity of `value`. One that is not a number is unknown.
#[must_use]
pub fn judge(value: f64, warning: &Range, critical: &Range) -> Severity {
    if value.is_nan() {
        Severity::Unknown
    } else if critical.matches(value) {
        Severity::Critical
    } else if warning.matches(value) {
        Severity::Warning
    } else {
        Severity::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_belong_to_the_range() {
        for (text, quiet, alerts) in [
            ("80", vec![0.0, 80.0], vec![-0.1, 80.1]),
            ("10:", vec![10.0, 1e9], vec![9.9]),
            ("~:5", vec![-1e9, 5.0], vec![5.1]),
            ("5:10", vec![5.0, 10.0], vec![4.9, 10.1]),
            ("@5:10", vec![4.9, 10.1], vec![5.0, 10.0]),
        ] {
            let range = Range::parse(text).expect(text);
            assert!(quiet.iter().all(|value| !range.matches(*value)), "{text}");
            assert!(alerts.iter().all(|value| range.matches(*value)), "{text}");
            assert_eq!(range.to_string(), text);
        }
    }

    #[test]
    fn the_limit_that_was_broken_stands_beside_the_figure() {
        let range = |text| Range::parse(text).expect(text);
        let said = |value, warning, critical, measure| judged(value, &range(warning), &range(critical), measure).1;
        assert_eq!(said(80.0, "80", "90", Measure::Percent), "");
        assert_eq!(said(85.0, "80", "90", Measure::Percent), ", warning above 80 %");
        assert_eq!(said(95.0, "80", "90", Measure::Percent), ", critical above 90 %");
        assert_eq!(said(4.0, "10:", "5:", Measure::Percent), ", critical below 5 %");
        assert_eq!(said(301.0, "~:30", "~:300", Measure::Seconds), ", critical above 5 min");
        assert_eq!(said(2048.0, "1024", "4096", Measure::Bytes), ", warning above 1.0 KiB");
        assert_eq!(said(3.0, "5:10", "1:20", Measure::Plain), ", warning below 5 or above 10");
        for (text, words) in [("@5:10", "from 5 to 10"), ("@~:5", "up to 5"), ("@5:", "from 5 on")] {
            assert_eq!(range(text).in_words(Measure::Plain), words);
        }
        assert_eq!(judged_above(6.0, 5.0, 9.0, Measure::Plain), (Severity::Warning, ", warning above 5".into()));
        assert_eq!(judged_below(6.0, 9.0, 7.0, Measure::Plain), (Severity::Critical, ", critical below 7".into()));
        assert_eq!(judged(f64::NAN, &range("1"), &range("2"), Measure::Plain), (Severity::Unknown, String::new()));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "@", "x", "20:10", "1:2:3", "inf", "nan:"] {
            assert!(Range::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn critical_goes_before_warning_and_no_number_is_unknown() {
        let (warning, critical) = (Range::above(80.0), Range::above(90.0));
        assert_eq!(judge(80.0, &warning, &critical), Severity::Ok);
        assert_eq!(judge(80.5, &warning, &critical), Severity::Warning);
        assert_eq!(judge(90.5, &warning, &critical), Severity::Critical);
        assert_eq!(judge(f64::NAN, &warning, &critical), Severity::Unknown);
    }
}
