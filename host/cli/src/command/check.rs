//! `check`: a plugin that is not installed, in check mode only.

use std::{path::Path, sync::Arc};

use hostler_capability::Mode;
use hostler_configuration::TaskConfiguration;
use hostler_registry::inspect_file;
use hostler_service::{Host, RunOptions, ServiceError};

use super::{
    configuration::load_or_default,
    consent,
    print::{out, style},
    run::code,
};
use crate::{
    arguments::{CheckArguments, ExitBy},
    exit::{UNAVAILABLE, USAGE, failure},
    progress,
    signals::Signals,
};

/// Runs the plugin of a file.
pub(super) async fn check(config: &Path, arguments: &CheckArguments) -> anyhow::Result<u8> {
    let candidate = inspect_file(&arguments.file).map_err(|error| failure(UNAVAILABLE, error.to_string()))?;
    if !arguments.accept {
        consent::ask(&candidate, None, false)?;
    }
    let configuration = load_or_default(config)?;
    let (binds, settings) = (pairs("--bind", &arguments.bind)?, pairs("--set", &arguments.set)?);
    let task = TaskConfiguration::from_command_line(&candidate.manifest, &binds, &settings, &configuration.resources)
        .map_err(ServiceError::from)?;
    let host = Arc::new(Host::open_for(configuration, 1)?);
    let name = candidate.manifest.plugin.name.clone();
    let job = Arc::new(host.job_of_file(&task, &candidate)?);
    let mut options = RunOptions::new(Mode::Check);
    options.keep_state = arguments.keep_state;
    options.time_zone = host.configuration.host.time_zone.clone();
    let signals = Signals::watch(&options.stop)?;
    progress::show(&mut options);
    let outcome = host.run_all(&name, vec![Ok(job)], &options, 1).await;
    host.settle().await;
    out(&arguments.format.print(&outcome, style(arguments.all)))?;
    Ok(signals.exit_code().unwrap_or_else(|| code(&outcome, ExitBy::Verdict)))
}

fn pairs(option: &str, given: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| failure(USAGE, format!("{option} takes NAME=VALUE")))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    given.iter().map(pair).collect()
}
