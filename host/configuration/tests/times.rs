//! Schedules and windows where clocks are put forward and back.

use hostler_configuration::{Schedule, Window};
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Time, tz::TimeZone};
use proptest::prelude::*;

const ZONES: [&str; 12] = [
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Havana",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Africa/Cairo",
];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("it exists")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("it is an instant")
}

fn next(schedule: &str, after: &str, zone_name: &str) -> String {
    let schedule: Schedule = schedule.parse().expect("it is a schedule");
    let zone = zone(zone_name);
    schedule.next(at(after), &zone).to_zoned(zone).strftime("%a %Y-%m-%dT%H:%M%:z").to_string()
}

#[test]
fn each_form_is_due_when_it_says() {
    for (schedule, after, expected) in [
        ("daily 03:00", "2026-01-10T01:59:59Z", "Sat 2026-01-10T03:00+01:00"),
        ("03:00", "2026-01-10T02:00:00Z", "Sun 2026-01-11T03:00+01:00"),
        ("Sun 03:00", "2026-01-10T02:00:00Z", "Sun 2026-01-11T03:00+01:00"),
        ("sunday 3:00", "2026-01-11T02:00:00Z", "Sun 2026-01-18T03:00+01:00"),
        ("Mon,Thu 04:30", "2026-01-10T02:00:00Z", "Mon 2026-01-12T04:30+01:00"),
        ("Mon-Fri 04:30", "2026-01-09T04:00:00Z", "Mon 2026-01-12T04:30+01:00"),
        ("Sat-Mon 04:30", "2026-01-12T04:00:00Z", "Sat 2026-01-17T04:30+01:00"),
        ("monthly 1 03:00", "2026-01-10T02:00:00Z", "Sun 2026-02-01T03:00+01:00"),
        ("monthly 31 03:00", "2026-02-10T02:00:00Z", "Sat 2026-02-28T03:00+01:00"),
        ("monthly 31 03:00", "2026-12-31T02:00:00Z", "Sun 2027-01-31T03:00+01:00"),
        ("hourly", "2026-01-10T02:00:00Z", "Sat 2026-01-10T04:00+01:00"),
        ("hourly :15", "2026-01-10T02:00:00Z", "Sat 2026-01-10T03:15+01:00"),
    ] {
        assert_eq!(next(schedule, after, "Europe/Berlin"), expected, "{schedule} after {after}");
    }
}

#[test]
fn what_is_no_schedule_is_refused() {
    for text in [
        "",
        "daily",
        "daily 25:00",
        "daily 03:60",
        "daily 0300",
        "3",
        "Sun",
        "Sun,",
        "Sun,Sunn 03:00",
        "monthly 0 03:00",
        "monthly 32 03:00",
        "monthly 03:00",
        "hourly 15",
        "hourly :5",
        "hourly :60",
        "weekly 03:00",
        "daily 03:00 05:00",
        "daily +3:00",
        "* * * * *",
    ] {
        let error = text.parse::<Schedule>().expect_err(text);
        assert!(error.to_string().contains("daily 03:00"), "{error}");
    }
}

#[test]
fn a_time_that_does_not_exist_is_the_instant_of_the_shift() {
    assert_eq!(next("daily 02:30", "2026-03-28T12:00:00Z", "Europe/Berlin"), "Sun 2026-03-29T03:00+02:00");
    assert_eq!(next("daily 02:30", "2026-03-29T01:00:00Z", "Europe/Berlin"), "Mon 2026-03-30T02:30+02:00");
    // Midnight itself is left out there.
    assert_eq!(next("Sun 00:00", "2026-09-03T12:00:00Z", "America/Santiago"), "Sun 2026-09-06T01:00-03:00");
    assert_eq!(next("daily 02:15", "2026-10-03T12:00:00Z", "Australia/Lord_Howe"), "Sun 2026-10-04T02:30+11:00");
    // A whole day was left out.
    assert_eq!(next("daily 03:00", "2011-12-29T14:00:00Z", "Pacific/Apia"), "Sat 2011-12-31T00:00+14:00");
}

#[test]
fn a_time_that_occurs_twice_is_due_once() {
    assert_eq!(next("daily 02:30", "2026-10-24T12:00:00Z", "Europe/Berlin"), "Sun 2026-10-25T02:30+02:00");
    assert_eq!(next("daily 02:30", "2026-10-25T00:30:00Z", "Europe/Berlin"), "Mon 2026-10-26T02:30+01:00");
    assert_eq!(next("daily 01:45", "2026-04-04T14:45:00Z", "Australia/Lord_Howe"), "Mon 2026-04-06T01:45+10:30");
}

