//! The journal's quota. journald has one of its own (`SystemMaxUse=`), a tenth of the filesystem where nobody set it; this
//! one is for the machine on which that is too much.

use hostler_sdk::prelude::*;
use hostler_sdk::shell::Outcome;

use crate::Settings;

pub(crate) async fn report(context: &Context, settings: &Settings) -> Result<Option<String>, TaskError> {
    let mut bytes = match usage(context).await {
        Ok(bytes) => bytes,
        Err(error) if error.ends_the_run() => return Err(error),
        // Neither bound nor asked for: then there is nothing to tell.
        Err(error) if error.is_unbound() && settings.journal_quota.is_none() => return Ok(None),
        Err(error) => {
            error.finding("journal-not-read", "journal").report();
            return Ok(None);
        }
    };
    let mut told = format!("the journal has {}", ByteSize(bytes));
    let mut detail = "";
    let Some(quota) = settings.journal_quota else {
        Metric::gauge("journal_bytes", bytes as f64).report();
        return Ok(Some(told));
    };
    let share = |bytes: u64| bytes as f64 / quota.as_f64() * 100.0;
    if settings.journal_critical.matches(share(bytes)) {
        match vacuum(context, quota).await {
            Ok(true) => {
                let before = bytes;
                bytes = usage(context).await?;
                told = format!("the journal had {} and has {}", ByteSize(before), ByteSize(bytes));
                if bytes >= before {
                    detail = "journalctl removed nothing: what is left is still written, or the program may not write there (it needs confine = \"off\").";
                }
            }
            Ok(false) => told += ", and would be cut to four fifths of its quota",
            Err(error) if error.is_unbound() => {}
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("journal-not-read", "journal").report(),
        }
    }
    Metric::gauge("journal_bytes", bytes as f64).report();
    let finding = finding!(Severity::Ok, "journal-large", "journal", "it has {} of its quota of {quota}", ByteSize(bytes))
        .detail(detail)
        .remedy("set SystemMaxUse= in /etc/systemd/journald.conf, then systemctl restart systemd-journald; journalctl --rotate makes what is still written archived, and --vacuum-size can remove it");
    Metric::gauge("journal_quota_percent", share(bytes)).judge(
        &settings.journal_warning,
        &settings.journal_critical,
        finding,
    );
    Ok(Some(told))
}

async fn usage(context: &Context) -> Result<u64, TaskError> {
    let directory = context.directory("journal").root();
    let said = context.program("journalctl").arguments(["--disk-usage", "-D"]).path(directory).output().await?;
    usage_of(&said).ok_or_else(|| {
        TaskError::new(format!(
            "journalctl --disk-usage did not say how much: {}",
            said.lines().next().unwrap_or_default()
        ))
    })
}

/// `Archived and active journals take up 24.0M in the file system.`
pub(crate) fn usage_of(said: &str) -> Option<u64> {
    let size = said.split("take up ").nth(1)?.split_whitespace().next()?;
    let split = size.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = size.split_at(split);
    let power = ["B", "K", "M", "G", "T", "P"].iter().position(|one| *one == unit)?;
    let bytes = number.parse::<f64>().ok()? * 1024_f64.powi(i32::try_from(power).ok()?);
    (bytes >= 0.0).then_some(bytes as u64)
}

/// Removes the oldest archived files down to four fifths of the quota; whether it was done, and not planned.
async fn vacuum(context: &Context, quota: ByteSize) -> Result<bool, TaskError> {
    let _step = context.step("remove the journal's oldest archived files", 1, 0)?;
    let size = format!("--vacuum-size={}", (quota.0 / 5 * 4).max(1));
    let program = context.program("vacuum").arguments([size.as_str(), "-D"]).path(context.directory("journal").root());
    match program.run().await? {
        Outcome::Planned => Ok(false),
        Outcome::Completed(done) if done.exit_code == Some(0) => Ok(true),
        Outcome::Completed(done) => {
            let said = String::from_utf8_lossy(&done.stderr).lines().next().unwrap_or("it said nothing").to_owned();
            Err(TaskError::new(format!("journalctl --vacuum-size failed: {said}")))
        }
    }
}
