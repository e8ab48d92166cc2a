//! What holds for every configuration, connection string and time.

mod checks;
#[path = "../../../../fuzz/replay.rs"]
mod replay;

use proptest::prelude::*;
use replay::replay;

#[test]
fn kept_configurations_are_read_or_refused() {
    replay("configuration", checks::configuration);
}

#[test]
fn kept_connection_strings_hide_their_password() {
    replay("dsn", checks::dsn);
}

#[test]
fn kept_times_come_later() {
    replay("times", checks::times);
}

proptest! {
    #[test]
    fn connection_strings_hide_their_password(
        pairs in prop::collection::vec(("(host|user|dbname|password|port|options)", "[a-z' \\\\@/:%=]{0,9}"), 0..5), uri in any::<bool>(),
    ) {
        let text = match uri {
            true => format!("postgres://{}", pairs.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(":")),
            false => pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" "),
        };
        checks::dsn(text.as_bytes());
    }

    #[test]
    fn what_is_due_next_comes_later(
        begin in prop::sample::select(&["daily ", "Sun ", "Mon,Thu ", "monthly 31 ", "monthly 1 ", "hourly :", ""][..]),
        hour in 0u8..25, minute in 0u8..60, to in 0u8..25, at in 0i64..4_000_000_000,
    ) {
        checks::times(format!("{begin}{hour:02}:{minute:02}\n{at}").as_bytes());
        checks::times(format!("hourly :{minute:02}\n{at}").as_bytes());
        checks::times(format!("{hour:02}:{minute:02}-{to:02}:00\n{at}").as_bytes());
    }
}
