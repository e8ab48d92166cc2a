//! From a time on the wall to an instant, where the wall's clock is put forward and back.
//!
//! A time that the clock jumps over is the instant of the jump: what was due is done at once, and not an hour late. A
//! time that the clock shows twice is the first of the two.

use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

/// The instant at which the clock of `zone` shows `time`, or jumps over it.
pub(crate) fn instant(time: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(time);
    if let AmbiguousOffset::Gap { before, after } = ambiguous.offset() {
        // Read with the offset that comes after it, the time is an instant less than one shift before the jump.
        let earlier = after.to_timestamp(time).ok()?;
        let latest = before.to_timestamp(time).ok()?;
        let jump = zone
            .following(earlier)
            .map(|transition| transition.timestamp())
            .take_while(|timestamp| *timestamp <= latest)
            .find(|timestamp| zone.to_offset(*timestamp) == after);
        return jump.or_else(|| ambiguous.compatible().ok());
    }
    ambiguous.compatible().ok()
}

/// The second instant at which the clock of `zone` shows `time`, where it shows it twice.
pub(crate) fn second_instant(time: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Fold { after, .. } => after.to_timestamp(time).ok(),
        _ => None,
    }
}

/// Whether the clock of `zone` jumps over `time`, by an hour or more.
pub(crate) fn jumps_an_hour_over(time: DateTime, zone: &TimeZone) -> bool {
    match zone.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Gap { before, after } => after.seconds() - before.seconds() >= 3600,
        _ => false,
    }
}
