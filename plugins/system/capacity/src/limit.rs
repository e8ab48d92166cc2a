//! Limits as an operator writes them: a number, or bytes with their unit.

use std::collections::BTreeMap;

use hostler_sdk::TaskError;

const UNITS: [(&str, f64); 9] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("", 1.0),
];

/// The limits by their metric.
pub(crate) fn read(written: &BTreeMap<String, String>) -> Result<BTreeMap<String, f64>, TaskError> {
    let each = written.iter().map(|(metric, limit)| {
        let value = value(limit).ok_or_else(|| {
            TaskError::new(format!("settings.limits.{metric} is {limit:?}, which is no number"))
                .remedy("write the value at which the metric is at its end, such as \"100\", or \"500GB\" for bytes")
        })?;
        Ok((metric.clone(), value))
    });
    each.collect()
}

fn value(text: &str) -> Option<f64> {
    let (number, factor) = UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    let number: f64 = number.trim().parse().ok()?;
    number.is_finite().then_some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_bytes_with_their_unit() {
        for (text, expected) in [
            ("100", Some(100.0)),
            ("-5.5", Some(-5.5)),
            ("500GB", Some(5e11)),
            ("1.5 KiB", Some(1536.0)),
            ("2kB", Some(2e3)),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
        for text in ["", "much", "GB", "inf", "nan", "5XB", "5B"] {
            assert_eq!(value(text), None, "{text}");
        }
        let error = read(&BTreeMap::from([("a".to_owned(), "much".to_owned())])).unwrap_err().to_string();
        assert!(error.contains("settings.limits.a is \"much\", which is no number"), "{error}");
    }
}
