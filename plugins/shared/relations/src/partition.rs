//! Range partitions and their bounds, as numbers that can be compared: the server tells a bound as text alone. The
//! host's sessions are in UTC and print ISO dates, so the text of a bound is the same for every server and operator.

use std::fmt;

use hostler_sdk::postgres::{Database, Parameter};
use hostler_sdk::prelude::*;

use crate::table::Name;

/// How a table is partitioned.
pub const KEY: &str = "
    SELECT p.partstrat::text AS strategy, p.partnatts::int8 AS columns, a.attname::text AS name,
        format_type(a.atttypid, NULL) AS type
    FROM pg_partitioned_table p
    LEFT JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] AND a.attnum > 0
    WHERE p.partrelid::int8 = $1::int8";

/// The partitions of a table, not those of its partitions.
pub const PARTITIONS: &str = "
    SELECT n.nspname::text AS schema, c.relname::text AS name, c.oid::int8 AS oid,
        pg_get_expr(c.relpartbound, c.oid) AS bound, i.inhdetachpending AS pending, c.relkind::text AS kind
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE i.inhparent::int8 = $1::int8 ORDER BY 1, 2";

/// What the partition key's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// timestamptz.
    Moment,
    /// timestamp.
    Local,
    /// date.
    Day,
    /// int2, int4, int8.
    Number,
}

impl Kind {
    /// Of a type as SQL has it.
    #[must_use]
    pub fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "timestamp with time zone" => Self::Moment,
            "timestamp without time zone" => Self::Local,
            "date" => Self::Day,
            "smallint" | "integer" | "bigint" => Self::Number,
            _ => return None,
        })
    }

    /// Whether it is a time.
    #[must_use]
    pub fn is_time(self) -> bool {
        self != Self::Number
    }

    /// A value of it as SQL has it: microseconds since 1970, or the number.
    #[must_use]
    pub fn literal(self, value: i64) -> String {
        match self {
            Self::Number => value.to_string(),
            Self::Day => format!("'{}'", text_of(value, false)),
            Self::Local => format!("'{}'", text_of(value, true)),
            Self::Moment => format!("'{}+00'", text_of(value, true)),
        }
    }
}

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// MINVALUE.
    Least,
    /// Microseconds since 1970, or the number.
    At(i64),
    /// MAXVALUE.
    Greatest,
}

/// What a partition takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// From the first on, up to the second.
    Range(End, End),
    /// Whatever no other takes.
    Default,
    /// Something that is not read here: several columns, another type, a list.
    Other,
}

impl Bound {
    /// Reads `FOR VALUES FROM ('2025-01-01') TO (MAXVALUE)` or `DEFAULT`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == "DEFAULT" {
            return Self::Default;
        }
        let ends = text.strip_prefix("FOR VALUES FROM (").and_then(|rest| rest.strip_suffix(')'));
        let ends = ends.and_then(|rest| rest.split_once(") TO ("));
        match ends.and_then(|(from, to)| Some((end(from)?, end(to)?))) {
            Some((from, to)) => Self::Range(from, to),
            None => Self::Other,
        }
    }

    /// Whether it lies between two values, the second not included.
    #[must_use]
    pub fn lies_within(self, from: i64, to: i64) -> bool {
        matches!(self, Self::Range(first, last) if first >= End::At(from) && last <= End::At(to))
    }
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its name.
    pub name: Name,
    /// Its number.
    pub oid: i64,
    /// What it takes.
    pub bound: Bound,
    /// Whether it is a table with rows of its own; it may have partitions itself, or be a foreign table.
    pub plain: bool,
    /// Whether a DETACH CONCURRENTLY of it broke off.
    pub pending: bool,
}

/// How a table is partitioned, and its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partitioned {
    /// The key's column; nothing where it has several, or an expression, or is no range.
    pub key: Option<(String, Kind)>,
    /// In words, where it has no such key.
    pub strategy: String,
    /// The partitions, in the order of their bounds.
    pub partitions: Vec<Partition>,
}

impl Partitioned {
    /// Looks at a table by its number.
    ///
    /// # Errors
    /// Where the catalogue cannot be read, or it is not partitioned.
    pub async fn look(database: &Database, oid: i64) -> Result<Self, TaskError> {
        let key = database.query(KEY, &[Parameter::from(oid)]).await?.one().await?;
        Self::of(&key, &database.query(PARTITIONS, &[Parameter::from(oid)]).await?.rows().await?)
    }

    /// What the rows say.
    ///
    /// # Errors
    /// Where a row is not as the statement makes it.
    pub fn of(key: &Row, rows: &Rows) -> Result<Self, TaskError> {
        let (strategy, columns): (String, i64) = (key.get("strategy")?, key.get("columns")?);
        let kind = key.get::<Option<String>>("type")?.and_then(|kind| Kind::of(&kind));
        let name: Option<String> = key.get("name")?;
        let single = (strategy == "r" && columns == 1).then_some(()).and(name).zip(kind);
        let strategy = match (strategy.as_str(), columns) {
            ("l", _) => "by list",
            ("h", _) => "by hash",
            (_, 1) => "by range of an expression or of a type that is no time and no whole number",
            _ => "by range of several columns",
        };
        let partition = |row: Row| -> Result<Partition, TaskError> {
            let bound: Option<String> = row.get("bound")?;
            Ok(Partition {
                name: Name { schema: row.get("schema")?, name: row.get("name")? },
                oid: row.get("oid")?,
                bound: bound.map_or(Bound::Other, |bound| Bound::parse(&bound)),
                plain: row.get::<String>("kind")? == "r",
                pending: row.get("pending")?,
            })
        };
        let mut partitions: Vec<Partition> = rows.iter().map(partition).collect::<Result<_, _>>()?;
        partitions.sort_by_key(|partition| partition.bound);
        Ok(Self { key: single, strategy: strategy.into(), partitions })
    }

