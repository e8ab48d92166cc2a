//! `init --guide`: the maintenance guide on this machine, as a configuration that is read before anything runs.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use hostler_configuration::{Configuration, has_password};
use hostler_guide::{draft, look, write};
use hostler_manifest::Manifest;
use hostler_registry::discover;
use jiff::tz::TimeZone;

use super::{configuration::write_new, demo::plugins_directory, print::out};
use crate::exit::{UNAVAILABLE, USAGE, failure};

/// Writes it, and holds what it wrote against the host's own rules.
pub(super) fn guide(
    path: &Path,
    plugins: Option<PathBuf>,
    postgres: &[String],
    redis: &[String],
    root: &Path,
    files: Option<PathBuf>,
) -> anyhow::Result<u8> {
    if let Some(address) = postgres.iter().chain(redis).find(|address| has_password(address)) {
        let kind = if redis.contains(address) { "--redis" } else { "--postgres" };
        return Err(failure(
            USAGE,
            format!("{kind}: leave the password out; password_file in the configuration keeps it"),
        ));
    }
    let plugins = plugins_directory(plugins)?;
    let manifests = manifests(&plugins)?;
    if manifests.is_empty() {
        return Err(failure(
            USAGE,
            format!("{}: there is no plugin in it; `make plugins` builds them", plugins.display()),
        ));
    }
    let found = look(postgres, redis, root);
    let wrong = |error: hostler_guide::GuideError| failure(UNAVAILABLE, error.to_string());
    let draft = draft(&manifests, &found).map_err(wrong)?;
    let files = files.unwrap_or_else(|| files_of(root));
    let zone = TimeZone::system();
    let text = write(&draft, &files.display().to_string(), zone.iana_name().unwrap_or("UTC"));
    write_new(path, &text)?;
    Configuration::load(path)?;
    for directory in draft.own_directories().iter().map(|own| files.join(own)) {
        if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(&directory) {
            out(&format!("{0} is to be made ({error}): mkdir -p -m 700 {0}\n", directory.display()))?;
        }
    }
    let (live, left) = draft.counts();
    out(&format!(
        "{0} is written: {live} tasks are bound, {left} wait, each with the reason. Next: read it, `hostler --config {0} install {1} --accept`, \
         then `hostler --config {0} doctor`.\n",
        path.display(),
        plugins.display(),
    ))?;
    Ok(0)
}

/// Where tasks write to. Not below the host's state, which no program is shown: what checks a backup could not read it.
fn files_of(root: &Path) -> PathBuf {
    let state = Configuration::default().host.state;
    if state == Path::new("/var/lib/hostler") {
        root.join("var/backups/hostler")
    } else {
        state.with_file_name("hostler-files")
    }
}

/// Of every plugin in a directory that answers an item of the guide.
fn manifests(directory: &Path) -> anyhow::Result<Vec<Manifest>> {
    let found = discover(directory).map_err(|error| failure(UNAVAILABLE, error.to_string()))?;
    let candidates = found.into_iter().filter_map(|one| one.plugin.ok()).map(|candidate| candidate.manifest);
    Ok(candidates.filter(|manifest| !manifest.plugin.guide.is_empty()).collect())
}
