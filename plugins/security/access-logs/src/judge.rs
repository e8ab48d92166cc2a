//! What the counts say.

use hostler_sdk::prelude::*;

use crate::{
    Settings,
    counted::{Client, Counted, Path, shown},
};

impl Counted {
    pub(crate) fn report(&self, settings: &Settings) {
        self.report_shares(settings);
        self.report_clients(settings);
        for (client, path) in &self.left {
            finding!(Severity::Critical, "left-the-tree", path, "it climbs out of the tree, and was answered with success, to {client}")
                .detail("What was answered may be the site's page for everything it does not know, or a file that nobody was to see.")
                .remedy(format!("curl --path-as-is -i 'https://HOST{path}'    # look at what comes back; then let the server refuse it"))
                .report();
        }
        self.report_paths(settings);
    }

    fn report_shares(&self, settings: &Settings) {
        for (class, count) in self.classes.iter().enumerate().filter(|(class, _)| (1..=5).contains(class)) {
            Metric::gauge("http_requests", *count as f64).label("status", format!("{class}xx")).report();
        }
        Metric::gauge("http_response_bytes", self.bytes as f64).report();
        let lines = self.requests + self.strange;
        if let Some(share) =
            Percent::of(self.strange as f64, lines as f64).filter(|share| share.0 > settings.not_understood.0)
        {
            finding!(Severity::Unknown, "not-understood", "access log", "{share} of {} are of no known format", counted(lines, "line"))
                .remedy("log_format combined;    # or JSON with remote_addr, request_uri, status, body_bytes_sent; and name only access logs as `files`")
                .report();
        }
        if self.requests < settings.least {
            return;
        }
        let failed = self.classes[5];
        if let Some(share) = Percent::of(failed as f64, self.requests as f64) {
            let worst = self.paths.heaviest(|path| path.failed);
            let named: Vec<String> =
                worst.iter().take(3).filter(|(_, path)| path.failed > 0).map(|(path, _)| shown(path)).collect();
            let finding = finding!(
                Severity::Ok,
                "server-errors",
                "web server",
                "{share} of {} failed",
                counted(self.requests, "request")
            )
            .detail(format!("Most of them on {}.", named.join(", ")))
            .remedy("the error log of the same minutes says why: system-error-logs groups it");
            Metric::gauge("http_server_errors_percent", share.0).judge(&settings.warning, &settings.critical, finding);
        }
    }

    fn report_clients(&self, settings: &Settings) {
        let heaviest = self.clients.heaviest(|client| client.suspicious);
        let scanners = heaviest.iter().take_while(|(_, client)| client.suspicious >= settings.suspicious);
        for (address, client) in scanners.take(settings.top) {
            let address = shown(address);
            let family = if address.contains(':') { "ip6" } else { "ip" };
            finding!(
                Severity::Warning,
                "scanner",
                &address,
                "{} for what scanners look for, of {} in all",
                counted(client.suspicious, "request"),
                client.requests
            )
            .remedy(format!(
                "nft insert rule inet filter input {family} saddr {address} drop    # or let fail2ban do it"
            ))
            .report();
        }
        Metric::gauge("http_traversal_tries", self.tried as f64).report();
        let mut table = Table::new("clients by their requests", &["client", "requests", "errors", "suspicious"]);
        for (address, Client { requests, errors, suspicious }) in
            self.clients.heaviest(|client| client.requests).iter().take(settings.top)
        {
            table.row(&[&shown(address), requests, errors, suspicious]);
        }
        table.report();
    }

    fn report_paths(&self, settings: &Settings) {
        let mut table = Table::new("paths by their bytes", &["path", "requests", "failed", "bytes"]);
        for (path, Path { requests, failed, bytes, .. }) in
            self.paths.heaviest(|path| path.bytes).iter().take(settings.top)
        {
            table.row(&[&shown(path), requests, failed, &ByteSize(*bytes)]);
        }
        table.report();
        if self.timed == 0 {
            return;
        }
        let mut table = Table::new("paths by their time", &["path", "requests", "in all", "mean", "slowest"]);
        for (path, one) in self.paths.heaviest(|path| (path.seconds * 1000.0) as u64).iter().take(settings.top) {
            let mean = Duration::from_seconds(one.seconds / one.requests.max(1) as f64);
            let (total, slowest) = (Duration::from_seconds(one.seconds), Duration::from_seconds(one.slowest));
            table.row(&[&shown(path), &one.requests, &total, &mean, &slowest]);
        }
        table.report();
    }
}
