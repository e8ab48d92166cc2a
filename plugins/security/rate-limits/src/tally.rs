//! What the logs tell of limits that were reached.

use std::collections::HashMap;

use hostler_sdk::prelude::*;
use shared_logs::{Request, Top};

use crate::{Settings, limits::Limits};

/// Clients that are counted at least.
const KEPT: usize = 2048;

/// What the logs tell.
#[derive(Debug)]
pub(crate) struct Tally {
    pub requests: u64,
    strange: u64,
    /// Answers of 429 and 503.
    pub limited: u64,
    clients: Top<u64>,
    /// Refused and delayed by zone, as nginx's error log says.
    zones: Top<(u64, u64)>,
    /// Requests of each client in the second that is being read.
    second: (i64, HashMap<Box<[u8]>, u64>),
    /// The most of one client in one second.
    peak: (u64, String),
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            requests: 0,
            strange: 0,
            limited: 0,
            clients: Top::new(KEPT),
            zones: Top::new(64),
            second: (0, HashMap::new()),
            peak: (0, String::new()),
        }
    }
}

impl Tally {
    /// Takes a line of an access log.
    pub(crate) fn access(&mut self, request: Option<&Request<'_>>, line: &[u8]) {
        let Some(request) = request else {
            self.strange += u64::from(!line.is_empty());
            return;
        };
        self.requests += 1;
        if matches!(request.status, 429 | 503) {
            self.limited += 1;
            self.clients.count(&request.client, |count| *count, |count| *count += 1);
        }
        let Some(at) = request.at else { return };
        if self.second.0 != at {
            self.second.0 = at;
            self.second.1.clear();
        }
        // Within a second a server has no more clients than it has connections.
        if self.second.1.len() < 100_000 {
            let count = self.second.1.entry((*request.client).into()).or_default();
            *count += 1;
            if *count > self.peak.0 {
                self.peak = (*count, String::from_utf8_lossy(&request.client).chars().take(60).collect());
            }
        }
    }

    /// Takes a line of nginx's error log: `limiting requests, excess: 5.2 by zone "one", client: …`.
    pub(crate) fn error(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let Some((_, rest)) = text
            .split_once("limiting requests")
            .or_else(|| text.split_once("limiting connections"))
            .or_else(|| text.split_once("delaying request"))
        else {
            return;
        };
        let delayed = text.contains("delaying request");
        let zone = rest.split_once("zone \"").and_then(|(_, zone)| zone.split('"').next()).unwrap_or("unknown");
        self.zones.count(
            zone.as_bytes(),
            |(refused, later)| refused + later,
            |(refused, later)| {
                *(if delayed { later } else { refused }) += 1;
            },
        );
    }

    pub(crate) fn report(&self, limits: &Limits, settings: &Settings) {
        Metric::gauge("http_limited_requests", self.limited as f64).report();
        let lines = self.requests + self.strange;
        if let Some(share) = Percent::of(self.strange as f64, lines as f64).filter(|share| share.0 > 1.0) {
            finding!(
                Severity::Unknown,
                "not-understood",
                "access log",
                "{share} of {} are of no known format",
                counted(lines, "line")
            )
            .remedy("log_format combined;    # and name only access logs as `access_logs`")
            .report();
        }
        self.report_share(settings);
        self.report_configuration(limits, settings);
        let mut table = Table::new("zones that limited", &["zone", "refused", "delayed"]);
        for (zone, (refused, delayed)) in self.zones.heaviest(|(refused, delayed)| refused + delayed) {
            let zone = String::from_utf8_lossy(zone).into_owned();
            Metric::gauge("nginx_limited_requests", (refused + delayed) as f64).label("zone", &zone).report();
            table.row(&[&zone, refused, delayed]);
        }
        table.report();
    }

    fn report_share(&self, settings: &Settings) {
        let share = Percent::of(self.limited as f64, self.requests as f64);
        let Some(share) = share.filter(|_| self.requests >= settings.least) else { return };
        let heaviest = self.clients.heaviest(|count| *count);
        let named: Vec<String> = heaviest
            .iter()
            .take(3)
            .map(|(client, count)| format!("{} ({count})", String::from_utf8_lossy(client)))
            .collect();
        let finding = finding!(Severity::Ok, "limited", "web server", "{share} of {} were answered with 429 or 503", counted(self.requests, "request"))
            .detail(format!("Most often: {}. One client is an attack or a bug of its own; many are a limit that is too low, or a server that is down.", named.join(", ")))
            .remedy("grep 'limiting requests' of the error log names the zone; raise its rate or burst, or block the client");
        Metric::gauge("http_limited_percent", share.0).judge(&settings.warning, &settings.critical, finding);
    }

    fn report_configuration(&self, limits: &Limits, settings: &Settings) {
        if !limits.known {
            return;
        }
        let unused = limits.used.is_empty() || limits.lowest().is_none();
        if unused && !limits.connections {
            finding!(Severity::Warning, "no-limiter", "nginx", "no place of the configuration limits requests: nothing was limited because nothing can be")
                .remedy("limit_req_zone $binary_remote_addr zone=site:10m rate=10r/s;    # in http, and in a location: limit_req zone=site burst=20 nodelay;")
                .report();
        }
        if let Some(lowest) = limits.lowest() {
            let share = Percent(self.peak.0 as f64 / lowest * 100.0);
            Metric::gauge("nginx_limit_peak_percent", share.0).report();
            // Above the limit the answers themselves tell, and are judged by their share.
            if share.0 >= settings.headroom.0 && self.limited == 0 {
                finding!(
                    Severity::Warning,
                    "little-headroom",
                    "nginx",
                    "{} sent {} in one second, {share} of the lowest rate of {lowest:.1} a second",
                    self.peak.1,
                    counted(self.peak.0, "request")
                )
                .remedy("raise the zone's rate before a user meets it, or let clients ask for less")
                .report();
            }
        }
    }

    pub(crate) fn summary(&self, limits: &Limits) -> String {
        let zones =
            if limits.known { format!(", {} configured", counted(limits.zones.len(), "limit")) } else { String::new() };
        format!("{} of {} limited since the last run{zones}", self.limited, counted(self.requests, "request"))
    }
}
