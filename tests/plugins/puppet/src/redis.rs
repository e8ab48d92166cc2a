//! Commands, as a plugin sends them.

use hostler_sdk::prelude::*;
use serde_json::{Value, json};

/// One command, or several in one round trip, or a scan.
#[derive(Deserialize)]
pub(crate) struct Call {
    #[serde(default = "cache")]
    request: String,
    #[serde(default)]
    command: Vec<String>,
    /// Sent as a change instead of a query.
    #[serde(default)]
    change: bool,
    /// Sent together.
    #[serde(default)]
    many: Vec<Vec<String>>,
    /// The pattern of a scan.
    #[serde(default)]
    scan: Option<String>,
}

fn cache() -> String {
    "cache".into()
}

impl Call {
    pub(crate) async fn make(self, context: &Context) -> Result<Value, TaskError> {
        let server = context.redis(&self.request).await?;
        if let Some(pattern) = &self.scan {
            let mut found = server.scan(pattern, None).await?;
            let mut keys = 0;
            while let Some(page) = found.next().await? {
                keys += page.len();
            }
            return Ok(json!(keys));
        }
        let many: Vec<_> = self.many.iter().map(hostler_sdk::redis::command).collect();
        let reply = match (many.is_empty(), self.change) {
            (true, false) => format!("{:?}", server.query(&self.command).await?),
            (true, true) => format!("{:?}", server.execute(&self.command).await?),
            (false, false) => format!("{:?}", server.query_many(many).await?),
            (false, true) => format!("{:?}", server.execute_many(many).await?),
        };
        // A long reply stands by its length: what is attached is bounded.
        Ok(if reply.len() > 4096 { json!(reply.len()) } else { json!(reply) })
    }
}
