//! One attempt to log in, from a line. PostgreSQL tells of it in three formats; jsonlog and csvlog have the address and
//! the SQLSTATE in places of their own, the plain one only where log_line_prefix puts it.

use hostler_sdk::Timestamp;
use serde::{Deserialize, Serialize};
use shared_logs::csv::{column, csvlog};
use shared_logs::{month, seconds_of};

/// An attempt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// Seconds since the Unix epoch; in a log that says no zone, in the log's own.
    pub at: i64,
    pub service: String,
    /// Empty where the log does not say it.
    pub address: String,
    pub user: String,
    pub success: bool,
}

/// What PostgreSQL answers with where a password is wrong, and where it lets nobody in.
const REFUSED: [&str; 2] = ["28P01", "28000"];
/// How its line begins where somebody was let in, which it says where log_connections is on.
const AUTHORIZED: &str = "connection authorized";

/// PostgreSQL's jsonlog.
#[derive(Deserialize)]
struct Json {
    timestamp: String,
    #[serde(default)]
    state_code: String,
    #[serde(default)]
    remote_host: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    message: String,
}

/// An attempt, where a line of a log file tells of one. `now` gives the year that auth.log leaves out.
pub(crate) fn of_line(line: &[u8], now: Timestamp) -> Option<Attempt> {
    if line.first() == Some(&b'{') {
        let json: Json = serde_json::from_slice(line).ok()?;
        return postgres(&json.timestamp, &json.state_code, &json.message, &json.remote_host, &json.user);
    }
    let text = String::from_utf8_lossy(line);
    if let Some(fields) = csvlog(&text) {
        // `127.0.0.1:5432`, also with colons in the address; a socket's peer has no address.
        let from = fields[column::FROM].rsplit_once(':').map_or("", |(address, _)| address);
        let [time, user] = [column::TIME, column::USER].map(|place| fields[place].as_str());
        return postgres(time, &fields[column::STATE], &fields[column::MESSAGE], from, user);
    }
    // What stands in a statement that is logged is nobody's word: before the server's own there is only its prefix.
    let said = |words: &str| text.split_once(words).filter(|(before, _)| !before.contains(":  "));
    if let Some((before, message)) = said("LOG:  connection authorized: user=") {
        let user = message.split(' ').next().unwrap_or_default();
        return postgres(&text, "00000", AUTHORIZED, prefix_address(before).unwrap_or_default(), user);
    }
    if let Some((before, message)) = said("FATAL:  ") {
        let is_no_role = message.starts_with("role \"")
            && (message.contains("\" does not exist") || message.contains("\" is not permitted to log in"));
        let refused = message.contains("authentication failed for user")
            || message.starts_with("no pg_hba.conf entry")
            || is_no_role;
        // Who asked stands where log_line_prefix has `%h` and nowhere else, except for what pg_hba.conf refuses.
        let address = message.split_once("for host \"").and_then(|(_, rest)| rest.split('"').next());
        let address = address.or_else(|| prefix_address(before));
        return refused.then(|| Attempt {
            at: date_time(&text).unwrap_or_default(),
            service: "postgresql".into(),
            address: address.unwrap_or_default().into(),
            user: ["user \"", "role \""]
                .iter()
                .find_map(|words| message.split_once(words)?.1.split('"').next())
                .unwrap_or_default()
                .into(),
            success: false,
        });
    }
    // auth.log: time, host, `program[pid]:`, message.
    let (head, message) = text.split_once(": ")?;
    let program = head.rsplit(' ').next()?.split('[').next()?;
    of_message(program, message).map(|attempt| Attempt { at: time(head, now).unwrap_or_default(), ..attempt })
}

/// An attempt, where PostgreSQL tells of one by its SQLSTATE or its message.
fn postgres(time: &str, state: &str, message: &str, address: &str, user: &str) -> Option<Attempt> {
    let success = message.starts_with(AUTHORIZED);
    (success || REFUSED.contains(&state)).then(|| Attempt {
        at: date_time(time).unwrap_or_default(),
        service: "postgresql".into(),
        address: address.into(),
        user: user.into(),
        success,
    })
}

