//! When release lines begin, get long-term support and end. A table, because a machine that is looked after at night
//! need not reach the internet; what it does not have yet is the operator's to add.
//!
//! From github.com/nodejs/Release, schedule.json, as of 2026-07-02. From line 27 on every line gets long-term support.

use hostler_sdk::Timestamp;

/// A release line. Days are written as they are read.
#[derive(Debug, Clone, Copy)]
struct Line {
    major: u32,
    support: Option<&'static str>,
    end: &'static str,
    codename: &'static str,
}

const fn line(major: u32, support: Option<&'static str>, end: &'static str, codename: &'static str) -> Line {
    Line { major, support, end, codename }
}

const LINES: [Line; 24] = [
    line(4, Some("2015-10-12"), "2018-04-30", "argon"),
    line(5, None, "2016-06-30", ""),
    line(6, Some("2016-10-18"), "2019-04-30", "boron"),
    line(7, None, "2017-06-30", ""),
    line(8, Some("2017-10-31"), "2019-12-31", "carbon"),
    line(9, None, "2018-06-30", ""),
    line(10, Some("2018-10-30"), "2021-04-30", "dubnium"),
    line(11, None, "2019-06-01", ""),
    line(12, Some("2019-10-21"), "2022-04-30", "erbium"),
    line(13, None, "2020-06-01", ""),
    line(14, Some("2020-10-27"), "2023-04-30", "fermium"),
    line(15, None, "2021-06-01", ""),
    line(16, Some("2021-10-26"), "2023-09-11", "gallium"),
    line(17, None, "2022-06-01", ""),
    line(18, Some("2022-10-25"), "2025-04-30", "hydrogen"),
    line(19, None, "2023-06-01", ""),
    line(20, Some("2023-10-24"), "2026-04-30", "iron"),
    line(21, None, "2024-06-01", ""),
    line(22, Some("2024-10-29"), "2027-04-30", "jod"),
    line(23, None, "2025-06-01", ""),
    line(24, Some("2025-10-28"), "2028-04-30", "krypton"),
    line(25, None, "2026-06-01", ""),
    line(26, Some("2026-10-28"), "2029-04-30", ""),
    line(27, None, "2030-04-30", ""),
];

/// The first line of which odd ones get long-term support too.
const EACH_SUPPORTED: u32 = 27;

/// When a line's life ends, as the table has it.
pub(crate) fn end_of_life(major: u32) -> Option<&'static str> {
    LINES.iter().find(|line| line.major == major).map(|line| line.end)
}

/// Whether a line never gets long-term support.
pub(crate) fn is_odd(major: u32) -> bool {
    major % 2 == 1 && major < EACH_SUPPORTED
}

/// The line that a name such as `lts/jod` or `lts/*` stands for at a time.
pub(crate) fn supported(name: &str, now: Timestamp) -> Option<u32> {
    let name = name.to_ascii_lowercase();
    let line = LINES.iter().rev().find(|line| match name.as_str() {
        "*" => line.support.and_then(Timestamp::from_day).is_some_and(|since| since <= now),
        name => !line.codename.is_empty() && line.codename == name,
    });
    line.map(|line| line.major)
}
