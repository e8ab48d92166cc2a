//! Alert ranges in the Monitoring Plugins syntax, `[@][start:][end]`, and how a value is judged by two of them.

use std::fmt;

use serde::Deserialize;

use crate::Severity;

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