/// The address that log_line_prefix put before a message, as `10.0.0.1` or `10.0.0.1(5432)`.
fn prefix_address(before: &str) -> Option<&str> {
    before.split(|letter: char| " []=(),".contains(letter)).find(|word| is_address(word))
}

/// An attempt, where a program's message tells of one.
pub(crate) fn of_message(program: &str, message: &str) -> Option<Attempt> {
    let attempt = |address: &str, user: &str, success| {
        let service = if program.starts_with("sshd") { "ssh" } else { program };
        Some(Attempt { at: 0, service: service.into(), address: address.into(), user: user.into(), success })
    };
    let after = |words: &str| message.split_once(words).map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
    if program.starts_with("sshd") {
        let from = after(" from ").unwrap_or_default();
        if message.starts_with("Failed ") && !message.starts_with("Failed none") {
            // What was typed as the name of nobody is not shown to anybody.
            let known = if message.contains("invalid user ") { "" } else { after(" for ").unwrap_or_default() };
            return attempt(from, known, false);
        }
        if message.starts_with("Accepted ") {
            return attempt(from, after(" for ").unwrap_or_default(), true);
        }
        return None;
    }
    // PAM says it in the same words for whoever asks it: su, sudo, login, a mail server.
    if message.starts_with("pam_") && message.contains("authentication failure;") {
        return attempt(after("rhost=").unwrap_or_default(), after(" user=").unwrap_or_default(), false);
    }
    None
}

fn is_address(word: &str) -> bool {
    let word = word.split('(').next().unwrap_or_default();
    word.parse::<std::net::IpAddr>().is_ok()
}

/// `2025-01-21T20:34:00.123+00:00`, `2025-01-21 20:34:00.123 UTC`.
fn date_time(text: &str) -> Option<i64> {
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let shape = text.get(4..5)? == "-" && text.get(7..8)? == "-" && text.get(13..14)? == ":";
    let date = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    shape.then_some(seconds_of(date, (part(11, 13)?, part(14, 16)?, part(17, 19)?)))
}

