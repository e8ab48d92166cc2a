//! How wide a partition is, and what the next one is called: both as the last ones have it. Months are no fixed number
//! of days, so a width is a number of months where the bounds say so, and a difference else.

use shared_relations::partition::{Kind, civil, days, text_of};

const DAY: i64 = 86_400_000_000;

/// How wide partitions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Months(i64),
    /// Microseconds, or numbers.
    Fixed(i64),
}

impl Width {
    /// That of a partition; nothing where it has none.
    pub fn of(kind: Kind, from: i64, to: i64) -> Option<Self> {
        if to <= from {
            return None;
        }
        if kind.is_time() {
            let ((year, month, day), (year_after, month_after, day_after)) = (date(from), date(to));
            let months = (year_after - year) * 12 + month_after - month;
            if months > 0 && day == day_after && from.rem_euclid(DAY) == to.rem_euclid(DAY) {
                return Some(Self::Months(months));
            }
        }
        Some(Self::Fixed(to - from))
    }

    /// Where a partition that begins there ends; nothing beyond what can be counted.
    pub fn after(self, from: i64) -> Option<i64> {
        match self {
            Self::Fixed(width) => from.checked_add(width),
            Self::Months(months) => {
                let (year, month, day) = date(from);
                let number = year * 12 + month - 1 + months;
                let start = days(number.div_euclid(12), number.rem_euclid(12) + 1, day);
                start.checked_mul(DAY)?.checked_add(from.rem_euclid(DAY))
            }
        }
    }
}

fn date(microseconds: i64) -> (i64, i64, i64) {
    civil(microseconds.div_euclid(DAY))
}

/// The ways in which names tell a beginning, the longest first.
const FORMATS: [&str; 12] = [
    "YYYY_MM_DD_HH",
    "YYYYMMDD_HH",
    "YYYYMMDDHH",
    "YYYY_MM_DD",
    "YYYY-MM-DD",
    "YYYYMMDD",
    "YYYY_MM",
    "YYYY-MM",
    "YYYYMM",
    "yYYYYmMM",
    "YYYY",
    "N",
];

fn written(format: &str, kind: Kind, from: i64) -> String {
    if format == "N" || !kind.is_time() {
        return if kind.is_time() { String::new() } else { from.to_string() };
    }
    let text = text_of(from, true);
    let (date, time) = text.split_once(' ').unwrap_or((&text, ""));
    let mut parts = date.split('-');
    let mut part = || parts.next().unwrap_or_default();
    let (year, month, day) = (part(), part(), part());
    format
        .replace("YYYY", year)
        .replace("MM", month)
        .replace("DD", day)
        .replace("HH", time.get(..2).unwrap_or_default())
}

/// What the partition behind `last` is called, which began at `from`; `next` is where it begins.
pub fn name(parent: &str, last: &str, kind: Kind, from: i64, next: i64) -> String {
    let like = FORMATS.iter().find_map(|format| {
        let text = written(format, kind, from);
        let place = (!text.is_empty()).then(|| last.rfind(&text)).flatten()?;
        // A digit beside it belongs to another number.
        let alone = |letter: Option<char>| !letter.is_some_and(|letter| letter.is_ascii_digit());
        let (before, behind) = (&last[..place], &last[place + text.len()..]);
        let fits = alone(before.chars().next_back()) && alone(behind.chars().next()) && tells(format, kind, from, next);
        fits.then(|| format!("{before}{}{behind}", written(format, kind, next)))
    });
    like.unwrap_or_else(|| {
        let format = if next.rem_euclid(DAY) == 0 { "YYYYMMDD" } else { "YYYYMMDD_HH" };
        format!("{parent}_p{}", written(format, kind, next))
    })
}

/// Whether a format tells one beginning from the next.
fn tells(format: &str, kind: Kind, from: i64, next: i64) -> bool {
    written(format, kind, from) != written(format, kind, next)
}

#[cfg(test)]
mod tests {
    use shared_relations::partition::microseconds;

    use super::*;

    fn at(text: &str) -> i64 {
        microseconds(text).unwrap()
    }

    #[test]
    fn months_are_months_and_the_rest_is_a_difference() {
        let width = |from, to| Width::of(Kind::Moment, at(from), at(to));
        assert_eq!(width("2025-01-01", "2025-02-01"), Some(Width::Months(1)));
        assert_eq!(width("2024-01-01", "2025-01-01"), Some(Width::Months(12)));
        assert_eq!(width("2024-10-01", "2025-01-01"), Some(Width::Months(3)));
        assert_eq!(width("2025-01-06", "2025-01-13"), Some(Width::Fixed(7 * DAY)));
        assert_eq!(width("2025-01-01 00:00:00", "2025-01-01 06:00:00"), Some(Width::Fixed(DAY / 4)));
        assert_eq!(
            (width("2025-01-01", "2025-01-01"), Width::of(Kind::Number, 0, 1000)),
            (None, Some(Width::Fixed(1000)))
        );
        assert_eq!(Width::Months(1).after(at("2025-01-01")), Some(at("2025-02-01")));
        assert_eq!(Width::Months(3).after(at("2024-11-01 12:00:00")), Some(at("2025-02-01 12:00:00")));
        assert_eq!(Width::Fixed(1).after(i64::MAX), None);
    }

    #[test]
    fn the_next_is_called_as_the_last_one_is() {
        let name = |last, from, next| name("orders", last, Kind::Moment, at(from), at(next));
        assert_eq!(name("orders_2025_01", "2025-01-01", "2025-02-01"), "orders_2025_02");
        assert_eq!(name("orders_y2025m12", "2025-12-01", "2026-01-01"), "orders_y2026m01");
        assert_eq!(name("orders_p20250131", "2025-01-31", "2025-02-01"), "orders_p20250201");
        assert_eq!(name("orders_2024", "2024-01-01", "2025-01-01"), "orders_2025");
        assert_eq!(name("2024-12-orders", "2024-12-01", "2025-01-01"), "2025-01-orders");
        assert_eq!(name("orders_2025", "2025-01-01", "2025-02-01"), "orders_p20250201", "a year alone tells no months");
        assert_eq!(name("orders_current", "2025-01-01", "2025-02-01"), "orders_p20250201");
        assert_eq!(name("orders_12025", "2025-01-01", "2026-01-01"), "orders_p20260101", "it is another number");
        assert_eq!(name("o_20250101_06", "2025-01-01 06:00:00", "2025-01-01 12:00:00"), "o_20250101_12");
        assert_eq!(super::name("events", "events_1000", Kind::Number, 1000, 2000), "events_2000");
        assert_eq!(super::name("events", "events_a", Kind::Number, 1000, 2000), "events_p2000");
    }
}
