//! Endpoints, as a plugin asks them.

use hostler_sdk::bindings::network::hostler::plugin::network as bindings;
use hostler_sdk::prelude::*;
use serde_json::{Value, json};
use wit_bindgen::StreamResult;

/// One call.
#[derive(Deserialize)]
pub(crate) struct Call {
    #[serde(default = "site")]
    request: String,
    #[serde(default)]
    target: Option<String>,
    /// `connect`, `tls`, or an HTTP method.
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    server_name: Option<String>,
    #[serde(default)]
    timeout_ms: Option<u64>,
}

fn site() -> String {
    "site".into()
}

fn get() -> String {
    "GET".into()
}

impl Call {
    pub(crate) async fn make(self) -> Result<Value, TaskError> {
        match self.method.as_str() {
            "connect" => return Ok(json!(bindings::connect(self.request, self.target).await?)),
            "tls" => {
                let none = bindings::Starttls::None;
                let shaken = bindings::tls_handshake(self.request, self.target, self.server_name, none).await?;
                return Ok(json!(format!("{:?}", shaken.verified)));
            }
            _ => {}
        }
        let headers = self.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        let call = bindings::HttpRequest {
            method: self.method,
            target: self.target,
            path: self.path,
            headers,
            body: self.body.into_bytes(),
            timeout_ms: self.timeout_ms,
        };
        let bindings::Exchange::Completed(mut response) = bindings::http(self.request, call).await? else {
            return Ok(json!("planned"));
        };
        let (mut text, mut length) = (Vec::new(), 0_u64);
        loop {
            let (result, bytes) = response.body.read(Vec::with_capacity(64 << 10)).await;
            length += bytes.len() as u64;
            if text.len() < 4096 {
                text.extend(bytes);
            }
            if !matches!(result, StreamResult::Complete(_)) {
                break;
            }
        }
        response.completed.await?;
        text.truncate(4096);
        let headers: Vec<(String, String)> =
            response.headers.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(&value).into())).collect();
        Ok(json!({
            "status": response.status,
            "headers": headers,
            "length": length,
            "text": String::from_utf8_lossy(&text),
        }))
    }
}
