//! What the endpoints send: the only proof that a renewal reached anybody.

use std::collections::BTreeMap;
use std::thread::sleep;

use hostler_sdk::network::{Endpoint, Starttls};
use hostler_sdk::prelude::*;
use shared_certificates::Certificate;

use crate::Settings;
use crate::lineage::Lineage;

/// A worker that is being replaced serves the old certificate for a moment, beside the one that takes its place.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(250);
/// So many handshakes in a row with the new one, and the old workers no longer answer.
const IN_A_ROW: usize = 3;

/// An endpoint, and the certificate that it has to send.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Service {
    pub(crate) endpoint: Endpoint,
    /// The client's name for the certificate.
    pub(crate) name: String,
    host: Option<String>,
}

/// Which endpoint has to send which certificate: as the settings say, the one of the same name, or the only one.
pub(crate) fn services(endpoints: Vec<Endpoint>, lineages: &[Lineage], settings: &Settings) -> Vec<Service> {
    let mut found = vec![];
    for endpoint in endpoints {
        let name = endpoint.name().to_owned();
        match assigned(&name, &settings.serves, lineages) {
            Some(lineage) => {
                let host = settings.server_names.get(&name).map(String::as_str).or_else(|| lineage.host());
                let host = host.map(str::to_owned);
                found.push(Service { endpoint, name: lineage.name.clone(), host });
            }
            // Of a certificate that this task does not look after.
            None if settings.serves.get(&name).is_some_and(|certificate| !settings.looks_after(certificate)) => {}
            None => finding!(
                Severity::Unknown,
                "endpoint-unassigned",
                name.as_str(),
                "it is not known which certificate it has to send"
            )
            .remedy(format!("serves = {{ {name:?} = \"the certificate's name\" }}"))
            .report(),
        }
    }
    found
}

pub(crate) fn assigned<'a>(
    endpoint: &str,
    serves: &BTreeMap<String, String>,
    lineages: &'a [Lineage],
) -> Option<&'a Lineage> {
    let called = |name: &str| lineages.iter().find(|lineage| lineage.name == name);
    match serves.get(endpoint) {
        Some(name) => called(name),
        None => called(endpoint).or_else(|| lineages.first().filter(|_| lineages.len() == 1)),
    }
}

impl Service {
    /// The certificate that it sends now.
    pub(crate) async fn sent(&self) -> Result<Certificate, TaskError> {
        let handshake = self.endpoint.tls_handshake(self.host.as_deref(), Starttls::None).await?;
        let Some(leaf) = handshake.chain.first() else { return Err("the server sent no certificate".into()) };
        Certificate::read(leaf).map_err(TaskError::new)
    }

    /// Whether it sends this one, asked until it does or the time is over; what it sends otherwise.
    pub(crate) async fn comes_to_send(&self, wanted: &Certificate, wait: Duration) -> Result<(), TaskError> {
        let began = Timestamp::now();
        let mut in_a_row = 0;
        loop {
            let sent = self.sent().await;
            let is_new = sent.as_ref().is_ok_and(|sent| sent.der == wanted.der);
            in_a_row = if is_new { in_a_row + 1 } else { 0 };
            if in_a_row == IN_A_ROW {
                return Ok(());
            }
            if !is_new && began.until(Timestamp::now()) >= wait {
                let sent = sent?;
                return Err(TaskError::new(format!(
                    "it sends serial {} (until {}), and the one on disk is {} (until {})",
                    sent.serial, sent.not_after, wanted.serial, wanted.not_after
                )));
            }
            sleep(PAUSE);
        }
    }
}
