//! How one statement runs: for how long, and with which settings.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hostler_capability::RunContext;
use hostler_policy::sql::{PostgresGrant, Refusal};
use hostler_world::postgres::Options;

/// How long a reading statement may run where it does not say.
pub(crate) const READING: Duration = Duration::from_secs(30);

/// How long a changing one may.
pub(crate) const CHANGING: Duration = Duration::from_secs(3600);

/// How much longer than the server the host waits before it gives a session up.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// Held to the grant and to the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) limit: Duration,
}

impl Terms {
    pub(crate) fn new(
        options: &Options,
        grant: &PostgresGrant,
        context: &RunContext,
        usual: Duration,
    ) -> Result<Self, Refusal> {
        let mut limit = options.timeout_ms.map_or(usual, Duration::from_millis);
        let mut settings = Vec::new();
        for (name, value) in &options.settings {
            grant.setting(name, value)?;
            match (name.eq_ignore_ascii_case("statement_timeout"), amount(value)) {
                (true, Some(amount)) => limit = amount,
                _ => settings.push((name.to_ascii_lowercase(), value.clone())),
            }
        }
        Ok(Self { settings, limit: limit.min(remaining(context)).max(Duration::from_millis(1)) })
    }

    /// For how long the host waits for anything to come.
    pub(crate) fn patience(&self) -> Duration {
        self.limit + GRACE
    }

    /// The assignments, each after `verb`: `; SET LOCAL statement_timeout = 5000; SET LOCAL work_mem = '1MB'`.
    pub(crate) fn assignments(&self, verb: &str) -> String {
        // Zero would mean for ever, and more does not fit.
        let milliseconds = self.limit.as_millis().clamp(1, 2_147_483_647);
        let mut text = format!("; {verb} statement_timeout = {milliseconds}");
        for (name, value) in &self.settings {
            let _ = write!(text, "; {verb} {name} = '{}'", value.replace('\'', "''"));
        }
        text
    }

    /// Whether they are no other than every session's.
    pub(crate) fn is_usual(&self) -> bool {
        self.settings.is_empty() && self.limit == READING
    }
}

/// What is left of the run.
fn remaining(context: &RunContext) -> Duration {
    let wall = context.limits.wall();
    let Some(deadline) = context.info.deadline else { return wall };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(deadline).saturating_sub(now).min(wall)
}

/// A time as the server writes it, in milliseconds where it has no unit.
fn amount(value: &str) -> Option<Duration> {
    let end = value.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    let seconds = match unit.trim() {
        "us" => 0.000_001,
        "" | "ms" => 0.001,
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::{Duration, Terms, amount};

    #[test]
    fn times_as_the_server_reads_them() {
        assert_eq!(amount("1500"), Some(Duration::from_millis(1500)));
        assert_eq!(amount("2 min"), Some(Duration::from_secs(120)));
        assert_eq!(amount("0.5s"), Some(Duration::from_millis(500)));
        assert_eq!(amount("1 GB"), None);
    }

    #[test]
    fn values_are_quoted() {
        let settings = vec![("work_mem".into(), "1'MB".into())];
        let terms = Terms { settings, limit: Duration::from_secs(2) };
        assert_eq!(terms.assignments("SET"), "; SET statement_timeout = 2000; SET work_mem = '1''MB'");
    }
}
