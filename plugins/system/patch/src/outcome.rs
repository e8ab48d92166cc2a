//! What apt-get and dpkg say when they are done. Their exit code is 100 for everything that went wrong, so that the kind
//! of it is told by their words, which are not translated in the host's environment.

use hostler_sdk::prelude::*;
use hostler_sdk::shell::Completed;

/// Why nothing more is upgraded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Another apt or dpkg works.
    Locked(String),
    /// dpkg was cut off before, and its records are not whole.
    Interrupted,
    /// apt-get or dpkg could not do it.
    Failed(String),
}

/// The configuration files that were kept, where it ended well.
pub(crate) fn judge(completed: &Completed) -> Result<Vec<String>, Failure> {
    let (stdout, stderr) = (String::from_utf8_lossy(&completed.stdout), String::from_utf8_lossy(&completed.stderr));
    if completed.exit_code == Some(0) {
        return Ok(kept(&stdout));
    }
    let lines = || stderr.lines().chain(stdout.lines()).map(str::trim);
    let is_lock = |line: &&str| {
        ["Could not get lock", "Unable to acquire the dpkg frontend lock", "is locked by another process"]
            .iter()
            .any(|words| line.contains(words))
    };
    if let Some(line) = lines().find(is_lock) {
        return Err(Failure::Locked(shortened(line)));
    }
    if lines().any(|line| line.contains("dpkg was interrupted")) {
        return Err(Failure::Interrupted);
    }
    // dpkg names the package and the reason; apt-get's own line only says that dpkg failed.
    let reason = lines().skip_while(|line| !line.starts_with("dpkg: error")).take(2).collect::<Vec<_>>().join(" ");
    let line = lines().find(|line| line.starts_with("E:")).unwrap_or("it said nothing");
    Err(Failure::Failed(shortened(if reason.is_empty() { line } else { &reason })))
}

/// `Configuration file '/etc/tool.conf'` above `==> Keeping old config file as default.`
fn kept(stdout: &str) -> Vec<String> {
    let mut found = vec![];
    let mut file = None;
    for line in stdout.lines() {
        if let Some(rest) = line.trim().strip_prefix("Configuration file '") {
            file = rest.split('\'').next().map(str::to_owned);
        } else if line.contains("==> Keeping old config file") {
            found.extend(file.take());
        }
    }
    found
}

fn shortened(line: &str) -> String {
    line.chars().take(300).collect()
}

pub(crate) fn report_kept(package: &str, files: &[String]) {
    for file in files {
        finding!(
            Severity::Warning,
            "configuration-kept",
            file,
            "{package} has a newer one, and this one was changed here: it was kept"
        )
        .remedy(format!("diff -u {file} {file}.dpkg-dist    # take over what is needed, then remove {file}.dpkg-dist"))
        .report();
    }
}

impl Failure {
    pub(crate) fn report(&self, subject: &str) {
        match self {
            Self::Locked(line) => finding!(Severity::Warning, "lock-held", "dpkg", "another program works on packages: {line}")
                .remedy("let it end (systemctl status apt-daily-upgrade.service), then run the task again; settings.lock_wait waits longer")
                .report(),
            Self::Interrupted => Self::Failed("dpkg was cut off before, and did not finish".into()).report(subject),
            Self::Failed(line) => finding!(Severity::Critical, "upgrade-failed", subject, "it could not be upgraded: {line}")
                .detail("Nothing else was upgraded after it.")
                .remedy("dpkg --configure -a; apt-get --fix-broken install; dpkg --audit    # say what is half done; /var/log/apt/term.log has all of it")
                .report(),
        }
    }
}