    /// The partition that takes whatever no other does.
    #[must_use]
    pub fn default(&self) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.bound == Bound::Default)
    }

    /// What takes a partition off: beside the traffic, unless there is one for the rest, which forbids it.
    #[must_use]
    pub fn detach(&self, parent: &Name, partition: &Partition) -> String {
        let how = match (partition.pending, self.default()) {
            (true, _) => " FINALIZE",
            (false, None) => " CONCURRENTLY",
            (false, Some(_)) => "",
        };
        format!("ALTER TABLE {} DETACH PARTITION {}{how}", parent.quoted(), partition.name.quoted())
    }
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Least => formatter.write_str("MINVALUE"),
            Self::Greatest => formatter.write_str("MAXVALUE"),
            Self::At(value) => write!(formatter, "{value}"),
        }
    }
}

fn end(text: &str) -> Option<End> {
    match text {
        "MINVALUE" => return Some(End::Least),
        "MAXVALUE" => return Some(End::Greatest),
        _ => {}
    }
    let quoted = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let inside = quoted.unwrap_or(text);
    inside.parse().ok().or_else(|| microseconds(inside)).map(End::At)
}

/// Microseconds since 1970 of `2025-01-31`, `2025-01-31 10:20:30.5` or `2025-01-31 10:20:30+00`.
#[must_use]
pub fn microseconds(text: &str) -> Option<i64> {
    let text = text.strip_suffix("+00").unwrap_or(text);
    let (date, time) = text.split_once(' ').unwrap_or((text, "00:00:00"));
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (whole, part) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = whole.split(':');
    let (hour, minute, second) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    if parts.next().is_some() || part.len() > 6 {
        return None;
    }
    let part = if part.is_empty() { 0 } else { number(&format!("{part:0<6}"))? };
    let days = days(year, month, day);
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + part)
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A time as the server writes it.
#[must_use]
pub fn text_of(microseconds: i64, with_time: bool) -> String {
    let seconds = microseconds.div_euclid(1_000_000);
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let date = format!("{year:04}-{month:02}-{day:02}");
    if !with_time {
        return date;
    }
    let (rest, part) = (seconds.rem_euclid(86_400), microseconds.rem_euclid(1_000_000));
    let part = if part == 0 { String::new() } else { format!(".{part:06}") };
    format!("{date} {:02}:{:02}:{:02}{part}", rest / 3600, rest % 3600 / 60, rest % 60)
}

/// Days since 1970-01-01 in the Gregorian calendar.
#[must_use]
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

/// The year, month and day of days since 1970-01-01.
#[must_use]
pub fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = (year + era * 400, if month < 10 { month + 3 } else { month - 9 });
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_the_server_prints_them() {
        let bound = |from: &str, to: &str| Bound::parse(&format!("FOR VALUES FROM ({from}) TO ({to})"));
        let day = |text| microseconds(text).unwrap();
        assert_eq!(
            bound("'2025-01-01'", "'2025-02-01'"),
            Bound::Range(End::At(day("2025-01-01")), End::At(day("2025-02-01")))
        );
        assert_eq!(
            bound("'2025-01-01 00:00:00+00'", "MAXVALUE"),
            Bound::Range(End::At(day("2025-01-01")), End::Greatest)
        );
        assert_eq!(bound("MINVALUE", "1000"), Bound::Range(End::Least, End::At(1000)));
        assert_eq!(bound("'-5'", "'1000'"), Bound::Range(End::At(-5), End::At(1000)));
        assert_eq!(Bound::parse("DEFAULT"), Bound::Default);
        for other in
            ["FOR VALUES IN ('a')", "FOR VALUES FROM (1, 2) TO (3, 4)", "FOR VALUES WITH (modulus 2, remainder 0)"]
        {
            assert_eq!(Bound::parse(other), Bound::Other, "{other}");
        }
        let january = bound("'2025-01-01'", "'2025-02-01'");
        assert!(january.lies_within(day("2025-01-01"), day("2025-02-01")) && january.lies_within(0, day("2025-03-01")));
        assert!(
            !january.lies_within(day("2025-01-02"), day("2025-03-01")) && !january.lies_within(0, day("2025-01-31"))
        );
        assert!(!Bound::Default.lies_within(i64::MIN, i64::MAX));
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for text in [
            "1970-01-01 00:00:00",
            "2024-02-29 23:59:59.000001",
            "1969-12-31 12:00:00",
            "0001-01-01 00:00:00",
            "9999-12-31 00:00:00",
        ] {
            assert_eq!(text_of(microseconds(text).unwrap(), true), text);
        }
        assert_eq!(microseconds("2025-01-01 00:00:00+00"), microseconds("2025-01-01"));
        for text in
            ["", "2025-13-01", "2025-01-32", "2025-1", "x", "2025-01-01 10", "infinity", "2025-01-01 00:00:00+02"]
        {
            assert_eq!(microseconds(text), None, "{text}");
        }
        let day = microseconds("2025-03-01").unwrap();
        assert_eq!(Kind::Moment.literal(day), "'2025-03-01 00:00:00+00'");
        assert_eq!((Kind::Day.literal(day), Kind::Number.literal(-7)), ("'2025-03-01'".into(), "-7".into()));
    }
}
