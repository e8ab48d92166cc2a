//! The command line's words.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::format::Format;

/// Where the configuration is, where nobody says otherwise.
pub const DEFAULT_CONFIG: &str = "/etc/hostler/hostler.toml";

/// Runs maintenance tasks that nobody has to trust.
#[derive(Debug, Parser)]
#[command(name = "hostler", version, about, max_term_width = 110, disable_help_subcommand = true)]
pub struct Arguments {
    /// The configuration file; `conf.d/*.toml` beside it is read too.
    #[arg(
        long,
        global = true,
        env = "HOSTLER_CONFIG",
        value_name = "FILE",
        default_value = DEFAULT_CONFIG
    )]
    pub config: PathBuf,
    /// Says more on standard error; twice, everything.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Writes a commented hostler.toml.
    Init {
        /// Where; the file given with --config where it does not say.
        file: Option<PathBuf>,
        /// Looks at the machine, and writes the maintenance guide as daily, weekly and monthly procedures for it.
        #[arg(long)]
        guide: bool,
        /// Where the built plugins are; beside the program where it does not say.
        #[arg(long, value_name = "DIRECTORY", requires = "guide")]
        plugins: Option<PathBuf>,
        /// A PostgreSQL server, as a connection string without a password; those that answer here where none is given.
        #[arg(long, value_name = "DSN", requires = "guide")]
        postgres: Vec<String>,
        /// A Redis server, as a URL without a password; those that answer here where none is given.
        #[arg(long, value_name = "URL", requires = "guide")]
        redis: Vec<String>,
        /// Looks for directories and programs below this directory, as in an image of a machine.
        #[arg(long, value_name = "DIRECTORY", requires = "guide", default_value = "/")]
        root: PathBuf,
        /// Where the directories are made that tasks write to, such as backups; /var/backups/hostler for root.
        #[arg(long, value_name = "DIRECTORY", requires = "guide")]
        files: Option<PathBuf>,
    },
    /// Installs a plugin, or all plugins of a directory, after showing what each asks for.
    Install {
        /// A component file, or a directory of them.
        path: PathBuf,
        /// Consents to what is asked, where there is no terminal to ask on.
        #[arg(long)]
        accept: bool,
        /// Takes a version that is older than the installed one, or another file of the same version.
        #[arg(long)]
        replace: bool,
    },
    /// Lists the installed plugins.
    List {
        /// text or json.
        #[arg(long, default_value = "text")]
        format: ListFormat,
    },
    /// Shows a plugin's manifest: what it is, what it asks for and why, its settings.
    Show {
        /// The plugin, or a component file.
        plugin: String,
    },
    /// Removes a plugin.
    Remove {
        /// The plugin.
        plugin: String,
    },
    /// Holds every installed file against the lock.
    Verify,
    /// Says what a task or procedure would change, and changes nothing.
    Plan {
        /// What and how.
        #[command(flatten)]
        arguments: RunArguments,
        /// Writes the plan to a file too, for `hostler run NAME --approved FILE`.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// How long the file holds, such as 12h or 30d.
        #[arg(long, value_name = "TIME", default_value = "7d", requires = "out", value_parser = time)]
        valid_for: Duration,
    },
    /// Runs a task or procedure.
    Run {
        /// What and how.
        #[command(flatten)]
        arguments: RunArguments,
        /// Holds the run to an approved plan: a run of `hostler plan`, which stands for all tasks of its procedure.
        #[arg(long, value_name = "RUN", conflicts_with = "approved")]
        plan: Option<String>,
        /// Holds the run to an approved plan: the file that `hostler plan NAME --out FILE` wrote.
        #[arg(long, value_name = "FILE")]
        approved: Option<PathBuf>,
        /// How the exit code is chosen.
        #[arg(long, default_value = "verdict")]
        exit: ExitBy,
    },
    /// Runs a plugin that is not installed, in check mode, under the same limits.
    Check(CheckArguments),
    /// Tries every resource and every bound privilege, and says the remedy.
    Doctor {
        /// Only this task or procedure.
        task: Option<String>,
    },
    /// Prints the least PostgreSQL role and Redis user that the tasks need.
    Roles {
        /// Only this resource, such as `postgres.main`: then a server takes what is printed as it is.
        resource: Option<String>,
    },
    /// Lists earlier runs, or shows one.
    History {
        /// A run's identifier or its beginning, to see it whole; or the name of a task or procedure, to list its runs.
        run: Option<String>,
        /// How many are listed.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// How it is printed.
        #[arg(long, default_value = "text")]
        format: Format,
        /// Writes the run's attachments into this directory.
        #[arg(long, value_name = "DIRECTORY")]
        attachments: Option<PathBuf>,
    },
    /// Reports what the newest runs of a procedure found: what needs action, what is well, what could not be looked at.
    Report {
        /// A procedure or a task.
        name: String,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
        /// Writes it into this file.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// How many days of metrics the charts of HTML show.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
    /// Works with the audit.
    Audit {
        /// What to do with it.
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Prints what starts the procedures that have a schedule, and when: systemd's timers and services, or cron's lines.
    Timers {
        /// Only this procedure.
        procedure: Option<String>,
        /// For whom.
        #[arg(long, value_enum, default_value_t = TimerFormat::Systemd)]
        format: TimerFormat,
        /// Writes systemd's units into this directory, such as /etc/systemd/system; never over other files.
        #[arg(long, value_name = "DIRECTORY")]
        out: Option<PathBuf>,
    },
    /// Begins a plugin of your own: a directory with all that it needs.
    New {
        /// The plugin's name, `AREA-TASK`.
        name: String,
        /// Where the SDK is, as a path or as cargo would write it.
        #[arg(long, value_name = "PATH")]
        sdk: Option<PathBuf>,
    },
    /// Writes a manifest into a component, for languages other than Rust.
    Pack {
        /// The component.
        component: PathBuf,
        /// The manifest.
        manifest: PathBuf,
        /// Where the result goes; the component itself where it does not say.
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Shows it all on a small shop database with real faults.
    Demo {
        /// A PostgreSQL of yours, in which a database `hostler_demo` is made.
        #[arg(long, value_name = "DSN")]
        postgres: Option<String>,
        /// Where the demonstration is kept; a fresh directory below the temporary one where it does not say.
        #[arg(long)]
        directory: Option<PathBuf>,
        /// Where the built plugins are.
        #[arg(long, value_name = "DIRECTORY")]
        plugins: Option<PathBuf>,
    },
    /// Prints the completions of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// A time as the configuration writes it: `90s`, `12h`, `30d`.
fn time(text: &str) -> Result<Duration, String> {
    let seconds = hostler_manifest::seconds(text).filter(|seconds| *seconds >= 1.0);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or("write a time such as 12h or 30d".into())
}

/// What to run, and how it is printed.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// A task or a procedure.
    pub name: String,
    /// How it is printed.
    #[arg(long, default_value = "text")]
    pub format: Format,
    /// Keeps what the task remembers, in a plan too.
    #[arg(long)]
    pub keep_state: bool,
    /// Shows findings that are ok, and tables.
    #[arg(long)]
    pub all: bool,
}

/// A plugin that is not installed.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The component file.
    pub file: PathBuf,
    /// Binds a request: `database=postgres://…`, `database=postgres.main`, `logs=/var/log`, `machine=machine`.
    #[arg(long, value_name = "REQUEST=RESOURCE")]
    pub bind: Vec<String>,
    /// Gives a setting: `warning=80`.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Consents to what is asked, where there is no terminal to ask on.
    #[arg(long)]
    pub accept: bool,
    /// How it is printed.
    #[arg(long, default_value = "text")]
    pub format: Format,
    /// Keeps what the plugin remembers.
    #[arg(long)]
    pub keep_state: bool,
    /// Shows findings that are ok, and tables.
    #[arg(long)]
    pub all: bool,
}

/// What to do with the audit.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Finds a line that was changed, removed, reordered or cut off.
    Verify {
        /// Another head to hold it against, such as the journal's: the number of lines, and the hash of the last.
        #[arg(long, value_name = "LINES:HASH")]
        head: Vec<String>,
    },
    /// Prints its lines, the oldest first.
    Show {
        /// Those of this run alone.
        #[arg(long, value_name = "RUN")]
        run: Option<String>,
        /// How they are printed.
        #[arg(long, value_enum, default_value_t = ListFormat::Text)]
        format: ListFormat,
    },
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Text,
    /// For programs, with a schema version.
    Json,
    /// One file that stands alone, with charts of what was measured.
    Html,
}

/// Who starts the procedures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TimerFormat {
    /// Services and timers of systemd's.
    Systemd,
    /// Lines for /etc/cron.d.
    Crontab,
}

/// How an exit code is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExitBy {
    /// 0 ok, 1 warning, 2 critical, 3 unknown.
    Verdict,
    /// 0 whenever every task could do its work, whatever it found.
    Work,
}
