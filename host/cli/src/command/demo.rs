//! `demo`: the whole of it on a small shop, with the commands that any operator has.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use hostler_demo::Shop;
use hostler_service::VALID_FOR;

use super::{plugins, print::out, run};
use crate::{
    arguments::{ExitBy, RunArguments},
    exit::{UNAVAILABLE, failure},
    format::Format,
};

/// Opens the shop, installs the plugins, runs `daily`, plans and runs `weekly`.
pub(super) async fn demo(
    postgres: Option<String>,
    directory: Option<PathBuf>,
    built: Option<PathBuf>,
) -> anyhow::Result<u8> {
    let started = Instant::now();
    let built = plugins_directory(built)?;
    let directory =
        directory.unwrap_or_else(|| std::env::temp_dir().join(format!("hostler-demo-{}", std::process::id())));
    std::fs::create_dir_all(&directory)
        .map_err(|error| failure(UNAVAILABLE, format!("{}: {error}", directory.display())))?;
    let shop =
        Shop::open(&directory, postgres.as_deref()).await.map_err(|error| failure(UNAVAILABLE, error.to_string()))?;
    say(&format!("A shop opens on {}.", shop.database.what))?;
    match &shop.cache {
        Ok(cache) => say(&format!("Its cache is a throw-away Redis at {}.", cache.url))?,
        Err(reason) => say(&format!("The Redis tasks are left out: {reason}."))?,
    }
    say("\n$ hostler install PLUGIN.wasm --accept     # one after the other, each with what it asks for")?;
    let configuration = hostler_configuration::Configuration::load(&shop.configuration)?;
    let wanted: std::collections::BTreeSet<_> = configuration.tasks.values().map(|task| &task.plugin).collect();
    for plugin in wanted {
        let file = built.join(format!("{}.wasm", plugin.replace('-', "_")));
        plugins::install(&shop.configuration, &file, true, false)?;
    }
    say("\n$ hostler run daily")?;
    step(&shop.configuration, "daily", false).await?;
    say("\n$ hostler plan weekly      # says what would change, and changes nothing")?;
    step(&shop.configuration, "weekly", true).await?;
    say("\n$ hostler run weekly")?;
    step(&shop.configuration, "weekly", false).await?;
    let (config, shown) = (shop.configuration.display(), directory.display());
    say(&format!(
        "\nThat took {:.1} s. The servers end now; what stays is {shown} (the configuration, the history, the audit, the archive).\n\
         Try next:\n  hostler --config {config} history\n  hostler --config {config} audit verify\n  \
         hostler check PLUGIN.wasm --bind database=\"host=… dbname=…\"     # against a database of your own",
        started.elapsed().as_secs_f64()
    ))?;
    Ok(0)
}

async fn step(config: &Path, name: &str, plan: bool) -> anyhow::Result<()> {
    let arguments = RunArguments { name: name.into(), format: Format::Text, keep_state: false, all: false };
    let code = if plan {
        run::plan(config, &arguments, None, VALID_FOR).await?
    } else {
        run::run(config, &arguments, None, None, ExitBy::Verdict).await?
    };
    if code > 3 {
        return Err(failure(code, "the demonstration was interrupted"));
    }
    Ok(())
}

/// Where `make plugins` puts them: beside the binary's own directory.
pub(super) fn plugins_directory(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(given) = given {
        return Ok(given);
    }
    let binary = std::env::current_exe()?;
    let beside = binary.ancestors().nth(2).map(|target| target.join("wasm32-wasip2/plugin"));
    beside.filter(|directory| directory.is_dir()).ok_or_else(|| {
        failure(
            UNAVAILABLE,
            "the built plugins are not beside this binary; run `make plugins`, or give --plugins DIRECTORY",
        )
    })
}

fn say(line: &str) -> anyhow::Result<()> {
    out(&format!("{line}\n"))
}
