//! Endpoints: is a port open, what certificate does it show, what does it answer to HTTP.
//!
//! A plugin names a request and a path, never an address: scheme, host, port, path prefix and credential are the
//! operator's ([`hostler_policy::endpoint`] decides the rest). A name is resolved here, each address it leads to is
//! held to the policy, and the address that was checked is the one that is connected: nothing resolves it a second time.
//! No redirect is followed. In every text that a plugin reads, `endpoint.NAME` stands for the address.
//!
//! A TLS handshake is for looking at certificates, so it is completed whatever they are worth, says what they are
//! worth, and carries nothing after it. Its server name is the plugin's to choose: it selects a certificate at the
//! endpoint that is bound, and reaches no other. HTTP over TLS is never spoken to a server that does not verify.

mod body;
mod client;
mod connect;
mod examine;
mod grant;
mod handshake;
mod header;
mod host;
mod http;
mod roots;
mod starttls;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hostler_capability::{Binding, Capability, CapabilityError, RunContext, RunState, Slot};
use hostler_world::network;
use wasmtime::component::{HasData, Linker};

use client::Client;
pub use examine::{Examination, examine};

/// The capability: endpoints, for all runs of a host.
#[derive(Debug, Default)]
pub struct NetworkCapability;

impl NetworkCapability {
    /// Endpoints. Connections are opened by calls and closed with them.
    pub fn new() -> Self {
        Self
    }
}

impl HasData for NetworkCapability {
    type Data<'a> = &'a mut NetworkRun;
}

impl Capability for NetworkCapability {
    fn interface(&self) -> &'static str {
        "network"
    }

    fn link(&self, linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
        network::add_to_linker::<_, Self>(linker, |state: &mut RunState| state.slot::<NetworkRun>())
    }

    fn prepare(&self, bindings: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError> {
        Ok(Box::new(NetworkRun { client: Arc::new(Client::new(bindings, context)?) }))
    }
}

/// The capability's part of one run.
pub struct NetworkRun {
    client: Arc<Client>,
}
