//! One error, from a line of a log file in one of the formats that are met.

use serde::Deserialize;
use shared_logs::csv::{column, csvlog};

/// An error.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Entry {
    /// Who says it: a unit, a program, PostgreSQL.
    pub who: String,
    pub message: String,
    /// PostgreSQL's, where there is one.
    pub sqlstate: Option<String>,
    /// Whether its own words are PANIC, emergency or alert.
    pub worst: bool,
}

impl Entry {
    /// Whether the server lacks something (class 53), the system failed it (58), or its data is damaged (XX).
    pub(crate) fn is_critical(&self) -> bool {
        let class = self.sqlstate.as_deref().map(|state| state.chars().take(2).collect::<String>());
        self.worst || class.is_some_and(|class| ["53", "58", "XX"].contains(&class.as_str()))
    }
}

/// PostgreSQL's jsonlog.
#[derive(Deserialize)]
struct Json {
    error_severity: String,
    #[serde(default)]
    state_code: Option<String>,
    #[serde(default)]
    message: String,
}

/// An error, where a line tells of one.
pub(crate) fn of_line(line: &[u8]) -> Option<Entry> {
    if line.first() == Some(&b'{') {
        let json: Json = serde_json::from_slice(line).ok()?;
        return postgres(&json.error_severity, json.state_code, json.message);
    }
    let text = String::from_utf8_lossy(line);
    if let Some(entry) = csv(&text) {
        return Some(entry);
    }
    // PostgreSQL's own words, whatever its log_line_prefix: `… FATAL:  message`.
    for severity in ["ERROR", "FATAL", "PANIC"] {
        if let Some((_, message)) = text.split_once(&format!("{severity}:  ")) {
            return postgres(severity, None, message.to_owned());
        }
    }
    // nginx: `2025/01/21 20:34:00 [crit] 1#1: *9 message`; others: a level in brackets, or as a word with a colon.
    let lower = text.to_lowercase();
    let level = ["emerg", "alert", "crit", "error"].into_iter().find(|level| {
        lower.contains(&format!("[{level}]"))
            || lower.contains(&format!(" {level}: "))
            || lower.starts_with(&format!("{level}: "))
    })?;
    let message = text.split_once("] ").map_or(&*text, |(_, message)| message);
    let message = message.split_once(": ").filter(|(number, _)| number.contains('#')).map_or(message, |(_, rest)| rest);
    Some(Entry {
        who: "log".into(),
        message: message.to_owned(),
        sqlstate: None,
        worst: ["emerg", "alert"].contains(&level),
    })
}

fn postgres(severity: &str, sqlstate: Option<String>, message: String) -> Option<Entry> {
    if !["ERROR", "FATAL", "PANIC"].contains(&severity) {
        return None;
    }
    Some(Entry { who: "postgresql".into(), message, sqlstate, worst: severity == "PANIC" })
}

/// PostgreSQL's csvlog.
fn csv(text: &str) -> Option<Entry> {
    let fields = csvlog(text)?;
    postgres(&fields[column::SEVERITY], Some(fields[column::STATE].clone()), fields[column::MESSAGE].clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Option<(String, String, Option<String>, bool)> {
        of_line(line.as_bytes())
            .map(|one| (one.who.clone(), one.message.clone(), one.sqlstate.clone(), one.is_critical()))
    }

    #[test]
    fn errors_are_told_from_lines_that_are_none() {
        let entry = |who: &str, message: &str, state: Option<&str>, critical| {
            Some((who.to_owned(), message.to_owned(), state.map(str::to_owned), critical))
        };
        for (line, expected) in [
            (
                r#"{"timestamp":"2025-01-21 20:34:00 UTC","error_severity":"ERROR","state_code":"53100","message":"could not extend file"}"#,
                entry("postgresql", "could not extend file", Some("53100"), true),
            ),
            (r#"{"error_severity":"LOG","message":"checkpoint complete"}"#, None),
            (
                "2025-01-21 20:34:00.1 UTC,\"app\",\"shop\",9,\"[local]\",1,2,\"SELECT\",\"x\",3/4,0,ERROR,42P01,\"relation \"\"a,b\"\" does not exist\",,,,",
                entry("postgresql", "relation \"a,b\" does not exist", Some("42P01"), false),
            ),
            (
                "2025-01-21 20:34:00.1 UTC [9] PANIC:  could not write to file",
                entry("postgresql", "could not write to file", None, true),
            ),
            (
                "2025/01/21 20:34:00 [error] 12#12: *9 open() \"/x\" failed (2: No such file or directory)",
                entry("log", "*9 open() \"/x\" failed (2: No such file or directory)", None, false),
            ),
            ("2025/01/21 20:34:00 [emerg] 12#12: no memory", entry("log", "no memory", None, true)),
            ("Jan 21 20:34:00 db kernel: all is well, no error here", None),
            ("2025/01/21 20:34:00 [notice] 1#1: start", None),
        ] {
            assert_eq!(told(line), expected, "{line}");
        }
    }
}
