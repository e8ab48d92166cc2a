//! What the server has: its settings in bytes, seconds or plain numbers, whatever unit it keeps them in.

use std::collections::BTreeMap;

use hostler_sdk::prelude::*;

/// The settings that are looked at; those that wait for a restart come with them, whatever they are.
pub const SETTINGS: &str = "
    SELECT name, setting, coalesce(unit, '') AS unit, source, context, coalesce(pending_restart, false) AS pending
    FROM pg_settings WHERE pending_restart OR name IN ('autovacuum', 'autovacuum_max_workers',
        'autovacuum_vacuum_cost_delay', 'autovacuum_vacuum_cost_limit', 'autovacuum_work_mem', 'checkpoint_completion_target',
        'checkpoint_timeout', 'effective_cache_size', 'hash_mem_multiplier', 'listen_addresses', 'maintenance_work_mem',
        'max_connections', 'max_parallel_workers', 'max_parallel_workers_per_gather', 'max_wal_size', 'port',
        'reserved_connections', 'shared_buffers', 'superuser_reserved_connections', 'track_counts', 'vacuum_cost_delay',
        'vacuum_cost_limit', 'vacuum_cost_page_dirty', 'vacuum_cost_page_miss', 'wal_buffers', 'wal_segment_size',
        'work_mem')
    ORDER BY 1";

/// What a setting is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Seconds,
    Plain,
}

impl Unit {
    /// As the server takes it: `512MB`, `15min`, `200`.
    pub fn written(self, value: f64) -> String {
        let units: &[(&str, f64)] = match self {
            Self::Bytes => &[("GB", 1_073_741_824.0), ("MB", 1_048_576.0), ("kB", 1024.0), ("B", 1.0)],
            Self::Seconds => &[("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 0.001)],
            Self::Plain => return format!("{}", (value * 100.0).round() / 100.0),
        };
        if value <= 0.0 {
            return value.to_string();
        }
        let whole = |factor: f64| ((value / factor) - (value / factor).round()).abs() < 1e-6;
        let fitting = units.iter().find(|(_, factor)| value >= *factor && whole(*factor));
        let (unit, factor) = fitting.or(units.last()).copied().unwrap_or(("", 1.0));
        format!("{}{unit}", (value / factor).round())
    }
}

/// One setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub value: f64,
    pub unit: Unit,
    /// Where it was set, as pg_settings says it.
    pub source: String,
    /// `postmaster` where it takes a restart.
    pub context: String,
    pub pending: bool,
    text: String,
}

impl Setting {
    fn read(row: &Row) -> Result<Self, TaskError> {
        let (text, unit): (String, &str) = (row.get("setting")?, row.get("unit")?);
        let (factor, unit) = factor(unit);
        let value = match text.as_str() {
            "on" => 1.0,
            "off" => 0.0,
            // -1 stands for another setting, in whatever unit.
            "-1" => -1.0,
            text => text.parse().map_or(f64::NAN, |number: f64| number * factor),
        };
        let (source, context) = (row.get("source")?, row.get("context")?);
        Ok(Self { value, unit, source, context, pending: row.get("pending")?, text })
    }

    /// Whether whoever starts the server gives it, whatever its files say.
    pub fn is_given_at_the_start(&self) -> bool {
        ["command line", "environment variable"].contains(&self.source.as_str())
    }

    /// Whether it is not the server's, but this session's.
    pub fn is_of_the_session(&self) -> bool {
        ["database", "user", "database user", "client", "override", "session"].contains(&self.source.as_str())
    }
}

/// `8kB` is 8192 bytes.
fn factor(unit: &str) -> (f64, Unit) {
    let digits = unit.bytes().take_while(u8::is_ascii_digit).count();
    let (number, name) = unit.split_at(digits);
    let number: f64 = number.parse().unwrap_or(1.0);
    match name {
        "B" => (number, Unit::Bytes),
        "kB" => (number * 1024.0, Unit::Bytes),
        "MB" => (number * 1_048_576.0, Unit::Bytes),
        "GB" => (number * 1_073_741_824.0, Unit::Bytes),
        "ms" => (number / 1000.0, Unit::Seconds),
        "s" => (number, Unit::Seconds),
        "min" => (number * 60.0, Unit::Seconds),
        "h" => (number * 3600.0, Unit::Seconds),
        "d" => (number * 86_400.0, Unit::Seconds),
        _ => (number, Unit::Plain),
    }
}

/// All settings that were looked at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Server(BTreeMap<String, Setting>);

impl Server {
    pub fn of(rows: &Rows) -> Result<Self, TaskError> {
        let each = rows.iter().map(|row| Ok((row.get("name")?, Setting::read(&row)?)));
        Ok(Self(each.collect::<Result<_, TaskError>>()?))
    }

    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.0.get(name)
    }

    /// Its value; not a number where this server has no such setting.
    pub fn value(&self, name: &str) -> f64 {
        self.get(name).map_or(f64::NAN, |setting| setting.value)
    }

    /// The value, or that of another setting where it is -1.
    pub fn value_or(&self, name: &str, other: &str) -> f64 {
        match self.value(name) {
            value if value >= 0.0 => value,
            _ => self.value(other),
        }
    }

    pub fn text(&self, name: &str) -> &str {
        self.get(name).map_or("", |setting| &setting.text)
    }

    /// Those that wait for a restart. What the command line gives is marked too where the file says something else, and
    /// no restart changes it.
    pub fn pending(&self) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(_, setting)| setting.pending && !setting.is_given_at_the_start())
            .map(|(name, _)| name.as_str())
            .collect()
    }
}
