//! Does what no plugin should, so that tests see what becomes of it: one behaviour each, chosen by a setting.
//!
//! Nonsense goes to the host by the generated bindings, since the SDK would hold some of it back.

mod changing;
mod nonsense;
mod wild;

use hostler_sdk::prelude::*;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    behaviour: String,
    argument: String,
    count: usize,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    match settings.behaviour.as_str() {
        "nothing" => {}
        "unreachable" => wild::unreachable(),
        "out-of-bounds" => wild::out_of_bounds(),
        "panic" => panic!("on purpose\x1b[31m"),
        "recurse" => return Ok(format!("{} deep", wild::recurse(1))),
        "loop" => wild::endless(),
        "loop-calling" => wild::call_without_end(&context),
        "loop-awaiting" => wild::await_without_end(&context).await?,
        "sleep" => std::thread::sleep(std::time::Duration::from_secs(1_000_000)),
        "allocate" => wild::allocate(),
        "allocate-in-secret" => return Ok(format!("well, with {} MiB", wild::allocate_what_there_is())),
        "flood-log" => wild::flood_log(usize::MAX),
        "flood-log-and-end" => wild::flood_log(settings.count),
        "flood-findings" => wild::flood_findings(settings.count),
        "fail-after-ok" => {
            finding!(Severity::Ok, "healthy", "everything", "all is well").report();
            return Err(TaskError::new("after all it is not\x1b[31m"));
        }
        "critical-then-trap" => {
            finding!(Severity::Critical, "disk-full", "/", "no room is left").report();
            wild::unreachable();
        }
        "summary-empty" => return Ok(String::new()),
        "summary-control" => return Ok("\x1b]0;owned\x07\x1b[2Jall\r\nOK fine".into()),
        "summary-huge" => return Ok("fine ".repeat(1_000_000)),
        "metrics" => nonsense::metrics(),
        "texts" => nonsense::texts(),
        "verdict-in-metrics" => {
            nonsense::verdict_in_metrics(&context);
            return Err(TaskError::new("it did not work"));
        }
        "program" => return changing::run_program(&context, &settings.argument).await,
        "changes" => return changing::write_until_stopped(&context, settings.count).await,
        "changes-deaf" => return changing::write_whatever_is_said(&context, settings.count).await,
        other => return Err(TaskError::new(format!("there is no behaviour {other}"))),
    }
    Ok("nothing was done".into())
}
