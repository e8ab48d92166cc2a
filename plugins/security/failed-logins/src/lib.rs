//! Failed logins since the last run, from wherever somebody may log in: SSH and PAM, PostgreSQL, Redis. A failure is
//! nothing; many within minutes are somebody who tries; and a success after them is somebody who got in.
//!
//! Passwords are typed where names belong: a name is shown only where it has logged in, so that it is one.

mod attempt;
mod burst;
mod source;

use hostler_sdk::prelude::*;

use burst::Attempts;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    files: Vec<String>,
    burst: usize,
    before_success: usize,
    window: Duration,
}

/// The end of one run's attempts is the beginning of the next one's window.
const STATE: &str = "recent";

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let recent = context.state().get(STATE).await?.unwrap_or_default();
    let mut attempts = Attempts::after(recent);
    let sources = source::read(&context, &settings, &mut attempts).await?;
    if sources == 0 {
        return Err(TaskError::new("nothing is bound that tells of logins")
            .remedy("bind.journalctl, bind.logs or bind.redis: see `hostler show security-failed-logins`"));
    }
    attempts.put_in_order();
    let summary = attempts.report(&settings);
    context.state().set(STATE, &attempts.recent(&settings)).await?;
    Ok(summary)
}

#[cfg(test)]
mod tests;
