//! `doctor` and `roles`.

use std::path::Path;

use hostler_capability::Severity;
use hostler_service::Host;

use super::{configuration::load, print::out};

/// Tries every resource and every bound privilege.
pub(super) async fn doctor(config: &Path, task: Option<&str>) -> anyhow::Result<u8> {
    let host = Host::open(load(config)?)?;
    if let Some(task) = task {
        host.named(task)?;
    }
    let examined = host.examine(task).await;
    let mut worst = Severity::Ok;
    for one in &examined {
        worst = worst.max(one.severity);
        let mark = match one.severity {
            Severity::Ok => "ok",
            Severity::Warning => "lacks",
            _ => "broken",
        };
        out(&format!("{mark:<7} {}: {}\n", one.subject, one.finding))?;
        if let Some(remedy) = &one.remedy {
            out(&format!("        → {remedy}\n"))?;
        }
    }
    if examined.is_empty() {
        out("the configuration has no task and no resource; begin with a section [postgres.NAME]\n")?;
    }
    Ok(worst.exit_code())
}

/// Prints the least role and user.
pub(super) fn roles(config: &Path) -> anyhow::Result<u8> {
    let host = Host::open(load(config)?)?;
    out(&host.roles()?)?;
    Ok(0)
}
