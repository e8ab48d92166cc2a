//! What holds for every configuration, connection string and time; the fuzzing targets in fuzz/ call these too.

use std::fs;

use hostler_configuration::{
    Configuration, ConnectionString, Schedule, Window, password_in, redacted, user_and_database,
};
use jiff::{Timestamp, tz::TimeZone};

/// Any file is read or refused with errors that name it, and a procedure that is read names tasks that are there.
pub fn configuration(data: &[u8]) {
    let directory = std::env::temp_dir().join(format!("hostler-properties-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory");
    let file = directory.join("hostler.toml");
    fs::write(&file, data).expect("a file");
    match Configuration::load(&file) {
        Ok(configuration) => {
            for procedure in configuration.procedures.values() {
                for task in &procedure.tasks {
                    assert!(configuration.tasks.contains_key(task), "{task} is no task");
                }
            }
        }
        Err(errors) => assert!(!errors.to_string().is_empty()),
    }
}

/// A connection string is the same when it is written with every value quoted, and its password is never shown.
pub fn dsn(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    password_line(text);
    let _ = user_and_database(text);
    let shown = redacted(text);
    let words = match ConnectionString::parse(text) {
        Ok(words) => words,
        Err(error) => return assert!(!error.to_string().contains("hunter2")),
    };
    if let Some(password) = words.value("password")
        && password.len() > 5
        && text.matches(password).count() == 1
        && !"password=***".contains(password)
    {
        assert!(!shown.contains(password), "{shown}");
    }
    let quoted = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
    let pairs: Vec<String> = words.iter().map(|(keyword, value)| format!("{keyword}='{}'", quoted(value))).collect();
    let plain = |keyword: &str| {
        !keyword.is_empty() && keyword.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
    };
    if words.iter().all(|(keyword, _)| plain(keyword)) {
        let again = ConnectionString::parse(&pairs.join(" ")).expect("it was written as one");
        assert!(again.iter().eq(words.iter()), "{words:?} is not {again:?}");
    }
}

/// A schedule and a window are themselves when they are written and read, and what comes next comes later. An input is
/// the text on one line, and a second since 1970 on the next.
pub fn times(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let (text, at) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let second = at.parse::<i64>().unwrap_or_default().rem_euclid(4_000_000_000);
    let after = Timestamp::from_second(second).expect("it is in this and the next century");
    let zones = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca"];
    let zones = zones.map(|name| TimeZone::get(name).expect("the zones are inside"));
    if let Ok(schedule) = text.parse::<Schedule>() {
        assert_eq!(schedule.to_string().parse::<Schedule>().as_ref(), Ok(&schedule), "{schedule}");
        assert!(!schedule.on_calendar().is_empty() && !schedule.columns().is_empty());
        for zone in &zones {
            let next = schedule.next(after, zone);
            assert!(next > after, "{schedule} after {after} is {next}");
            let wait = next.duration_since(after).as_hours();
            assert!(wait <= 32 * 24, "{schedule} after {after} is {next}");
        }
    }
    if let Ok(window) = text.parse::<Window>() {
        assert_eq!(window.to_string().parse::<Window>(), Ok(window), "{window}");
        for zone in &zones {
            let opens = window.opens_after(after, zone).expect("it opens each day");
            assert!(opens > after && window.open_at(opens, zone).is_some_and(|closes| closes > opens), "{window}");
            if let Some(closes) = window.open_at(after, zone) {
                assert!(
                    closes > after && closes.duration_since(after).as_hours() <= 25,
                    "{window} at {after}: {closes}"
                );
            }
        }
    }
}

/// The text as five fields of a password file, written as libpq has it, and found again.
fn password_line(text: &str) {
    let letters: Vec<char> = text.chars().filter(|letter| !letter.is_control()).collect();
    let parts: Vec<String> = letters.chunks(letters.len() / 5 + 1).map(|part| part.iter().collect()).collect();
    let [host, port, database, user, password] = &parts[..] else { return };
    let written: Vec<String> = parts.iter().map(|field| field.replace('\\', "\\\\").replace(':', "\\:")).collect();
    let line = written.join(":");
    if !line.starts_with('#') {
        let found =
            password_in(&format!("# ours\nother:1:2:3:4\n{line}\n*:*:*:*:last\n"), [host, port, database, user]);
        assert_eq!(found.as_ref(), Some(password), "{line}");
    }
    let _ = password_in(text, ["host", "5432", "shop", "me"]);
}
