//! Statements, as a plugin sends them.

use hostler_sdk::bindings::postgres::hostler::plugin::postgres as bindings;
use hostler_sdk::prelude::*;
use serde_json::{Value, json};

/// One statement, by one of the ways that the contract has.
#[derive(Deserialize)]
pub(crate) struct Call {
    #[serde(default = "database")]
    request: String,
    sql: String,
    /// Sent as a change instead of a query.
    #[serde(default)]
    change: bool,
    /// Sent in a transaction of the plugin's own, committed afterwards.
    #[serde(default)]
    transaction: bool,
    /// Sent by `copy-out`.
    #[serde(default)]
    copy: bool,
    /// Answered with the first value of the first row, a text.
    #[serde(default)]
    value: bool,
    /// Settings for this statement alone.
    #[serde(default)]
    settings: Vec<(String, String)>,
}

async fn first(mut rows: hostler_sdk::postgres::RowStream) -> Result<Value, TaskError> {
    let mut value = json!(null);
    while let Some(batch) = rows.next().await? {
        let text = batch.first().and_then(|column| column.slices().next());
        value = text.map_or(value, |text| json!(String::from_utf8_lossy(text)));
    }
    Ok(value)
}

fn database() -> String {
    "database".into()
}

impl Call {
    pub(crate) async fn make(self, context: &Context) -> Result<Value, TaskError> {
        let database = context.postgres(&self.request).await?;
        if self.copy {
            return self.copied().await;
        }
        let mut options = hostler_sdk::postgres::options();
        options.settings.clone_from(&self.settings);
        if self.transaction {
            let transaction = database.begin().await?;
            let made = if self.change {
                json!(format!("{:?}", transaction.execute(&self.sql, &[]).await?))
            } else {
                json!(transaction.query(&self.sql, &[]).await?.rows().await?.len())
            };
            transaction.commit().await?;
            return Ok(made);
        }
        if self.change {
            return Ok(json!(format!("{:?}", database.execute_with(&self.sql, &[], options).await?)));
        }
        let rows = database.query_with(&self.sql, &[], options).await?;
        if self.value {
            return first(rows).await;
        }
        Ok(json!(rows.rows().await?.len()))
    }

    async fn copied(self) -> Result<Value, TaskError> {
        let database = bindings::Database::open(self.request, None, None).await?;
        let (bytes, completed) = database.copy_out(self.sql).await?;
        let length = bytes.collect().await.len();
        completed.await?;
        Ok(json!(length))
    }
}
