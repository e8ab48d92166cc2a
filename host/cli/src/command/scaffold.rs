//! `new` and `pack`: for authors of plugins.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use hostler_manifest::{Manifest, embed};
use hostler_registry::examine;

use super::print::out;
use crate::exit::{UNAVAILABLE, USAGE, failure};

const MANIFEST: &str = include_str!("../../template/plugin.toml");
const CODE: &str = include_str!("../../template/lib.rs.txt");
const CARGO: &str = include_str!("../../template/Cargo.toml.txt");

/// Begins a plugin in a directory of its name.
pub(super) fn new(name: &str, sdk: Option<&Path>) -> anyhow::Result<u8> {
    let manifest = MANIFEST.replace("{{name}}", name);
    // The manifest's own rule; a path, say, is none.
    let plain = name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    if !plain || Manifest::parse(&manifest).is_err() {
        return Err(failure(
            USAGE,
            format!(
                "{name:?} is no name of a plugin: write AREA-TASK, such as shop-check, in lower-case letters, digits and single hyphens"
            ),
        ));
    }
    let directory = Path::new(name);
    if directory.exists() {
        return Err(failure(
            USAGE,
            format!("{name} is there already, and is left as it is; choose another name, or remove it"),
        ));
    }
    let sdk = match sdk {
        Some(path) => Some(sdk_at(path).ok_or_else(|| {
            failure(
                USAGE,
                format!(
                    "{}: there is no hostler-sdk; --sdk takes the directory sdk of hostler's source",
                    path.display()
                ),
            )
        })?),
        None => beside_this_binary(),
    };
    let (plain, testing) = match &sdk {
        Some(path) => {
            let path = toml_text(&path.display().to_string());
            (format!("{{ path = {path} }}"), format!("{{ path = {path}, features = [\"testing\"] }}"))
        }
        None => ("\"0.1\"".into(), "{ version = \"0.1\", features = [\"testing\"] }".into()),
    };
    let cargo = CARGO.replace("{{name}}", name).replace("{{sdk}}", &plain).replace("{{sdk_testing}}", &testing);
    let written = |path: &str, text: &str| {
        let path = directory.join(path);
        fs::write(&path, text)
            .map_err(|error| failure(UNAVAILABLE, format!("{}: cannot be written: {error}", path.display())))
    };
    fs::create_dir_all(directory.join("src"))
        .map_err(|error| failure(UNAVAILABLE, format!("{name}: cannot be made here: {error}")))?;
    written("plugin.toml", &manifest)?;
    written("src/lib.rs", CODE)?;
    written("Cargo.toml", &cargo)?;
    let file = name.replace('-', "_");
    let note = match &sdk {
        Some(_) => "",
        None => "  (first put the path of hostler's sdk into Cargo.toml, in both places: --sdk PATH would have)\n",
    };
    out(&format!(
        "{name}/ is there: plugin.toml says what it asks for, src/lib.rs is its work. Next:\n{note}  cd {name}\n  cargo test\n  \
         rustup target add wasm32-wasip2\n  cargo build --release --target wasm32-wasip2\n  \
         hostler check target/wasm32-wasip2/release/{file}.wasm --bind database=\"host=127.0.0.1 dbname=… user=…\"\n"
    ))?;
    Ok(0)
}

/// The SDK at a path, or in the directory of its name there.
fn sdk_at(path: &Path) -> Option<PathBuf> {
    let is_sdk = |path: &PathBuf| {
        fs::read_to_string(path.join("Cargo.toml")).is_ok_and(|text| text.contains("name = \"hostler-sdk\""))
    };
    [path.to_owned(), path.join("sdk")].into_iter().find(is_sdk)?.canonicalize().ok()
}

/// The SDK of the source that this binary was built in, where it still is.
fn beside_this_binary() -> Option<PathBuf> {
    let binary = std::env::current_exe().ok()?;
    binary.ancestors().nth(3).and_then(sdk_at)
}

fn toml_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Writes a manifest into a component, whole or not at all.
pub(super) fn pack(component: &Path, manifest: &Path, output: Option<&Path>) -> anyhow::Result<u8> {
    let unreadable = |path: &Path, error: std::io::Error| failure(UNAVAILABLE, format!("{}: {error}", path.display()));
    let bytes = fs::read(component).map_err(|error| unreadable(component, error))?;
    let text = fs::read_to_string(manifest).map_err(|error| unreadable(manifest, error))?;
    let packed =
        embed(&bytes, &text).map_err(|error| failure(UNAVAILABLE, format!("{}: {error}", component.display())))?;
    // What could not be installed is told now, and not to whoever gets the file.
    examine(packed.clone()).map_err(|error| failure(UNAVAILABLE, format!("{}: {error}", component.display())))?;
    let output = output.unwrap_or(component);
    let directory = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::NamedTempFile::new_in(directory)
        .and_then(|mut temporary| {
            temporary.write_all(&packed)?;
            temporary.as_file().set_permissions(PermissionsExt::from_mode(0o644))?;
            temporary.persist(output).map_err(|error| error.error)
        })
        .map_err(|error| unreadable(output, error))?;
    out(&format!("{} is packed\n", output.display()))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_a_manifest_and_a_package() {
        let manifest = Manifest::parse(&MANIFEST.replace("{{name}}", "shop-check")).expect("it is whole");
        assert_eq!(manifest.plugin.name, "shop-check");
        let lines = CODE.split("#[cfg(test)]").next().map(|work| work.lines().count());
        assert!(lines.is_some_and(|lines| lines < 60), "the smallest plugin is under 60 lines");
        assert!(CARGO.contains("\n[workspace]\n"), "it may lie within another workspace");
    }

    #[test]
    fn the_sdk_is_looked_for_where_it_was_said_to_be() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let sdk = sdk_at(&root.join("sdk")).expect("it is there");
        assert_eq!(sdk_at(&root), Some(sdk));
        assert_eq!(sdk_at(&root.join("wit")), None);
        assert_eq!(toml_text("a\"b\\c"), r#""a\"b\\c""#);
    }
}
