//! Amounts that may be written as a number or as text with a unit: `300`, `"5min"`, `268435456`, `"256MiB"`.

use std::{fmt, time::Duration};

use serde::{
    Deserializer,
    de::{Error, Visitor},
};

struct Amount {
    expected: &'static str,
    unit: fn(&str) -> Option<f64>,
}

impl Visitor<'_> for Amount {
    type Value = u64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.expected)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        self.visit_u64(u64::try_from(number).unwrap_or(0))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        if number == 0 {
            return Err(E::custom(format!("has to be {}, above zero", self.expected)));
        }
        Ok(number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        // The host counts in whole units: what is less than one is rounded up, so that nothing becomes no limit.
        match (self.unit)(text).filter(|amount| amount.is_finite() && *amount > 0.0) {
            Some(amount) => Ok(amount.ceil() as u64),
            None => Err(E::custom(format!("has to be {}", self.expected))),
        }
    }
}

/// A number above zero.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    deserializer.deserialize_any(Amount { expected: "a whole number", unit: |_| None }).map(Some)
}

/// Bytes.
pub(crate) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let expected = "a size such as \"256MiB\", or a number of bytes";
    deserializer.deserialize_any(Amount { expected, unit: hostler_manifest::bytes }).map(Some)
}

/// Seconds.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let expected = "a duration such as \"90s\" or \"5min\", or a number of seconds";
    deserializer.deserialize_any(Amount { expected, unit: hostler_manifest::seconds }).map(Some)
}

/// Seconds, as a duration.
pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    seconds(deserializer).map(|seconds| seconds.map(Duration::from_secs))
}
