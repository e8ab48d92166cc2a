//! What `doctor` asks of an endpoint.

use std::time::Duration;

use hostler_capability::{Binding, Grant, Resource, Target};
use hostler_configuration::EndpointResource;
use hostler_policy::endpoint::Scheme;

use crate::{connect, grant::Bound, handshake, header, http, roots};

/// How long an endpoint has.
const LIMIT: Duration = Duration::from_secs(15);

/// What was found out about an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// Why it cannot be used, and what to do; nothing where it can.
    pub problem: Option<String>,
    /// What its operator has to know.
    pub notes: Vec<String>,
}

/// Looks at an endpoint: whether it can be reached, and, where its scheme says so, whether its certificate verifies.
/// No request is sent.
pub async fn examine(name: &str, resource: &EndpointResource) -> Examination {
    let mut notes = Vec::new();
    let problem = match tokio::time::timeout(LIMIT, look(name, resource, &mut notes)).await {
        Ok(result) => result.err(),
        Err(_) => Some("it does not answer".into()),
    };
    Examination { problem, notes }
}

async fn look(name: &str, resource: &EndpointResource, notes: &mut Vec<String>) -> Result<(), String> {
    let target = Target { name: name.into(), resource: Resource::Endpoint(resource.clone()) };
    let binding = Binding { request: name.into(), many: false, targets: vec![target], grant: Grant::Endpoint(vec![]) };
    let bound = Bound::of(&binding).map_err(|error| error.to_string())?;
    let bound = bound.first().ok_or("it is no endpoint")?;
    if let Some(file) = &resource.header_file {
        header::read(file)?;
        if bound.endpoint.scheme == Scheme::Http {
            notes.push("the header of its header_file is sent in clear text".into());
        }
    }
    let roots = roots::roots(resource.root_certificates.as_deref());
    let connected = connect::connect(bound).await.map_err(|error| error.to_string())?;
    if matches!(bound.endpoint.scheme, Scheme::Https | Scheme::Tls) {
        let name = http::server_name(&bound.endpoint).ok_or("its host is no name for TLS")?;
        let shown = handshake::handshake(connected.stream, roots::verifier(roots?)?, name).await?;
        shown.verified?;
    }
    Ok(())
}
