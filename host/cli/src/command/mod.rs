//! One module a command, each from its arguments to an exit code.

mod audit;
mod check;
mod configuration;
mod consent;
mod demo;
mod doctor;
mod guide;
mod history;
mod page;
mod plugins;
mod print;
mod report;
mod run;
mod scaffold;
mod timers;

use clap::CommandFactory;

use crate::arguments::{Arguments, AuditCommand, Command};

/// Carries a command out, and returns its exit code.
pub async fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let config = arguments.config;
    match arguments.command {
        Command::Init { file, guide: false, .. } => configuration::init(&file.unwrap_or(config)),
        Command::Init { file, guide: true, plugins, postgres, redis, root, files } => {
            guide::guide(&file.unwrap_or(config), plugins, &postgres, &redis, &root, files)
        }
        Command::Install { path, accept, replace } => plugins::install(&config, &path, accept, replace),
        Command::List { format } => plugins::list(&config, format),
        Command::Show { plugin } => plugins::show(&config, &plugin),
        Command::Remove { plugin } => plugins::remove(&config, &plugin),
        Command::Verify => plugins::verify(&config),
        Command::Plan { arguments, out, valid_for } => run::plan(&config, &arguments, out.as_deref(), valid_for).await,
        Command::Run { arguments, plan, approved, exit } => {
            run::run(&config, &arguments, plan.as_deref(), approved.as_deref(), exit).await
        }
        Command::Check(arguments) => check::check(&config, &arguments).await,
        Command::Doctor { task } => doctor::doctor(&config, task.as_deref()).await,
        Command::Roles { resource } => doctor::roles(&config, resource.as_deref()),
        Command::History { run, limit, format, attachments } => {
            history::history(&config, run.as_deref(), limit, format, attachments.as_deref())
        }
        Command::Report { name, format, out, days } => {
            report::report(&config, &name, format, out.as_deref(), days).await
        }
        Command::Audit { command: AuditCommand::Verify { head } } => audit::verify(&config, &head),
        Command::Audit { command: AuditCommand::Show { run, format } } => audit::show(&config, run.as_deref(), format),
        Command::Timers { procedure, format, out } => {
            timers::timers(&config, procedure.as_deref(), format, out.as_deref())
        }
        Command::New { name, sdk } => scaffold::new(&name, sdk.as_deref()),
        Command::Pack { component, manifest, output } => scaffold::pack(&component, &manifest, output.as_deref()),
        Command::Demo { postgres, directory, plugins } => demo::demo(postgres, directory, plugins).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "hostler", &mut std::io::stdout());
            Ok(0)
        }
    }
}
