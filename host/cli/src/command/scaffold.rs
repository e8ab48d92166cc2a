//! `new` and `pack`: for authors of plugins.

use std::{fs, path::Path};

use hostler_manifest::embed;

use super::print::out;
use crate::exit::{UNAVAILABLE, USAGE, failure};

const MANIFEST: &str = include_str!("../../template/plugin.toml");
const CODE: &str = include_str!("../../template/lib.rs.txt");
const CARGO: &str = include_str!("../../template/Cargo.toml.txt");

/// Begins a plugin in a directory of its name.
pub(super) fn new(name: &str, sdk: Option<&Path>) -> anyhow::Result<u8> {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.chars().all(plain) || name.ends_with('-') {
        return Err(failure(
            USAGE,
            format!("{name:?} is no name of a plugin: write AREA-TASK in lower-case letters, digits and hyphens"),
        ));
    }
    let directory = Path::new(name);
    if directory.exists() {
        return Err(failure(USAGE, format!("{name} is there already, and is left as it is")));
    }
    let sdk = match sdk {
        Some(path) => format!("{{ path = {:?} }}", std::path::absolute(path)?),
        None => "\"0.1\"".into(),
    };
    let fill = |text: &str| text.replace("{{name}}", name).replace("{{sdk}}", &sdk);
    fs::create_dir_all(directory.join("src"))?;
    fs::write(directory.join("plugin.toml"), fill(MANIFEST))?;
    fs::write(directory.join("src/lib.rs"), fill(CODE))?;
    fs::write(directory.join("Cargo.toml"), fill(CARGO))?;
    let file = name.replace('-', "_");
    out(&format!(
        "{name}/ is there. Next:\n  cd {name} && cargo test && cargo build --release --target wasm32-wasip2\n  \
         hostler check target/wasm32-wasip2/release/{file}.wasm --bind database=\"host=… dbname=…\"\n"
    ))?;
    Ok(0)
}

/// Writes a manifest into a component, whole or not at all.
pub(super) fn pack(component: &Path, manifest: &Path, output: Option<&Path>) -> anyhow::Result<u8> {
    let unreadable = |path: &Path, error: std::io::Error| failure(UNAVAILABLE, format!("{}: {error}", path.display()));
    let bytes = fs::read(component).map_err(|error| unreadable(component, error))?;
    let text = fs::read_to_string(manifest).map_err(|error| unreadable(manifest, error))?;
    let packed =
        embed(&bytes, &text).map_err(|error| failure(UNAVAILABLE, format!("{}: {error}", component.display())))?;
    let output = output.unwrap_or(component);
    let temporary = output.with_extension("wasm.partial");
    fs::write(&temporary, packed)
        .and_then(|()| fs::rename(&temporary, output))
        .map_err(|error| unreadable(output, error))?;
    out(&format!("{} is packed\n", output.display()))?;
    Ok(0)
}
