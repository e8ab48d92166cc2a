//! Commands, as a plugin sends them.

use hostler_sdk::prelude::*;
use serde_json::{Value, json};

/// One command.
#[derive(Deserialize)]
pub(crate) struct Call {
    #[serde(default = "cache")]
    request: String,
    command: Vec<String>,
    /// Sent as a change instead of a query.
    #[serde(default)]
    change: bool,
}

fn cache() -> String {
    "cache".into()
}

impl Call {
    pub(crate) async fn make(self, context: &Context) -> Result<Value, TaskError> {
        let server = context.redis(&self.request).await?;
        if self.change {
            return Ok(json!(format!("{:?}", server.execute(&self.command).await?)));
        }
        Ok(json!(format!("{:?}", server.query(&self.command).await?)))
    }
}
