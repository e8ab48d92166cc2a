//! Certificates in files, and those that servers send.
//!
//! The two are looked at together, since what counts is what clients are sent: a certificate renewed on disk and never
//! loaded by its server expires all the same. Each certificate is judged once however many files hold it, so that one
//! that expires is one finding.
//!
//! Certificates now live 6 to 90 days, so time is judged by the share of the lifetime that is left; only for the
//! long-lived ones it is days. Private keys are read for their public half alone, and never told.

mod cipher;
mod der;
mod disk;
mod expiry;
mod key;
mod keystore;
mod place;
mod served;

use std::collections::BTreeMap;

use hostler_sdk::prelude::*;

hostler_sdk::plugin!(Settings, run);

#[derive(Deserialize)]
struct Settings {
    warning_share: Percent,
    critical_share: Percent,
    long_lived: Duration,
    warning_left: Duration,
    critical_left: Duration,
    depth: u32,
    pkcs12_password: Option<String>,
    ignore: Vec<String>,
    server_names: BTreeMap<String, String>,
    starttls: BTreeMap<String, String>,
    private: Vec<String>,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let (directories, endpoints) = (context.directories("certificates"), context.endpoints("endpoints"));
    if directories.is_empty() && endpoints.is_empty() {
        return Err(TaskError::new(
            "neither a directory of certificates nor an endpoint is bound, so nothing was looked at",
        )
        .remedy("bind `certificates`, `endpoints` or both at the task"));
    }
    served::unknown_names(&settings, &endpoints);
    let (mut places, mut keys) = (vec![], 0);
    for directory in &directories {
        match disk::look(directory, &settings).await {
            Ok(found) => {
                if found.places.is_empty() {
                    finding!(
                        Severity::Unknown,
                        "no-certificates",
                        directory.name(),
                        "there is no certificate in it (*.pem, *.crt, *.cer, *.p12, *.pfx)"
                    )
                    .remedy(
                        "bind the directory that holds the certificates, as files and not as links, or raise `depth`",
                    )
                    .report();
                }
                keys += found.keys_compared;
                places.extend(found.places);
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("directory-not-read", directory.name()).report(),
        }
    }
    let on_disk = places.len();
    for endpoint in &endpoints {
        match served::look(endpoint, &settings).await {
            Ok(place) => {
                served::compare(&place, &places[..on_disk], settings.server_names.get(endpoint.name()));
                places.push(place);
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("endpoint-not-reached", endpoint.name()).report(),
        }
    }
    let certificates = place::judge_all(&places, &settings, Timestamp::now());
    let mut parts = vec![];
    if !directories.is_empty() {
        parts.push(format!("in {}", counted(on_disk, "file")));
    }
    if !endpoints.is_empty() {
        parts.push(format!("from {} of {}", places.len() - on_disk, counted(endpoints.len(), "endpoint")));
    }
    Ok(format!("{certificates}, {}; {} compared", parts.join(" and "), counted(keys, "key")))
}

#[cfg(test)]
mod tests;