#[test]
fn an_hourly_one_counts_the_hours_that_pass() {
    let schedule: Schedule = "hourly :15".parse().expect("it is a schedule");
    for (name, from, hours) in [
        ("Europe/Berlin", "2026-03-28T20:30:00Z", 24),
        ("Europe/Berlin", "2026-10-24T20:30:00Z", 24),
        ("Pacific/Apia", "2011-12-29T20:30:00Z", 48),
    ] {
        let zone = zone(name);
        let mut due = at(from);
        for _ in 0..hours {
            let following = schedule.next(due, &zone);
            assert!(following.duration_since(due) <= SignedDuration::from_hours(1), "{name}: {due} then {following}");
            due = following;
        }
    }
    // Half an hour is left out, and then shown twice.
    assert_eq!(next("hourly :15", "2026-10-03T15:00:00Z", "Australia/Lord_Howe"), "Sun 2026-10-04T02:30+11:00");
    assert_eq!(next("hourly :45", "2026-04-04T14:45:00Z", "Australia/Lord_Howe"), "Sun 2026-04-05T02:45+10:30");
}

#[test]
fn windows_are_open_across_midnight_and_across_shifts() {
    let berlin = zone("Europe/Berlin");
    let closes = |window: &str, moment: &str| {
        let window: Window = window.parse().expect("it is a window");
        window.open_at(at(moment), &berlin).map(|end| end.to_string())
    };
    assert_eq!(closes("02:00-05:00", "2026-01-10T01:00:00Z").as_deref(), Some("2026-01-10T04:00:00Z"));
    assert_eq!(closes("02:00-05:00", "2026-01-10T04:00:00Z"), None);
    assert_eq!(closes("02:00-05:00", "2026-01-10T00:59:59Z"), None);
    assert_eq!(closes("22:00-04:00", "2026-01-10T21:00:00Z").as_deref(), Some("2026-01-11T03:00:00Z"));
    assert_eq!(closes("22:00-04:00", "2026-01-11T02:59:59Z").as_deref(), Some("2026-01-11T03:00:00Z"));
    assert_eq!(closes("22:00-04:00", "2026-01-11T12:00:00Z"), None);
    assert_eq!(closes("22:00-24:00", "2026-01-10T22:30:00Z").as_deref(), Some("2026-01-10T23:00:00Z"));
    // Two hours on that night: from the shift to five.
    assert_eq!(closes("02:00-05:00", "2026-03-29T01:00:00Z").as_deref(), Some("2026-03-29T03:00:00Z"));
    // Left out as a whole, and open all the same, for as long as ever.
    assert_eq!(closes("02:00-03:00", "2026-03-29T01:30:00Z").as_deref(), Some("2026-03-29T02:00:00Z"));
    // Four hours on that night.
    assert_eq!(closes("02:00-05:00", "2026-10-25T00:00:00Z").as_deref(), Some("2026-10-25T04:00:00Z"));
    let window: Window = "22:00-04:00".parse().expect("it is a window");
    assert_eq!(window.opens_after(at("2026-01-10T22:00:00Z"), &berlin), Some(at("2026-01-11T21:00:00Z")));
    assert_eq!(window.to_string(), "22:00-04:00");
    for text in ["", "02:00", "02:00-02:00", "24:00-05:00", "2-5", "02:00-05:00-06:00", "00:00-24:00"] {
        assert!(text.parse::<Window>().is_err(), "{text}");
    }
}

#[test]
fn what_is_due_in_its_window_finds_it_open_on_every_day_of_ten_years() {
    let schedule: Schedule = "daily 02:30".parse().expect("it is a schedule");
    let window: Window = "02:00-03:00".parse().expect("it is a window");
    for name in ZONES {
        let zone = zone(name);
        let mut due = at("2020-01-01T00:00:00Z");
        let end = at("2030-01-01T00:00:00Z");
        let mut count = 0;
        while due < end {
            due = schedule.next(due, &zone);
            count += 1;
            assert!(window.open_at(due, &zone).is_some(), "{name}: closed at {due}");
        }
        assert!((3653..=3655).contains(&count), "{name}: {count} days");
    }
}

