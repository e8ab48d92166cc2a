//! `[host]`: where the host keeps what it keeps, and for how long.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::{
    ConfigurationError,
    section::Section,
    zone::{Zone, system},
};

/// Where the host keeps what it keeps, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct HostConfiguration {
    /// History, audit, state of the tasks, locks.
    pub state: PathBuf,
    /// The installed plugins.
    pub registry: PathBuf,
    /// Compiled code.
    pub cache: PathBuf,
    /// Tasks side by side.
    pub parallel: usize,
    /// Runs that are kept of each task.
    pub keep_runs: u64,
    /// Days for which runs are kept.
    pub keep_days: u64,
    /// About how many bytes of audit are kept; the oldest are let go.
    pub audit_bytes: u64,
    /// The operator's time zone; the machine's where it does not say.
    pub time_zone: TimeZone,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Written {
    state: Option<PathBuf>,
    registry: Option<PathBuf>,
    cache: Option<PathBuf>,
    #[serde(deserialize_with = "crate::amount::number")]
    parallel: Option<u64>,
    #[serde(deserialize_with = "crate::amount::number")]
    keep_runs: Option<u64>,
    #[serde(deserialize_with = "crate::amount::number")]
    keep_days: Option<u64>,
    #[serde(deserialize_with = "crate::amount::bytes")]
    audit_bytes: Option<u64>,
    time_zone: Option<Zone>,
}

/// More tasks side by side than this are a slip of the hand.
const MOST_PARALLEL: u64 = 1024;

impl Default for HostConfiguration {
    fn default() -> Self {
        Self::filled(Written::default(), Path::new("/"))
    }
}

impl HostConfiguration {
    pub(crate) fn read(section: &Section<'_>, errors: &mut Vec<ConfigurationError>) -> Option<Self> {
        let written: Written = section.read(errors)?;
        if written.parallel.is_some_and(|parallel| parallel > MOST_PARALLEL) {
            errors.push(section.wrong("parallel", format!("has to be at most {MOST_PARALLEL}")));
        }
        Some(Self::filled(written, section.source.directory()))
    }

    fn filled(written: Written, directory: &Path) -> Self {
        let beside = |path: PathBuf| directory.join(path);
        let state = written.state.map_or_else(default_state, beside);
        Self {
            registry: written.registry.map_or_else(|| state.join("registry"), beside),
            cache: written.cache.map_or_else(|| state.join("cache"), beside),
            state,
            parallel: written.parallel.and_then(|parallel| usize::try_from(parallel).ok()).unwrap_or(4),
            keep_runs: written.keep_runs.unwrap_or(1000),
            keep_days: written.keep_days.unwrap_or(400),
            audit_bytes: written.audit_bytes.unwrap_or(4 << 30),
            time_zone: written.time_zone.map_or_else(system, |zone| zone.0),
        }
    }
}

fn default_state() -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    state_of(rustix::process::geteuid().is_root(), variable("XDG_STATE_HOME"), variable("HOME"))
}

fn state_of(root: bool, state_home: Option<PathBuf>, home: Option<PathBuf>) -> PathBuf {
    let system = || PathBuf::from("/var/lib/hostler");
    if root {
        return system();
    }
    let state_home = state_home.or_else(|| home.map(|home| home.join(".local/state")));
    state_home.map_or_else(system, |directory| directory.join("hostler"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_where_the_user_may_write() {
        let home = || Some(PathBuf::from("/home/ada"));
        assert_eq!(state_of(true, None, home()), Path::new("/var/lib/hostler"));
        assert_eq!(state_of(false, None, home()), Path::new("/home/ada/.local/state/hostler"));
        assert_eq!(state_of(false, Some("/states".into()), home()), Path::new("/states/hostler"));
        assert_eq!(state_of(false, None, None), Path::new("/var/lib/hostler"));
    }
}
