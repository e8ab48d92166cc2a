//! What happens around a plugin's function: settings in, text out.

use serde::{Deserialize, de::DeserializeOwned};

use crate::bindings::base::hostler::plugin::{settings, types};
use crate::{Context, TaskError};

/// The settings of a plugin that has none.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct NoSettings {}

/// Runs a plugin's function with its settings.
///
/// # Errors
/// The text of what the function failed with.
pub async fn drive<S, F, R>(mode: types::Mode, run: R) -> Result<String, String>
where
    S: DeserializeOwned,
    F: Future<Output = Result<String, TaskError>>,
    R: FnOnce(Context, S) -> F,
{
    let settings = serde_json::from_str(&settings::get()).map_err(|error| {
        format!("the settings are not what this plugin's code takes, so its manifest and its code disagree: {error}")
    })?;
    run(Context::new(mode), settings).await.map_err(|error| error.to_string())
}

/// Holds a plugin's function to its type where nothing is exported.
pub fn typecheck<S, F, R>(_: R)
where
    S: DeserializeOwned,
    F: Future<Output = Result<String, TaskError>>,
    R: FnOnce(Context, S) -> F,
{
}