fn schedules() -> impl Strategy<Value = String> {
    let time = (0_u8..24, 0_u8..60).prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"));
    prop_oneof![
        time.clone().prop_map(|time| format!("daily {time}")),
        (prop::sample::subsequence(vec!["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], 1..4), time.clone())
            .prop_map(|(days, time)| format!("{} {time}", days.join(","))),
        (1_u8..=31, time).prop_map(|(day, time)| format!("monthly {day} {time}")),
        (0_u8..60).prop_map(|minute| format!("hourly :{minute:02}")),
    ]
}

/// Instants around the shifts of a zone, where everything happens, and others.
fn moments(zone: &TimeZone, offset: i64, year: i64) -> Timestamp {
    let start = Timestamp::from_second(year * 31_557_600).expect("it is an instant");
    let shift = zone.following(start).next().map_or(start, |transition| transition.timestamp());
    shift.checked_add(SignedDuration::from_secs(offset)).expect("it is an instant")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_next_one_is_the_least_after(
        text in schedules(), name in prop::sample::select(&ZONES[..]), offset in -200_000_i64..200_000, year in 30_i64..65,
        share in 0.0..1.0_f64,
    ) {
        let zone = zone(name);
        let schedule: Schedule = text.parse().expect("it is a schedule");
        let after = moments(&zone, offset, year);
        let due = schedule.next(after, &zone);
        prop_assert!(due > after);
        // From any moment before it, it is the same; from itself it is another.
        let between = after + SignedDuration::from_millis((due.duration_since(after).as_millis() as f64 * share) as i64);
        if between < due {
            prop_assert_eq!(schedule.next(between, &zone), due);
        }
        prop_assert!(schedule.next(due, &zone) > due);
        // The clock shows what is written, or has just jumped over it.
        let shown = zone.to_datetime(due);
        let minute = text.rsplit(':').next().expect("it has one").parse::<i8>().expect("it is a number");
        let jumped = zone.to_offset(due) != zone.to_offset(due - SignedDuration::from_nanos(1));
        prop_assert!(shown.minute() == minute || jumped, "{} shows {}", due, shown);
        if let Some((_, time)) = text.rsplit_once(' ').filter(|(word, _)| *word != "hourly") {
            let (hour, minute) = time.split_once(':').expect("it is a time");
            let time = Time::new(hour.parse().expect("a number"), minute.parse().expect("a number"), 0, 0).expect("a time");
            prop_assert!(shown.time() == time || jumped, "{} shows {}", due, shown);
        }
    }

    #[test]
    fn a_daily_one_is_due_once_a_day(
        hour in 0_i8..24, minute in 0_i8..60, name in prop::sample::select(&ZONES[..]), year in 30_i64..65,
    ) {
        let zone = zone(name);
        let schedule: Schedule = format!("daily {hour:02}:{minute:02}").parse().expect("it is a schedule");
        let first = schedule.next(moments(&zone, -400_000, year), &zone);
        let mut due = first;
        for _ in 0..9 {
            due = schedule.next(due, &zone);
        }
        let days = zone.to_datetime(due).date().duration_since(zone.to_datetime(first).date()).as_hours() / 24;
        prop_assert!((8..=10).contains(&days), "{} days", days);
    }

    #[test]
    fn a_window_is_open_until_it_closes_and_not_after(
        from in 0_i64..1440, length in 1_i64..1440, name in prop::sample::select(&ZONES[..]),
        offset in -200_000_i64..200_000, year in 30_i64..65,
    ) {
        let zone = zone(name);
        let clock = |minutes: i64| format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60);
        let window: Window = format!("{}-{}", clock(from), clock(from + length)).parse().expect("it is a window");
        let moment = moments(&zone, offset, year);
        let end = window.open_at(moment, &zone);
        if let Some(end) = end {
            prop_assert!(end > moment);
            let last = end - 1.nanosecond();
            prop_assert!(window.open_at(last, &zone).is_some());
            prop_assert!(end.duration_since(moment) <= SignedDuration::from_hours(49));
        } else {
            let opens = window.opens_after(moment, &zone).expect("it opens again");
            prop_assert!(opens > moment);
            prop_assert!(window.open_at(opens, &zone).is_some());
            prop_assert!(window.open_at(opens - 1.nanosecond(), &zone).is_none());
        }
    }
}
