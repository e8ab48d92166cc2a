//! What a plugin's author depends on.
//!
//! A plugin is one file of work and one `plugin.toml` beside its `Cargo.toml`:
//!
//! ```
//! use hostler_sdk::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct Settings {
//!     warning: Range,
//!     critical: Range,
//! }
//!
//! hostler_sdk::plugin!(Settings, run);
//!
//! async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
//!     let database = context.postgres("database").await?;
//!     let row = database.query("SELECT count(*) AS used FROM pg_stat_activity", &[]).await?.one().await?;
//!     let used: i64 = row.get("used")?;
//!     let severity = judge(used as f64, &settings.warning, &settings.critical);
//!     finding!(severity, "connections", database.name(), "{used} connections").report();
//!     Ok(format!("{used} connections"))
//! }
//! # fn main() {}
//! ```
//!
//! `?` turns whatever a capability answers into a failed task whose text says what was wrong and what to do. What a
//! plugin decides belongs into plain functions: findings and metrics are recorded on the machine itself, so that
//! `cargo test` tries them without WebAssembly and without a server ([`testing`]).
//!
//! A plugin imports what it calls: one that opens no Redis server has no way to Redis in its file.

#[doc(hidden)]
pub mod bindings;
mod context;
mod counter;
mod error;
pub mod files;
pub mod history;
mod identifier;
mod info;
mod key;
pub mod machine;
pub mod network;
mod pattern;
pub mod postgres;
mod range;
pub mod redis;
mod reply;
mod report;
mod rows;
mod run;
pub mod shell;
mod stream;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod time;
mod units;
mod value;
mod words;

pub use context::{Context, Lock, Mode, RunInfo, State, Step, StopReason};
pub use counter::{Counters, Difference, Growth, baseline_taken};
pub use error::{Cause, During, TaskError};
pub use futures::{future::join_all, join};
pub use identifier::{quote_identifier, quote_literal, quote_qualified};
pub use info::{Info, Keyspace};
pub use pattern::matches_pattern;
pub use range::{Measure, Range, RangeError, judge, judged, judged_above, judged_below};
pub use reply::Reply;
pub use report::{Attachment, Finding, Metric, Severity, Table, log, progress};
pub use rows::{Batch, ColumnValues, Row, Rows};
#[doc(hidden)]
pub use run::{NoSettings, drive, typecheck};
pub use time::Timestamp;
pub use units::{ByteSize, Duration, Percent};
pub use value::{FromValue, Value};
pub use words::{agreed, counted, listed};

/// What a plugin's file begins with.
pub mod prelude {
    pub use crate::{
        ByteSize, Context, Duration, During, Finding, Measure, Metric, Mode, Percent, Range, Row, Rows, Severity,
        Table, TaskError, Timestamp, agreed, counted, finding, judge, judged,
    };
    pub use serde::Deserialize;
}

/// Makes a plugin of a function: embeds the manifest (`plugin.toml` beside `Cargo.toml`) and exports the task.
///
/// `plugin!(Settings, run)` where the function is `async fn run(context: Context, settings: Settings) ->
/// Result<String, TaskError>` and `Settings` can be deserialised; `plugin!(run)` where there are no settings.
#[macro_export]
macro_rules! plugin {
    ($run:path) => {
        const _: () = {
            async fn without_settings(
                context: $crate::Context,
                _: $crate::NoSettings,
            ) -> ::std::result::Result<::std::string::String, $crate::TaskError> {
                $run(context).await
            }
            $crate::plugin!($crate::NoSettings, without_settings);
        };
    };
    ($settings:ty, $run:path) => {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            const BYTES: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.toml"));
            #[cfg(target_arch = "wasm32")]
            #[used]
            #[unsafe(link_section = "hostler:manifest")]
            static MANIFEST: [u8; BYTES.len()] = *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.toml"));

            #[cfg(target_arch = "wasm32")]
            struct Plugin;
            #[cfg(target_arch = "wasm32")]
            impl $crate::bindings::base::exports::hostler::plugin::task::Guest for Plugin {
                async fn run(
                    mode: $crate::bindings::base::exports::hostler::plugin::task::Mode,
                ) -> ::std::result::Result<::std::string::String, ::std::string::String> {
                    $crate::drive::<$settings, _, _>(mode, $run).await
                }
            }
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::base::export_task!(Plugin with_types_in $crate::bindings::base);

            // On the machine itself nothing is exported, and the function is held to its type all the same.
            #[cfg(not(target_arch = "wasm32"))]
            const _: fn() = || $crate::typecheck::<$settings, _, _>($run);
        };
    };
}
