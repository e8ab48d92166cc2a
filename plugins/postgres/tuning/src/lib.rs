//! Settings beside what they are for. The guide writes figures; which figures fit depends on the memory, on how many
//! connections share it, and on what the server does all day. So each is worked out from those, told with its reasoning and
//! the line that sets it, and nothing is ever set here: a setting that was right yesterday is an operator's decision.

mod advice;
mod connections;
mod load;
mod memory;
mod server;
mod vacuum;
mod write;

use hostler_sdk::{Difference, Timestamp, baseline_taken, machine, postgres::needs_monitor, prelude::*};

use advice::Advice;
use connections::Peaks;
use load::Load;
use memory::Budget;
use server::Server;

hostler_sdk::plugin!(Settings, run);

const ROLE: &str = "
    SELECT quote_ident(current_user) AS role, pg_has_role('pg_read_all_settings', 'USAGE') AS sees_all,
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
            OR backend_type IS NULL AND datid IS NOT NULL) AS used";

#[derive(Deserialize)]
struct Settings {
    memory: Option<ByteSize>,
    factor: f64,
    requested: Percent,
    least_days: usize,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = context.postgres("database").await?;
    let info = database.info();
    let server = Server::of(&database.query(server::SETTINGS, &[]).await?.rows().await?)?;
    let role = database.query(ROLE, &[]).await?.one().await?;
    if !role.get::<bool>("sees_all")? {
        needs_monitor(role.get("role")?, "settings", "whether a setting that only superusers see waits for a restart")
            .report();
    }
    let mut peaks: Peaks = context.state().get("peaks").await?.unwrap_or_default();
    connections::remember(&mut peaks, Timestamp::now(), role.get("used")?);
    context.state().set("peaks", &peaks).await?;
    let (mut load, mut bytes) = (None, 0.0);
    // What a standby writes, and what it cleans, is its primary's doing.
    if !info.in_recovery {
        let row = database.query(&load::query(info.version), &[]).await?.one().await?;
        bytes = row.get::<Option<f64>>("bytes")?.unwrap_or_default();
        load = since(load::counters(&row)?.compare(&context, "counters").await?);
    }
    let budget = budget(&server, &settings).await?;
    Ok(report(&server, budget.as_ref(), load.as_ref(), &peaks, (!info.in_recovery).then_some(bytes), &settings))
}

/// What the server did since the last run; where that is not known, it is told.
fn since(difference: Difference) -> Option<Load> {
    let why = match difference {
        Difference::Growth(growth) => return Some(Load::of(&growth)),
        Difference::Baseline => "checkpoints, WAL and temporary files are counted from now on".to_owned(),
        Difference::Restarted(why) => why,
    };
    baseline_taken("load", &why).report();
    None
}

/// The memory that the server may use; where that is not known, it is told.
async fn budget(server: &Server, settings: &Settings) -> Result<Option<Budget>, TaskError> {
    if let Some(memory) = settings.memory {
        let known_from = format!("the memory that the task is told of, {memory}");
        return Ok(Some(Budget { bytes: memory.as_f64(), known_from }));
    }
    let why = match machine::memory().await {
        Ok(memory) => {
            let (sockets, processes) = (machine::listening_sockets().await?, machine::processes().await?);
            if memory::is_here(server, &sockets, &processes) {
                return Ok(Some(Budget::of_machine(&memory)));
            }
            "the server does not run on this machine, or cannot be seen here"
        }
        Err(error) if error.is_unbound() => "no machine is bound to the task",
        Err(error) => return Err(error),
    };
    finding!(Severity::Unknown, "memory-unknown", "memory", "how much memory the server has is not known: {why}")
        .remedy("write it at the task: settings.memory = \"16GiB\"")
        .report();
    Ok(None)
}

/// `bytes` is the size of all databases, where they are this server's to clean.
fn report(
    server: &Server,
    budget: Option<&Budget>,
    load: Option<&Load>,
    peaks: &Peaks,
    bytes: Option<f64>,
    settings: &Settings,
) -> String {
    let factor = settings.factor;
    let mut advice: Vec<Advice> = connections::advise(server, peaks, settings.least_days, factor);
    if let Some(budget) = budget {
        advice.extend(memory::advise(server, budget, load, factor));
    }
    let mut off = 0;
    if let Some(bytes) = bytes {
        advice.extend(write::advise(server, load, settings.requested, factor));
        advice.extend(vacuum::advise(server, load, bytes, factor));
        off += usize::from(vacuum::tell_off(server));
    }
    let mut table = Table::new("Settings", &["setting", "set", "fits", "verdict"]);
    off += advice.iter().filter(|one| one.tell(server, &mut table)).count();
    table.report();
    let pending = server.pending();
    for name in &pending {
        finding!(Severity::Warning, "restart-pending", *name, "it was changed, and holds only after a restart")
            .detail("Until then the server runs with the old value, and whoever reads the configuration believes in the new one.")
            .remedy(format!("SELECT sourcefile, sourceline, setting FROM pg_file_settings WHERE name = '{name}';    -- then restart in the next maintenance window"))
            .report();
    }
    if let Some(load) = load {
        load.report();
    }
    Metric::gauge("postgres_sorts_worst_bytes", memory::worst_sorts(server)).report();
    Metric::gauge("postgres_settings_off", off as f64).report();
    Metric::gauge("postgres_settings_pending_restart", pending.len() as f64).report();
    let verb = agreed(pending.len(), "waits", "wait");
    format!(
        "{} looked at: {off} off by more than {factor} ×, {} {verb} for a restart",
        counted(advice.len(), "setting"),
        pending.len()
    )
}

#[cfg(test)]
mod tests;
