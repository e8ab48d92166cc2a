//! Certificates renewed to the end: on disk, loaded, and sent to whoever asks. `certbot renew` in a timer ends with 0
//! whether or not it renewed, and a renewed certificate that no server loaded expires all the same, so what counts here
//! is the serial: it has to change on disk, and then in a handshake.
//!
//! The work is what differs: a certificate on disk that is due, and an endpoint that sends another than is on disk. So a
//! run that was killed between the two goes on where it was, and nothing is renewed twice.

mod client;
mod lineage;
mod reload;
mod served;

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::files::Directory;
use hostler_sdk::prelude::*;
use hostler_sdk::progress;

use client::Answer;
use lineage::Lineage;
use reload::Reload;
use served::Service;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    client: String,
    names: Vec<String>,
    exclude: Vec<String>,
    due_share: Percent,
    critical_share: Percent,
    dry_run: bool,
    reload: String,
    unit: String,
    serves: BTreeMap<String, String>,
    server_names: BTreeMap<String, String>,
    wait: Duration,
    timeout: Duration,
}

/// What became of one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Became {
    Planned,
    Renewed,
    Not,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let directory = context.directory("certificates");
    let _lock = context.lock("certificates", "renewal").await?;
    let before = Lineage::all(&directory, &settings).await?;
    missing(&before, &settings);
    if before.is_empty() {
        return Ok("no certificate was looked at".into());
    }
    let services = served::services(context.endpoints("endpoints"), &before, &settings);
    let due: Vec<&Lineage> = before.iter().filter(|lineage| lineage.is_due(&settings, Timestamp::now())).collect();
    let mut became: BTreeMap<&str, Became> = BTreeMap::new();
    for (place, lineage) in due.iter().enumerate() {
        progress(place as u64, Some(due.len() as u64), &lineage.name);
        if let Some(reason) = context.stop_requested() {
            stopped(reason, due.len() - place);
            break;
        }
        became.insert(&lineage.name, one(&context, &directory, lineage, &settings).await?);
    }
    // Read anew: what is on disk now is what has to be served.
    let after = Lineage::all(&directory, &settings).await?;
    let is = |name: &str, what| became.get(name) == Some(&what);
    let behind = behind(&context, &services, &after, |name| is(name, Became::Planned)).await?;
    let renewed: BTreeSet<&str> =
        due.iter().map(|one| one.name.as_str()).filter(|name| is(name, Became::Renewed)).collect();
    not_verified(&renewed, &services);
    let reload = Reload { lineages: &after, behind, renewed: became.values().any(|became| *became != Became::Not) };
    let reloads = reload.renewed || !reload.behind.is_empty();
    let well = reload.run(&context, &settings).await?;
    report(&before, &after, &became);
    let waiting = if context.is_check() { "would be renewed" } else { "renewed" };
    let count = became.values().filter(|became| **became != Became::Not).count();
    let loaded = match (reloads, well, context.is_check()) {
        (false, ..) => String::new(),
        (true, true, true) => ", the server would be reloaded".into(),
        (true, true, false) => format!(
            ", {} served",
            if services.is_empty() { "loaded, and nobody looked whether it is" } else { "loaded and" }
        ),
        (true, false, _) => ", not served".into(),
    };
    Ok(format!("{}, {} due, {count} {waiting}{loaded}", counted(after.len(), "certificate"), due.len()))
}

/// Certificates that are named and not there.
fn missing(lineages: &[Lineage], settings: &Settings) {
    let lacking = settings.names.iter().filter(|name| lineages.iter().all(|lineage| lineage.name != **name));
    let lacking: Vec<&String> = lacking.collect();
    for name in &lacking {
        finding!(
            Severity::Unknown,
            "no-certificates",
            name.as_str(),
            "there is no certificate of that name in the directory"
        )
        .remedy("certbot certificates lists the names; correct `names`")
        .report();
    }
    if lineages.is_empty() && lacking.is_empty() {
        let where_ = if settings.client == "lego" { "certificates/NAME.crt" } else { "archive/NAME/cert1.pem" };
        finding!(Severity::Unknown, "no-certificates", "certificates", "there is no certificate in it ({where_})")
            .remedy("bind certbot's directory, /etc/letsencrypt, or that of lego with client = \"lego\"")
            .report();
    }
}

fn stopped(reason: &str, left: usize) {
    finding!(Severity::Warning, "stopped", "run", "{reason}: {} left", counted(left, "certificate"))
        .remedy("run the task again: it goes on with those that are left")
        .report();
}