/// As above, or `Jan 21 20:34:00`, which lacks the year.
fn time(head: &str, now: Timestamp) -> Option<i64> {
    if let Some(at) = date_time(head) {
        return Some(at);
    }
    let words: Vec<&str> = head.split_whitespace().take(3).collect();
    let [name, day, clock] = words.as_slice() else { return None };
    let mut parts = clock.split(':').filter_map(|part| part.parse::<i64>().ok());
    let clock = (parts.next()?, parts.next()?, parts.next()?);
    let year: i64 = now.to_string().get(..4)?.parse().ok()?;
    let at = |year| Some(seconds_of((year, month(name.as_bytes())?, day.parse().ok()?), clock));
    let this = at(year)?;
    // A day of the clock's zone at most: what is later than that was last year's.
    let tomorrow = i64::try_from(now.0 / 1000).ok()? + 86_400;
    if this > tomorrow { at(year - 1) } else { Some(this) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_told_from_what_is_none() {
        let now = Timestamp::from_seconds(1_737_500_000);
        let told = |line: &str| {
            of_line(line.as_bytes(), now).map(|one| (one.at, one.service, one.address, one.user, one.success))
        };
        let at = 1_737_491_640;
        let one = |service: &str, address: &str, user: &str, success| {
            Some((at, service.to_owned(), address.to_owned(), user.to_owned(), success))
        };
        for (line, expected) in [
            (
                "Jan 21 20:34:00 db sshd[9]: Failed password for root from 10.0.0.1 port 5 ssh2",
                one("ssh", "10.0.0.1", "root", false),
            ),
            (
                "2025-01-21T20:34:00.5+00:00 db sshd[9]: Failed password for invalid user hunter2 from 2001:db8::1 port 5 ssh2",
                one("ssh", "2001:db8::1", "", false),
            ),
            (
                "Jan 21 20:34:00 db sshd-session[9]: Accepted publickey for bob from 10.0.0.1 port 5 ssh2: ED25519 x",
                one("ssh", "10.0.0.1", "bob", true),
            ),
            (
                "Jan 21 20:34:00 db su[9]: pam_unix(su:auth): authentication failure; logname= uid=1 euid=0 tty=x ruser=a rhost=  user=root",
                one("su", "", "root", false),
            ),
            (
                "Jan 21 20:34:00 db auth[9]: pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser=bob rhost=10.0.0.5  user=bob",
                one("auth", "10.0.0.5", "bob", false),
            ),
            ("Jan 21 20:34:00 db sshd[9]: Invalid user admin from 10.0.0.1 port 5", None),
            ("Jan 21 20:34:00 db sshd[9]: Connection closed by 10.0.0.1", None),
            ("Jan 21 20:34:00 db cron[9]: authentication failure", None),
            (
                r#"{"timestamp":"2025-01-21 20:34:00.1 UTC","user":"app","remote_host":"10.0.0.2","state_code":"28P01","message":"password authentication failed"}"#,
                one("postgresql", "10.0.0.2", "app", false),
            ),
            (r#"{"timestamp":"2025-01-21 20:34:00.1 UTC","state_code":"42P01","message":"no"}"#, None),
            (
                "2025-01-21 20:34:00.1 UTC [9] app@shop 10.0.0.3 FATAL:  password authentication failed for user \"app\"",
                one("postgresql", "10.0.0.3", "app", false),
            ),
            (
                "2025-01-21 20:34:00.1 UTC [9] FATAL:  no pg_hba.conf entry for host \"10.0.0.4\", user \"x\", database \"y\", no encryption",
                one("postgresql", "10.0.0.4", "x", false),
            ),
            (
                "2025-01-21 20:34:00.1 UTC [9] 10.0.0.6 FATAL:  role \"gone\" is not permitted to log in",
                one("postgresql", "10.0.0.6", "gone", false),
            ),
            ("2025-01-21 20:34:00.1 UTC [9] FATAL:  the database system is starting up", None),
            (
                "2025-01-21 20:34:00.1 UTC [9] 10.0.0.3(7) LOG:  statement: SELECT 'FATAL:  password authentication failed for user \"x\"'",
                None,
            ),
            (
                "2025-01-21 20:34:00.1 UTC [9] 10.0.0.3(7) LOG:  connection authorized: user=app database=shop",
                one("postgresql", "10.0.0.3", "app", true),
            ),
            (
                "2025-01-21 20:34:00.1 UTC,\"app\",\"shop\",9,\"2001:db8::1:5\",1,2,\"authentication\",\"x\",3/4,0,FATAL,28P01,\"password authentication failed for user \"\"app\"\"\",\"Connection matched",
                one("postgresql", "2001:db8::1", "app", false),
            ),
            (
                "2025-01-21 20:34:00.1 UTC,\"app\",\"shop\",9,\"[local]\",1,2,\"authentication\",\"x\",3/4,0,LOG,00000,\"connection authorized: user=app database=shop\",",
                one("postgresql", "", "app", true),
            ),
            (
                "2025-01-21 20:34:00.1 UTC,\"app\",\"shop\",9,\"10.0.0.1:5\",1,2,\"idle\",\"x\",3/4,0,ERROR,42P01,\"no such relation\",",
                None,
            ),
            ("", None),
        ] {
            assert_eq!(told(line), expected, "{line}");
        }
        let last_year = of_line(b"Dec 31 23:59:59 db sshd[9]: Failed password for root from 10.0.0.1 port 5 ssh2", now);
        assert_eq!(last_year.map(|one| one.at), Some(1_735_689_599));
    }
}
