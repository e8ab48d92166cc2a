//! Where certificates were found, and the judgement of all of them: each once, and each chain.

use std::collections::BTreeMap;

use hostler_sdk::prelude::*;

use crate::{Settings, expiry};
use shared_certificates::Certificate;

/// A file, or what a server sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    /// `endpoint NAME`, or the path below the directory's name.
    pub(crate) subject: String,
    /// What an endpoint would be called that serves it: the file's stem, and its directory.
    pub(crate) called: Vec<String>,
    /// In the order in which they stand there, the server's own first.
    pub(crate) chain: Vec<Certificate>,
    pub(crate) served: bool,
}

impl Place {
    /// The certificate that a server would send for itself.
    pub(crate) fn leaf(&self) -> Option<&Certificate> {
        self.chain.first().filter(|first| !first.is_authority || first.is_self_signed() && self.chain.len() == 1)
    }
}

/// Judges each certificate once, and the chain of each place. What it says is a count.
pub(crate) fn judge_all(places: &[Place], settings: &Settings, now: Timestamp) -> String {
    let mut found: Vec<(&Certificate, Vec<&str>)> = vec![];
    let mut known: BTreeMap<&[u8], usize> = BTreeMap::new();
    let mut table = Table::new("Certificates", &["certificate", "where", "issuer", "expires", "left", "serial"]);
    for place in places {
        for certificate in &place.chain {
            let number = *known.entry(&certificate.der).or_insert_with(|| {
                found.push((certificate, vec![]));
                found.len() - 1
            });
            let (_, subjects) = &mut found[number];
            if !subjects.contains(&place.subject.as_str()) {
                subjects.push(&place.subject);
            }
        }
        if let Some(leaf) = place.leaf() {
            let left = now.until(leaf.not_after).as_seconds();
            Metric::gauge("certificate_left_seconds", left)
                .label("subject", &place.subject)
                .label("name", &leaf.title)
                .report();
        }
        chain(place, places);
    }
    let mut worst = None::<Duration>;
    for (certificate, subjects) in &found {
        let verdict = expiry::judge(certificate, settings, now);
        worst = Some(worst.map_or(verdict.left, |worst| if verdict.left < worst { verdict.left } else { worst }));
        let (title, issuer) = (&certificate.title, &certificate.issuer_title);
        table.row(&[title, &subjects.join(", "), issuer, &certificate.not_after, &verdict.left, &certificate.serial]);
        let also =
            if subjects.len() > 1 { format!(" It is also at {}.", subjects[1..].join(", ")) } else { String::new() };
        let detail = format!("{title}, signed by {issuer}, serial {}.{also}", certificate.serial);
        finding!(verdict.severity, verdict.code, subjects[0], "{title}: {}", verdict.summary)
            .detail(&detail)
            .remedy(remedy(verdict.code, certificate.is_authority))
            .report_unless_ok();
        for weakness in &certificate.weak {
            finding!(Severity::Warning, "weak", subjects[0], "{title}: {weakness}")
                .detail(&detail)
                .remedy("have it issued again, for a new key of ECDSA P-256 or RSA with 2048 bits or more, signed with SHA-256")
                .report();
        }
    }
    table.report();
    let until = match worst {
        Some(left) if left.as_seconds() > 0.0 => format!(", the first expires in {left}"),
        Some(left) => format!(", the first expired {} ago", Duration::from_seconds(-left.as_seconds())),
        None => String::new(),
    };
    format!("{}{until}", counted(found.len(), "certificate"))
}

fn remedy(code: &str, is_authority: bool) -> &'static str {
    match code {
        "not-yet-valid" => {
            "look whether the clock of this machine is right (timedatectl); else use the older certificate until then"
        }
        _ if is_authority => "replace it by the authority's current one, and reload what uses it",
        _ => "renew it (certbot renew, or where it was issued), and reload the servers that use it",
    }
}

/// Whether each certificate is followed by the one that signed it.
fn chain(place: &Place, places: &[Place]) {
    let Some(first) = place.leaf() else { return };
    for (number, pair) in place.chain.windows(2).enumerate() {
        let [certificate, next] = pair else { continue };
        // A second server's certificate begins a bundle, and a root ends every chain.
        if !next.is_authority || certificate.issuer == next.subject || certificate.is_self_signed() {
            continue;
        }
        let later = place.chain[number + 1..].iter().any(|other| other.subject == certificate.issuer);
        let what = if later { "stands further down: the order is wrong" } else { "is not there" };
        finding!(
            Severity::Warning,
            "chain-broken",
            place.subject.as_str(),
            "{} is followed by {}, and its issuer {} {what}",
            certificate.title,
            next.title,
            certificate.issuer_title
        )
        .remedy("put the server's certificate first, and after each the one that signed it")
        .report();
        return;
    }
    let alone = place.chain.len() == 1 && !first.is_self_signed() && first.from_public_authority;
    let directory =
        |subject: &str| subject.rsplit_once('/').map_or(String::new(), |(directory, _)| directory.to_owned());
    let beside = || {
        let beside =
            places.iter().filter(|other| !other.served && directory(&other.subject) == directory(&place.subject));
        beside.flat_map(|other| &other.chain).any(|other| other.subject == first.issuer)
    };
    if alone && (place.served || !beside()) {
        let what = if place.served { "is sent" } else { "is there" };
        finding!(
            Severity::Warning,
            "chain-incomplete",
            place.subject.as_str(),
            "{} {what} without the certificate of its issuer {}, which clients need",
            first.title,
            first.issuer_title
        )
        .remedy("add the issuer's certificate after it (certbot calls that file fullchain.pem), and reload the server")
        .report();
    }
}
