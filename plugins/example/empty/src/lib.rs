//! Does nothing: the smallest plugin, to copy from and to measure the host with.

use hostler_sdk::prelude::*;

hostler_sdk::plugin!(run);

async fn run(_context: Context) -> Result<String, TaskError> {
    Ok("nothing to do".into())
}
