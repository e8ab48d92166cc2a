//! Whether what a Redis server holds is what it should: a replica that follows, a copy on the disk that was written, and
//! cached values that agree with the rows they were made from. The last is a sample, since only its owner knows how a
//! value is made; the settings say how.

mod compare;
mod state;

use hostler_sdk::prelude::*;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    link: Duration,
    behind_warning: ByteSize,
    behind_critical: ByteSize,
    stale_warning: Percent,
    pattern: String,
    query: String,
    sample: usize,
    mismatch_warning: Percent,
    mismatch_critical: Percent,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let server = context.redis("server").await?;
    let info = server.info(&[]).await?;
    let mut summary = state::report(&info, &settings)?;
    if settings.pattern.is_empty() {
        return Ok(summary);
    }
    if settings.query.is_empty() {
        return Err(TaskError::new("settings.pattern names keys, and settings.query says not what they are to be")
            .remedy("write the query that gives `key` and `value` for the keys in $1"));
    }
    let compared = match context.postgres("source").await {
        Ok(database) => compare::compare(&server, &database, &settings).await,
        Err(error) => Err(error),
    };
    match compared {
        Ok(compared) => summary = format!("{summary}; {}", compared.report(&settings)),
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => {
            error.during("comparing values with their source").finding("not-compared", &settings.pattern).report()
        }
    }
    Ok(summary)
}

#[cfg(test)]
mod tests;
