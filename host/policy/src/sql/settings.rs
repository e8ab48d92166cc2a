//! Which session settings a task may set for a statement, and to which values.
//!
//! A closed list: who the session is, where names resolve, how texts are read and whether triggers fire are none of a
//! plugin's business, whatever a grant says. What remains is how long a statement may wait and how much it may use.

use super::PostgresGrant;
use super::refusal::Refusal;

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// A time that ends something. Zero would switch it off.
    Limit,
    /// A number, with a unit where the server knows one.
    Number,
    /// on or off.
    Flag,
    /// One of a few words.
    Word(&'static [&'static str]),
}

const SETTINGS: [(&str, Takes); 43] = [
    ("lock_timeout", Takes::Limit),
    ("statement_timeout", Takes::Limit),
    ("transaction_timeout", Takes::Limit),
    ("idle_in_transaction_session_timeout", Takes::Limit),
    ("deadlock_timeout", Takes::Limit),
    ("work_mem", Takes::Number),
    ("maintenance_work_mem", Takes::Number),
    ("temp_buffers", Takes::Number),
    ("temp_file_limit", Takes::Number),
    ("hash_mem_multiplier", Takes::Number),
    ("gin_pending_list_limit", Takes::Number),
    ("default_statistics_target", Takes::Number),
    ("max_parallel_maintenance_workers", Takes::Number),
    ("max_parallel_workers", Takes::Number),
    ("max_parallel_workers_per_gather", Takes::Number),
    ("effective_io_concurrency", Takes::Number),
    ("maintenance_io_concurrency", Takes::Number),
    ("effective_cache_size", Takes::Number),
    ("random_page_cost", Takes::Number),
    ("seq_page_cost", Takes::Number),
    ("vacuum_buffer_usage_limit", Takes::Number),
    ("vacuum_cost_delay", Takes::Number),
    ("vacuum_cost_limit", Takes::Number),
    ("vacuum_cost_page_dirty", Takes::Number),
    ("vacuum_cost_page_hit", Takes::Number),
    ("vacuum_cost_page_miss", Takes::Number),
    ("vacuum_failsafe_age", Takes::Number),
    ("vacuum_freeze_min_age", Takes::Number),
    ("vacuum_freeze_table_age", Takes::Number),
    ("vacuum_multixact_failsafe_age", Takes::Number),
    ("vacuum_multixact_freeze_min_age", Takes::Number),
    ("vacuum_multixact_freeze_table_age", Takes::Number),
    ("enable_bitmapscan", Takes::Flag),
    ("enable_hashagg", Takes::Flag),
    ("enable_hashjoin", Takes::Flag),
    ("enable_indexscan", Takes::Flag),
    ("enable_mergejoin", Takes::Flag),
    ("enable_nestloop", Takes::Flag),
    ("enable_partitionwise_aggregate", Takes::Flag),
    ("enable_seqscan", Takes::Flag),
    ("enable_sort", Takes::Flag),
    ("jit", Takes::Flag),
    ("synchronous_commit", Takes::Word(&["local", "remote_write", "on", "remote_apply"])),
];

const UNITS: [&str; 13] = ["", "us", "ms", "s", "min", "h", "d", "B", "kB", "MB", "GB", "TB", "%"];

/// Whether the grant lets a task set `name` to `value`.
pub(super) fn may_set(grant: &PostgresGrant, name: &str, value: &str) -> Result<(), Refusal> {
    let name = name.to_ascii_lowercase();
    let Some((setting, takes)) = SETTINGS.iter().find(|(setting, _)| *setting == name) else {
        return Err(Refusal::never("setting anything but timeouts, memory, workers and costs"));
    };
    if !grant.settings.iter().any(|granted| granted.eq_ignore_ascii_case(setting)) {
        return Err(Refusal::Setting { setting: name });
    }
    let (right, wanted) = match takes {
        Takes::Limit => (is_limit(value), "a whole time above zero, such as 500ms or 5s"),
        Takes::Number => (amount(value).is_some(), "a number, with a unit where it takes one, such as 256MB"),
        Takes::Flag => (["on", "off", "true", "false"].contains(&value), "on or off"),
        Takes::Word(words) => (words.contains(&value), "local, remote_write, on or remote_apply"),
    };
    if right { Ok(()) } else { Err(Refusal::Value { setting: name, wanted }) }
}

/// A time that stays above zero when the server rounds it to milliseconds.
fn is_limit(value: &str) -> bool {
    amount(value).is_some_and(|amount| amount >= 1.0) && !value.contains('.') && !value.ends_with("us")
}

/// A number that is not negative, with a unit that the server knows.
fn amount(value: &str) -> Option<f64> {
    if value.len() > 32 || !value.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let end = value.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    UNITS.contains(&unit.trim_start_matches(' ')).then(|| number.parse().ok()).flatten()
}
