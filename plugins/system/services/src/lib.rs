//! Services: what failed, what keeps restarting, what should run and does not, what does not answer. A unit or an
//! endpoint that is down because another one failed is told with that one, not apart.

mod units;

use std::collections::BTreeMap;

use hostler_sdk::network::Endpoint;
use hostler_sdk::prelude::*;
use hostler_sdk::{join_all, matches_pattern};

use units::Unit;

hostler_sdk::plugin!(Settings, run);

/// As the manifest proposes it; the operator writes the same form at the program.
const SHOW: [&str; 4] = [
    "show",
    "--no-pager",
    "--property=Id,Names,LoadState,ActiveState,SubState,Result,NRestarts,Requires,BindsTo,Requisite",
    "*",
];

#[derive(Deserialize)]
struct Settings {
    required: Vec<String>,
    ignore: Vec<String>,
    restarts: Range,
    timeout: Duration,
    slow: Duration,
    endpoint_units: BTreeMap<String, String>,
}

/// What an endpoint answered.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    name: String,
    /// How long it took, or why it is down.
    outcome: Result<Duration, String>,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let endpoints = context.endpoints("endpoints");
    let answers = join_all(endpoints.iter().map(|endpoint| ask(endpoint, settings.timeout))).await;
    let units = match context.program("systemctl").arguments(SHOW).output().await {
        Ok(text) => match units::parse(&text) {
            // Each machine with systemd has units: an answer without one says nothing, and least of all that all is well.
            none if none.is_empty() => {
                TaskError::new("systemctl named no unit, so that none can be looked at")
                    .remedy("run `systemctl show --no-pager '*'` by hand, as the host's user, and see what it says")
                    .finding("units-unseen", "systemctl")
                    .report();
                None
            }
            units => Some(units),
        },
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) if error.is_unbound() && !endpoints.is_empty() && settings.required.is_empty() => None,
        Err(error) => {
            unseen(&error).report();
            None
        }
    };
    let mut parts = vec![];
    if let Some(units) = &units {
        let earlier: BTreeMap<String, u64> = context.state().get("restarts").await?.unwrap_or_default();
        parts.push(report_units(units, &answers, &earlier, &settings));
        let restarts: BTreeMap<&str, u64> = units.iter().map(|unit| (unit.name.as_str(), unit.restarts)).collect();
        context.state().set("restarts", &restarts).await?;
    }
    parts.extend(report_answers(&answers, units.as_deref(), &settings));
    Ok(if parts.is_empty() { "nothing could be looked at".into() } else { parts.join("; ") })
}

/// Why the units cannot be looked at. systemctl is there on many a machine, and in containers, that systemd does not
/// run: then it says so in one of these ways.
fn unseen(error: &TaskError) -> Finding {
    let without =
        ["has not been booted with systemd", "Failed to connect to bus", "Failed to connect to system scope bus"];
    let message = error.message();
    if message.contains(without[0]) {
        return TaskError::new("systemd does not run on this machine, so that no unit can be looked at")
            .remedy("leave the request `systemctl` of this task unbound, and watch the services by their `endpoints`")
            .finding("systemd-absent", "systemctl");
    }
    if without.iter().any(|said| message.contains(said)) {
        return TaskError::new(format!("systemd cannot be asked: {message}"))
            .remedy(
                "where systemd runs, write confine = \"best-effort\" at the bound program, so that it reaches its socket; \
                 where it does not, leave the request `systemctl` of this task unbound",
            )
            .finding("systemd-unreachable", "systemctl");
    }
    error.finding("units-unseen", "systemctl")
}

