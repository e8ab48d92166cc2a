//! The capabilities of this host. To add one is to add its crate and a line here.

use std::{sync::Arc, time::Duration};

use hostler_capability::{Binding, Capability};
use hostler_configuration::Configuration;
use hostler_files::FilesCapability;
use hostler_history::HistoryCapability;
use hostler_machine::MachineCapability;
use hostler_network::NetworkCapability;
use hostler_postgres::PostgresCapability;
use hostler_redis::RedisCapability;
use hostler_shell::{Hidden, ShellCapability};

/// All of them; those that the host asks for something beside the runs are kept by name.
pub(crate) struct Capabilities {
    pub(crate) all: Vec<Arc<dyn Capability>>,
    postgres: Arc<PostgresCapability>,
}

impl Capabilities {
    pub(crate) fn new(configuration: &Configuration) -> Self {
        let postgres = Arc::new(PostgresCapability::default());
        let mut all: Vec<Arc<dyn Capability>> = vec![
            postgres.clone(),
            Arc::new(RedisCapability::new(hostler_redis::Timeouts::default())),
            Arc::new(FilesCapability),
            Arc::new(ShellCapability::new(hidden(configuration))),
            Arc::new(NetworkCapability::new()),
            Arc::new(MachineCapability::default()),
            Arc::new(HistoryCapability),
        ];
        all.extend(hostler_context::capabilities());
        all.extend(hostler_report::capabilities());
        Self { all, postgres }
    }

    /// A run with these bindings is about to be made ready.
    pub(crate) fn expect(&self, bindings: &[Binding]) {
        self.all.iter().for_each(|capability| capability.expect(bindings));
    }

    /// Waits for what goes on after runs have ended: cancelling, rolling back, letting locks go.
    pub(crate) async fn settle(&self) {
        self.postgres.settle(Duration::from_secs(2)).await;
    }
}

/// What no program may see: the configuration, the state, the registry, the cache.
pub(crate) fn hidden(configuration: &Configuration) -> Hidden {
    let host = &configuration.host;
    let mut paths = vec![host.state.clone(), host.registry.clone(), host.cache.clone()];
    paths.extend(configuration.files.iter().map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone())));
    Hidden { paths }
}
