//! The next times of a schedule, and those around the next change of the clock, where a night has an hour too few or
//! too many and operators are surprised.

use std::fmt::Write;

use hostler_configuration::ProcedureConfiguration;
use jiff::{Timestamp, Zoned, tz::TimeZone};

/// As many are shown.
const SHOWN: usize = 5;
/// A change of the clock that is further away says nothing of this year.
const LOOKED_AHEAD_HOURS: i64 = 366 * 24;

/// The next five times as comment lines; where the clock is not changed between them, the five around its next change
/// too. Nothing where the procedure has no schedule.
pub fn times(procedure: &ProcedureConfiguration, now: Timestamp) -> String {
    let Some(schedule) = &procedure.schedule else { return String::new() };
    let zone = &procedure.time_zone;
    let after = |from: Timestamp| -> Vec<Timestamp> {
        std::iter::successors(Some(schedule.next(from, zone)), |last| Some(schedule.next(*last, zone)))
            .take(SHOWN)
            .collect()
    };
    let next = after(now);
    let mut text = "# next:\n".to_owned();
    write(&mut text, &next, zone);
    let Some(change) = change_after(zone, now) else { return text };
    if next.last().is_some_and(|last| *last >= change) {
        return text;
    }
    // Two before the change: the steps back are found by looking forward from further and further back.
    let before = (1..).map(|step| i64::from(step) * 12).take_while(|hours| *hours < 24 * 100).find_map(|hours| {
        let from = change.checked_sub(jiff::SignedDuration::from_hours(hours)).ok()?;
        let times = after(from);
        (times.iter().filter(|time| **time < change).count() == 2).then_some(times)
    });
    let local = change.to_zoned(zone.clone());
    let _ = writeln!(text, "# around the change of the clock on {}:", local.strftime("%F"));
    write(&mut text, &before.unwrap_or_else(|| after(change)), zone);
    text
}

fn write(text: &mut String, times: &[Timestamp], zone: &TimeZone) {
    let mut last: Option<Zoned> = None;
    for time in times {
        let local = time.to_zoned(zone.clone());
        let shifted = last.as_ref().is_some_and(|last| last.offset() != local.offset());
        let note = if shifted { "   the clock has changed" } else { "" };
        let _ = writeln!(text, "#   {}  ({}){note}", local.strftime("%a %F %H:%M %:z"), time.strftime("%H:%M UTC"));
        last = Some(local);
    }
}

fn change_after(zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let change = zone.following(now).next()?.timestamp();
    (change.duration_since(now).as_hours() <= LOOKED_AHEAD_HOURS).then_some(change)
}