/// Renews one, after a trial.
async fn one(
    context: &Context,
    directory: &Directory,
    lineage: &Lineage,
    settings: &Settings,
) -> Result<Became, TaskError> {
    let now = Timestamp::now();
    let (name, severity) = (lineage.name.as_str(), lineage.severity(settings, now));
    let trial = client::trial(context, settings, lineage);
    let title = if trial.is_some() { "renew, after a trial," } else { "renew" };
    // No time that is left: a plan that is approved tomorrow has the same title.
    let title = format!("{title} {name}, which ends at {}", lineage.certificate.not_after);
    let _step = context.step(&title, 1 + u64::from(trial.is_some()), 0)?;
    if !context.is_check() && !is_unchanged(directory, lineage, settings).await? {
        // certbot's own timer was faster.
        return Ok(Became::Renewed);
    }
    let by_hand = |trial: &str| match settings.client.as_str() {
        "lego" => format!("lego --domains={name} renew"),
        _ => format!("certbot renew{trial} --cert-name {name}"),
    };
    if let Some(trial) = trial
        && let Err(error) = client::run(trial, settings.timeout).await
    {
        if error.ends_the_run() {
            return Err(error);
        }
        failed(
            severity,
            "dry-run-failed",
            lineage,
            "the trial failed, so nothing was renewed",
            &error,
            by_hand(" --dry-run"),
        );
        return Ok(Became::Not);
    }
    let said = match client::run(client::renewal(context, settings, lineage, now), settings.timeout).await {
        Ok(Answer::EndedWell(said)) => said,
        Ok(Answer::Planned) => {
            finding!(severity, "renewal-due", name, "{}, and would be renewed", lineage.ends(now))
                .remedy("hostler run this task, where plan only looks")
                .report();
            return Ok(Became::Planned);
        }
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => {
            failed(severity, "renewal-failed", lineage, "it was not renewed", &error, by_hand(""));
            return Ok(Became::Not);
        }
    };
    if is_unchanged(directory, lineage, settings).await? {
        finding!(
            Severity::Critical,
            "not-renewed",
            name,
            "{} ended with 0 and renewed nothing: the serial is still {}, and {}",
            settings.client,
            lineage.certificate.serial,
            lineage.ends(now)
        )
        .detail(format!("It said: {said}"))
        .remedy(match settings.client.as_str() {
            "lego" => by_hand(""),
            _ => format!("certbot certificates; then certbot renew --cert-name {name} --force-renewal"),
        })
        .report();
        return Ok(Became::Not);
    }
    Ok(Became::Renewed)
}

/// Whether the certificate on disk is the one that was looked at.
async fn is_unchanged(directory: &Directory, lineage: &Lineage, settings: &Settings) -> Result<bool, TaskError> {
    let now = Lineage::all(directory, settings).await?;
    let found = now.iter().find(|one| one.name == lineage.name);
    Ok(found.is_none_or(|found| found.certificate.der == lineage.certificate.der))
}

fn failed(severity: Severity, code: &str, lineage: &Lineage, what: &str, error: &TaskError, by_hand: String) {
    let ends = lineage.ends(Timestamp::now());
    let severity = if *error.cause() == hostler_sdk::Cause::Task { severity } else { severity.max(Severity::Unknown) };
    finding!(severity, code, lineage.name.as_str(), "{what}: {}; {ends}", error.message())
        .remedy(error.advice().map_or(by_hand, str::to_owned))
        .report();
}

/// Endpoints that send something else than is on disk, or will once what is planned is done.
async fn behind<'a>(
    context: &Context,
    services: &'a [Service],
    lineages: &[Lineage],
    is_planned: impl Fn(&str) -> bool,
) -> Result<Vec<&'a Service>, TaskError> {
    let mut behind = vec![];
    for service in services {
        let Some(lineage) = lineages.iter().find(|lineage| lineage.name == service.name) else { continue };
        match service.sent().await {
            Ok(sent) if sent.der == lineage.certificate.der => {
                if is_planned(&service.name) {
                    behind.push(service);
                }
            }
            Ok(sent) => {
                if context.is_check() {
                    finding!(
                        Severity::Warning,
                        "reload-due",
                        service.endpoint.name(),
                        "it sends serial {}, and {} on disk has serial {}: the server would be reloaded",
                        sent.serial,
                        service.name,
                        lineage.certificate.serial
                    )
                    .remedy("hostler run this task, where plan only looks")
                    .report();
                }
                behind.push(service);
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("endpoint-not-reached", service.endpoint.name()).report(),
        }
    }
    Ok(behind)
}

fn not_verified(renewed: &BTreeSet<&str>, services: &[Service]) {
    for name in renewed.iter().filter(|name| services.iter().all(|service| service.name != **name)) {
        finding!(
            Severity::Unknown,
            "not-verified",
            *name,
            "it was renewed, and no endpoint is bound that sends it, so that nobody looked whether it is served"
        )
        .remedy(format!("bind the endpoint that serves it, and name it in serves = {{ endpoint = {name:?} }}"))
        .report();
    }
}

fn report(before: &[Lineage], after: &[Lineage], became: &BTreeMap<&str, Became>) {
    let mut table = Table::new("Certificates", &["certificate", "before", "after", "expires"]);
    let now = Timestamp::now();
    for lineage in after {
        let earlier = before.iter().find(|one| one.name == lineage.name);
        let serial = earlier.map_or("", |one| one.certificate.serial.as_str());
        let until = lineage.certificate.not_after;
        table.row(&[&lineage.name, &serial, &lineage.certificate.serial, &until]);
        Metric::gauge("certificate_left_seconds", lineage.left(now).0.as_seconds())
            .label("name", &lineage.name)
            .report();
    }
    table.report();
    let count = |what| became.values().filter(|became| **became == what).count() as f64;
    Metric::gauge("certificates_due", count(Became::Not) + count(Became::Planned)).report();
    Metric::gauge("certificates_renewed", count(Became::Renewed)).report();
}

#[cfg(test)]
mod tests;