/// HTTP where the endpoint speaks it, otherwise a connection alone.
async fn ask(endpoint: &Endpoint, timeout: Duration) -> Answer {
    let began = Timestamp::now();
    let outcome = match endpoint.get("", timeout, 0).await {
        Ok(response) if response.status < 400 => Ok(began.until(Timestamp::now())),
        Ok(response) => Err(format!("it answers {}", response.status)),
        Err(error) if *error.cause() == hostler_sdk::Cause::Invalid => {
            endpoint.connect().await.map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    Answer { name: endpoint.name().into(), outcome }
}

fn report_units(units: &[Unit], answers: &[Answer], earlier: &BTreeMap<String, u64>, settings: &Settings) -> String {
    let ignored = |unit: &Unit| is_ignored(unit, settings);
    let is_required = |unit: &Unit| settings.required.iter().any(|name| unit.is(name));
    let failed: Vec<&Unit> = units.iter().filter(|unit| unit.has_failed() && !ignored(unit)).collect();
    // Units whose cause is another one's failure, with that one.
    let victims: BTreeMap<&str, &str> = units
        .iter()
        .filter(|unit| !unit.is_active())
        .filter_map(|unit| Some((unit.name.as_str(), told_cause(unit, units, settings)?.name.as_str())))
        .collect();
    for unit in &failed {
        if victims.contains_key(unit.name.as_str()) {
            continue;
        }
        let mut also: Vec<&str> = victims
            .iter()
            .filter(|(name, cause)| {
                let victim = units.iter().find(|unit| unit.name == **name);
                **cause == unit.name && victim.is_some_and(|victim| is_required(victim) || victim.has_failed())
            })
            .map(|(name, _)| *name)
            .collect();
        also.extend(
            answers
                .iter()
                .filter(|answer| {
                    answer.outcome.is_err() && stands_behind(&answer.name, unit, units, &victims, settings)
                })
                .map(|answer| answer.name.as_str()),
        );
        let detail = if also.is_empty() { String::new() } else { format!("Down because of it: {}", also.join(", ")) };
        finding!(Severity::Critical, "unit-failed", unit.name.clone(), "it failed ({})", unit.result)
            .detail(detail)
            .remedy(unit.why())
            .report();
    }
    for name in &settings.required {
        let unit = units.iter().find(|unit| unit.is(name));
        let told = |unit: &Unit| {
            unit.is_active()
                || failed.iter().any(|failed| failed.name == unit.name)
                || victims.contains_key(unit.name.as_str())
        };
        if unit.is_some_and(told) {
            continue;
        }
        let mut remedy = format!("systemctl enable --now {name}");
        let state = match unit {
            Some(unit) if unit.load_state == "not-found" => "there is no such unit".into(),
            Some(unit) if unit.is_starting_again() => {
                remedy = unit.why();
                unit.starting_again()
            }
            Some(unit) => format!("it is {} ({})", unit.active_state, unit.sub_state),
            None => "it is not loaded".into(),
        };
        finding!(Severity::Critical, "unit-not-running", name.clone(), "{state}, and has to run")
            .remedy(remedy)
            .report();
    }
    let restarting = |unit: &&Unit| unit.is_starting_again() && !is_required(unit) && !ignored(unit);
    for unit in units.iter().filter(restarting) {
        finding!(Severity::Warning, "unit-restarting", unit.name.clone(), "{}", unit.starting_again())
            .remedy(unit.why())
            .report();
    }
    for unit in units.iter().filter(|unit| !ignored(unit) && !unit.is_starting_again()) {
        // Started by hand, its count begins anew; a unit that was not there before has none to compare with.
        let Some(before) = earlier.get(&unit.name) else { continue };
        let more = if unit.restarts >= *before { unit.restarts - before } else { unit.restarts };
        if settings.restarts.matches(more as f64) {
            let (times, limit) = (counted(more, "time"), settings.restarts.in_words(Measure::Plain));
            finding!(
                Severity::Warning,
                "unit-restarted",
                unit.name.clone(),
                "it was restarted {times} since the last run, warning {limit}"
            )
            .remedy(format!("journalctl -u {} --since -1d | grep -iE 'main process exited|killed|oom'", unit.name))
            .report();
        }
    }
    Metric::gauge("systemd_units_failed", failed.len() as f64).report();
    Metric::counter("systemd_unit_restarts_total", units.iter().map(|unit| unit.restarts).sum::<u64>() as f64).report();
    format!("{}, {} failed", counted(units.len(), "unit"), failed.len())
}

fn is_ignored(unit: &Unit, settings: &Settings) -> bool {
    settings.ignore.iter().any(|pattern| unit.names().any(|name| matches_pattern(pattern, name)))
}

/// The failure with which a unit is told that is down because of it. One that is left alone is told nowhere, so it
/// explains nothing; and of failed units that need one another each is told.
fn told_cause<'a>(unit: &Unit, units: &'a [Unit], settings: &Settings) -> Option<&'a Unit> {
    let cause = units::root_cause(unit, units).filter(|cause| !is_ignored(cause, settings))?;
    let in_a_circle = unit.has_failed() && units::root_cause(cause, units).is_some();
    (!in_a_circle).then_some(cause)
}

/// Whether an endpoint is served by a unit, or by one that is down because of it.
fn stands_behind(
    endpoint: &str,
    unit: &Unit,
    units: &[Unit],
    victims: &BTreeMap<&str, &str>,
    settings: &Settings,
) -> bool {
    let behind = settings.endpoint_units.get(endpoint).and_then(|name| units.iter().find(|unit| unit.is(name)));
    behind.is_some_and(|behind| {
        behind.name == unit.name || victims.get(behind.name.as_str()).is_some_and(|cause| *cause == unit.name)
    })
}

fn report_answers(answers: &[Answer], units: Option<&[Unit]>, settings: &Settings) -> Option<String> {
    let mut table = Table::new("Endpoints", &["endpoint", "answer"]);
    for answer in answers {
        let name = answer.name.as_str();
        Metric::gauge("endpoint_up", f64::from(u8::from(answer.outcome.is_ok()))).label("endpoint", name).report();
        match &answer.outcome {
            Ok(took) => {
                Metric::gauge("endpoint_duration_seconds", took.as_seconds()).label("endpoint", name).report();
                table.row(&[&name, &format!("in {took}")]);
                let severity = if *took > settings.slow { Severity::Warning } else { Severity::Ok };
                finding!(severity, "endpoint-slow", name, "it took {took} to answer, warning above {}", settings.slow)
                    .remedy(logs(settings.endpoint_units.get(name)))
                    .report_unless_ok();
            }
            Err(why) => {
                table.row(&[&name, why]);
                let unit = settings.endpoint_units.get(name);
                let told = unit.zip(units).is_some_and(|(unit, units)| {
                    let found = units.iter().find(|one| one.is(unit));
                    found.is_some_and(|one| {
                        one.has_failed() && !is_ignored(one, settings) || told_cause(one, units, settings).is_some()
                    })
                });
                if !told {
                    finding!(Severity::Critical, "endpoint-down", name, "{why}").remedy(logs(unit)).report();
                }
            }
        }
    }
    table.report();
    let up = answers.iter().filter(|answer| answer.outcome.is_ok()).count();
    let (endpoints, verb) = (counted(answers.len(), "endpoint"), agreed(up, "answers", "answer"));
    (!answers.is_empty()).then(|| format!("{up} of {endpoints} {verb}"))
}

/// Where its operator finds why an endpoint does not answer as it should.
fn logs(unit: Option<&String>) -> String {
    match unit {
        Some(unit) => format!("systemctl status {unit}; journalctl -u {unit} -n 50"),
        None => "look at the service behind it; its unit named in `endpoint_units` would stand here".into(),
    }
}

#[cfg(test)]
mod tests;
