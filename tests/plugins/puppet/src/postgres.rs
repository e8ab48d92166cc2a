//! Statements, as a plugin sends them.

use hostler_sdk::prelude::*;
use serde_json::{Value, json};

/// One statement, outside of a transaction of the plugin's own.
#[derive(Deserialize)]
pub(crate) struct Call {
    #[serde(default = "database")]
    request: String,
    sql: String,
    /// Sent as a change instead of a query.
    #[serde(default)]
    change: bool,
}

fn database() -> String {
    "database".into()
}

impl Call {
    pub(crate) async fn make(self, context: &Context) -> Result<Value, TaskError> {
        let database = context.postgres(&self.request).await?;
        if self.change {
            return Ok(json!(format!("{:?}", database.execute(&self.sql, &[]).await?)));
        }
        Ok(json!(database.query(&self.sql, &[]).await?.rows().await?.len()))
    }
}
