//! The journal, from the cursor of the last run on.

use std::collections::BTreeMap;

use hostler_sdk::prelude::*;
use serde_json::Value;

use crate::entry::Entry;

const STATE: &str = "cursor";

/// Reads it, and says whether it is bound.
pub(crate) async fn read(context: &Context, each: &mut impl FnMut(Entry)) -> Result<bool, TaskError> {
    let cursor: Option<String> = context.state().get(STATE).await?;
    let since = cursor.as_ref().map_or("--since=-1d".to_owned(), |cursor| format!("--after-cursor={cursor}"));
    let program = context.program("journalctl").arguments(["--output=json", "--no-pager", "--quiet", "--priority=3"]);
    let text = match program.argument(since).output().await {
        Ok(text) => text,
        Err(error) if error.is_unbound() => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut last = cursor;
    for line in text.lines() {
        let Ok(fields) = serde_json::from_str::<BTreeMap<String, Value>>(line) else { continue };
        let field = |name: &str| fields.get(name).map(words).filter(|text| !text.is_empty());
        if let Some(cursor) = field("__CURSOR") {
            last = Some(cursor);
        }
        let who = field("_SYSTEMD_UNIT").or_else(|| field("SYSLOG_IDENTIFIER")).unwrap_or("unknown".into());
        let worst = field("PRIORITY").is_some_and(|priority| ["0", "1"].contains(&priority.as_str()));
        each(Entry { who, message: field("MESSAGE").unwrap_or_default(), sqlstate: None, worst });
    }
    if let Some(cursor) = last {
        context.state().set(STATE, &cursor).await?;
    }
    Ok(true)
}

/// A field's text; what is not UTF-8 is a list of bytes there.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(bytes) => {
            let bytes: Vec<u8> = bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => String::new(),
    }
}
