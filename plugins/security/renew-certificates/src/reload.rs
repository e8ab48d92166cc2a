//! Letting the server load what was renewed: its configuration looked at first, since a reload of a broken one is refused
//! in a log that nobody reads, and the old certificate goes on being served until it expires.

use hostler_sdk::prelude::*;
use hostler_sdk::shell::Program;

use crate::Settings;
use crate::client::{self, Answer};
use crate::lineage::Lineage;
use crate::served::Service;

/// A server that has to load something.
pub(crate) struct Reload<'a> {
    pub(crate) lineages: &'a [Lineage],
    /// Those that send something older than what is on disk, or will once it is renewed.
    pub(crate) behind: Vec<&'a Service>,
    /// Whether a certificate was renewed, whoever serves it.
    pub(crate) renewed: bool,
}

impl Reload<'_> {
    /// Reloads, and looks whether the new certificates are served; whether that went well or was planned.
    pub(crate) async fn run(&self, context: &Context, settings: &Settings) -> Result<bool, TaskError> {
        if self.behind.is_empty() && !self.renewed {
            return Ok(true);
        }
        if settings.reload != "none" {
            if !configuration_is_right(context, settings, &self.names()).await? {
                return Ok(false);
            }
            let _step = context.step(&format!("reload {}", server(settings)), 1, 0)?;
            match client::run(program(context, settings), settings.timeout).await {
                Ok(Answer::Planned) => return Ok(true),
                Ok(Answer::EndedWell(_)) => {}
                Err(error) if error.ends_the_run() => return Err(error),
                Err(error) => {
                    finding!(
                        Severity::Critical,
                        "reload-failed",
                        server(settings),
                        "it was not reloaded: {}",
                        error.message()
                    )
                    .detail(format!("On disk and not served: {}.", self.names()))
                    .remedy(error.advice().map_or_else(|| by_hand(settings), str::to_owned))
                    .report();
                    return Ok(false);
                }
            }
        } else if context.is_check() {
            return Ok(true);
        }
        self.verify(settings).await
    }

    async fn verify(&self, settings: &Settings) -> Result<bool, TaskError> {
        let mut well = true;
        for service in &self.behind {
            let Some(lineage) = self.lineages.iter().find(|lineage| lineage.name == service.name) else { continue };
            match service.comes_to_send(&lineage.certificate, settings.wait).await {
                Ok(()) => {}
                Err(error) if error.ends_the_run() => return Err(error),
                Err(error) => {
                    well = false;
                    finding!(
                        Severity::Critical,
                        "not-served",
                        service.endpoint.name(),
                        "{} after the reload the certificate {} is not served: {}",
                        settings.wait,
                        service.name,
                        error.message()
                    )
                    .remedy(format!(
                        "look which file ssl_certificate names (nginx -T | grep ssl_certificate), and whether it is {}",
                        lineage.file
                    ))
                    .report();
                }
            }
        }
        Ok(well)
    }

    fn names(&self) -> String {
        let mut names: Vec<&str> = self.behind.iter().map(|service| service.name.as_str()).collect();
        names.dedup();
        names.join(", ")
    }
}

fn server(settings: &Settings) -> &str {
    if settings.reload == "systemctl" { &settings.unit } else { "nginx" }
}

fn program(context: &Context, settings: &Settings) -> Program {
    if settings.reload == "systemctl" {
        context.program("systemctl").arguments(["reload", &settings.unit])
    } else {
        context.program("nginx").arguments(["-s", "reload"])
    }
}

fn by_hand(settings: &Settings) -> String {
    if settings.reload == "systemctl" {
        format!("systemctl reload {0}; journalctl -u {0} -n 50", settings.unit)
    } else {
        "nginx -t && nginx -s reload".into()
    }
}

/// `nginx -t`. Where another server is reloaded by systemd and no nginx is bound, there is nothing to look at.
async fn configuration_is_right(context: &Context, settings: &Settings, names: &str) -> Result<bool, TaskError> {
    match client::run(context.program("nginx").argument("-t"), settings.timeout).await {
        Ok(Answer::Planned | Answer::EndedWell(_)) => Ok(true),
        Err(error) if error.ends_the_run() => Err(error),
        Err(error) if error.is_unbound() && settings.reload == "systemctl" => Ok(true),
        Err(error) if *error.cause() != hostler_sdk::Cause::Task => {
            finding!(
                Severity::Critical,
                "reload-failed",
                "nginx",
                "its configuration could not be looked at: {}",
                error.message()
            )
            .detail(format!("It was not reloaded. On disk and not served: {names}."))
            .remedy(error.advice().unwrap_or("nginx -t && nginx -s reload").to_owned())
            .report();
            Ok(false)
        }
        Err(error) => {
            finding!(
                Severity::Critical,
                "configuration-invalid",
                "nginx",
                "it was not reloaded, since it does not take its configuration: {}",
                error.message()
            )
            .detail(format!("On disk and not served: {names}."))
            .remedy("nginx -t, correct what it names, then run the task again: it reloads without another renewal")
            .report();
            Ok(false)
        }
    }
}
