//! One piece of advice: what is set, what fits, and why. A figure without its reasoning is folklore, and one that is off by
//! a few percent is nobody's concern: only what is too small or too large by a factor is told.

use hostler_sdk::prelude::*;

use crate::server::{Server, Setting, Unit};

/// What fits one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    name: &'static str,
    ideal: f64,
    low: f64,
    high: f64,
    factor: f64,
    why: String,
}

/// Which way a setting is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Off {
    No,
    Low,
    High,
}

impl Advice {
    /// What fits is `ideal`; less than a part of it, or more than a multiple, does not.
    pub fn around(name: &'static str, ideal: f64, factor: f64, why: impl Into<String>) -> Self {
        Self { name, ideal, low: ideal / factor, high: ideal * factor, factor, why: why.into() }
    }

    /// Nothing is too large.
    pub fn only_low(self) -> Self {
        Self { high: f64::INFINITY, ..self }
    }

    /// Nothing is too small.
    pub fn only_high(self) -> Self {
        Self { low: f64::NEG_INFINITY, ..self }
    }

    /// What is this large is never too small.
    pub fn enough(self, value: f64) -> Self {
        Self { low: self.low.min(value), ..self }
    }

    /// What is no larger than this is never too large.
    pub fn harmless(self, value: f64) -> Self {
        Self { high: self.high.max(value), ..self }
    }

    /// What is larger than this is too large in any case.
    pub fn at_most(self, value: f64) -> Self {
        Self { high: self.high.min(value), ..self }
    }

    pub fn off(&self, value: f64) -> Off {
        if value < self.low {
            Off::Low
        } else if value > self.high {
            Off::High
        } else {
            Off::No
        }
    }

    /// Tells it, where the setting is off, and puts it into the table; whether it was off.
    pub fn tell(&self, server: &Server, table: &mut Table) -> bool {
        let Some(setting) = server.get(self.name) else { return false };
        if setting.is_of_the_session() {
            unseen(self.name).report();
            return false;
        }
        let off = self.off(setting.value);
        let (now, fits) = (setting.unit.written(setting.value), setting.unit.written(self.advised(setting.unit)));
        let verdict = match off {
            Off::No => "fits",
            Off::Low => "too low",
            Off::High => "too high",
        };
        table.row(&[&self.name, &now, &fits, &verdict]);
        let (code, times) = match off {
            Off::No => return false,
            Off::Low => ("setting-too-low", self.ideal / setting.value),
            Off::High => ("setting-too-high", setting.value / self.ideal),
        };
        let times = if times.is_finite() {
            format!(" by a factor of {times:.1}, warning above {}", self.factor)
        } else {
            String::new()
        };
        finding!(Severity::Warning, code, self.name, "{now} is set and {fits} fits: {verdict}{times}")
            .detail(&*self.why)
            .remedy(remedy(self.name, &fits, setting))
            .report();
        true
    }

    /// Not finer than a person would write it.
    fn advised(&self, unit: Unit) -> f64 {
        const MIB: f64 = 1_048_576.0;
        let step = match unit {
            Unit::Bytes if self.ideal >= 1024.0 * MIB => 256.0 * MIB,
            Unit::Bytes if self.ideal >= 64.0 * MIB => 16.0 * MIB,
            Unit::Bytes if self.ideal >= MIB => MIB,
            Unit::Bytes => 64.0 * 1024.0,
            Unit::Plain if self.ideal >= 1.0 => 1.0,
            Unit::Seconds | Unit::Plain => return self.ideal,
        };
        ((self.ideal / step).round() * step).max(step)
    }
}

/// The line that sets it, in the place where it is set.
pub fn remedy(name: &str, value: &str, setting: &Setting) -> String {
    if setting.is_given_at_the_start() {
        return format!("it is given where the server is started ({}): write {name} = {value} there", setting.source);
    }
    let value = if value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') || value == "on" {
        value.to_owned()
    } else {
        format!("'{value}'")
    };
    let then = if setting.context == "postmaster" { "-- and restart the server" } else { "SELECT pg_reload_conf();" };
    format!("ALTER SYSTEM SET {name} = {value}; {then}")
}

fn unseen(name: &str) -> Finding {
    finding!(
        Severity::Unknown,
        "setting-unseen",
        name,
        "the task's own role or database has a value of its own, so what the server has is not seen"
    )
    .remedy(format!("ALTER ROLE CURRENT_USER RESET {name};    -- as the task's role, or RESET it at the database"))
}
