//! The command line: words in, an outcome printed, an exit code out.

mod arguments;
mod command;
mod exit;
mod format;
mod progress;
mod report;
mod signals;

use std::process::ExitCode;

use clap::Parser;
use hostler_service::ServiceError;

use crate::{arguments::Arguments, exit::Failure};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { 0 });
        }
    };
    log(arguments.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("hostler: the process could not be set up: {error}");
            return ExitCode::from(exit::UNAVAILABLE);
        }
    };
    let ended = runtime.block_on(command::run(arguments));
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("hostler: {error:#}");
            ExitCode::from(code_of(&error))
        }
    }
}

/// The exit code of an error: its own, or by its kind.
fn code_of(error: &anyhow::Error) -> u8 {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.code;
    }
    match error.downcast_ref::<ServiceError>() {
        Some(ServiceError::Configuration(_) | ServiceError::Binding(_)) => exit::CONFIGURATION,
        Some(ServiceError::UnknownName { .. } | ServiceError::UnknownResource { .. } | ServiceError::NoPlan(_)) => {
            exit::USAGE
        }
        _ => exit::UNAVAILABLE,
    }
}

fn log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "hostler=info,warn",
        _ => "hostler=debug,info",
    };
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(level))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .try_init();
}
