//! What an operator wrote: resources, tasks, procedures.
//!
//! `hostler.toml`, and `conf.d/*.toml` beside it, are read whole and checked against each other before anything runs,
//! and everything that is wrong is reported together, each with its file, line and key. A task is then held against
//! its plugin's manifest by [`bind`], which answers with what each request is granted: at most what was asked for.
//!
//! Nothing here shows a password. An error repeats names and keys, never values; an address is shown by [`redacted`].

mod amount;
mod bind;
mod binding;
mod credential;
mod dsn;
mod errors;
mod files;
mod host;
mod inline;
mod limits;
mod load;
mod moment;
mod narrow;
mod password_file;
mod place;
mod procedure;
mod redact;
mod resource;
mod resources;
mod schedule;
mod section;
mod syntax;
mod task;
mod window;
mod zone;

pub use bind::bind;
pub use binding::{Binding, Grant, Target};
pub use credential::credential_of;
pub use dsn::{ConnectionString, DsnError, ServiceError, ServiceFile, percent_decoded, user_and_database};
pub use errors::{BindingError, BindingErrors, ConfigurationError, ConfigurationErrors, Warning};
pub use files::{FileError, FileProblem, check_alone, check_readable, read_secret};
pub use host::HostConfiguration;
pub use inline::inline;
pub use limits::LimitsConfiguration;
pub use load::Configuration;
pub use narrow::{
    DEFAULT_CONNECTIONS, DirectoryNarrowing, EndpointNarrowing, HistoryNarrowing, Narrowing, PostgresNarrowing,
    ProgramNarrowing, RedisNarrowing, Wider, changes, grant_of, redis_only_reads, wider,
};
pub use password_file::{PasswordFound, look_up_password, password_in};
pub use place::Place;
pub use procedure::ProcedureConfiguration;
pub use redact::{has_password, redacted};
pub use resource::{
    Confinement, DirectoryResource, EndpointResource, PostgresResource, ProgramForm, ProgramResource, RedisResource,
    Resource,
};
pub use resources::Resources;
pub use schedule::{Schedule, ScheduleError};
pub use task::{BindConfiguration, TaskConfiguration};
pub use window::{Window, WindowError};

/// The `hostler.toml` that `hostler init` writes: every section, explained and commented out.
pub const TEMPLATE: &str = include_str!("template.toml");

/// Names that an operator gives: up to 64 lower-case letters, digits, hyphens and underscores.
fn is_name(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter);
    (1..=64).contains(&name.len())
        && name.starts_with(|first: char| first != '-' && first != '_')
        && name.chars().all(plain)
}
