//! plugins/README.md is what the manifests and the tests say, and nothing else: each item of the guide with the plugins
//! that answer it, each plugin with its items, its summary and the tests that show it on real input. Each manifest has
//! the findings and metrics that its sources can tell, for `hostler show`. The page is generated
//! here; `HOSTLER_WRITE=1 cargo nextest run -p hostler-tests --test coverage` writes it.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use hostler_manifest::{Manifest, Mode};
use hostler_tests::root;

struct Plugin {
    manifest: Manifest,
    directory: PathBuf,
    tests: Vec<String>,
}

/// The plugins of the catalogue; examples answer nothing.
fn plugins() -> Vec<Plugin> {
    let tests = tests();
    let mut plugins = vec![];
    for area in children(&root().join("plugins")).iter().filter(|path| path.is_dir()) {
        for directory in children(area) {
            let Ok(text) = fs::read_to_string(directory.join("plugin.toml")) else { continue };
            let manifest = Manifest::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
            if area.ends_with("example") {
                continue;
            }
            let named = format!("\"{}\"", manifest.plugin.name);
            let tests = tests.iter().filter(|(_, text)| text.contains(&named)).map(|(name, _)| name.clone()).collect();
            plugins.push(Plugin { manifest, directory, tests });
        }
    }
    plugins.sort_by(|one, other| one.manifest.plugin.name.cmp(&other.manifest.plugin.name));
    plugins
}

/// Every end-to-end test, by its path in the repository.
fn tests() -> Vec<(String, String)> {
    let mut found = vec![];
    let mut left = vec![root().join("tests/tests")];
    while let Some(directory) = left.pop() {
        for path in children(&directory) {
            let own = path.ends_with("coverage.rs") || path.ends_with("main.rs");
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !own {
                let name = path.strip_prefix(root()).expect("it is in the repository").display().to_string();
                found.push((name, fs::read_to_string(&path).expect("a test")));
            }
        }
    }
    found.sort();
    found
}

fn children(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(path).expect("a directory").map(|entry| entry.expect("it is read").path()).collect();
    found.sort();
    found
}

/// The items of the guide, with their lines and lists.
fn items() -> Vec<(String, i64, String)> {
    let text = fs::read_to_string(root().join("plugins/guide.toml")).expect("the guide");
    let table: toml::Table = text.parse().expect("TOML");
    let items = table["item"].as_array().expect("items");
    items
        .iter()
        .map(|item| {
            let text = |key: &str| item.get(key).and_then(|value| value.as_str()).unwrap_or("chapter").to_owned();
            (text("name"), item["line"].as_integer().expect("a line"), text("procedure"))
        })
        .collect()
}

fn generated() -> String {
    let (plugins, items) = (plugins(), items());
    let mut answers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for plugin in &plugins {
        for item in &plugin.manifest.plugin.guide {
            answers.entry(item).or_default().push(&plugin.manifest.plugin.name);
        }
    }
    let answered = items.iter().filter(|(name, ..)| answers.contains_key(name.as_str())).count();
    let mut text = format!(
        "# The plugins, and the guide that they carry out\n\n\
         Generated from the manifests, `guide.toml` and the tests by `tests/tests/coverage.rs`, which fails where this page says\n\
         anything else. `hostler show NAME` is a plugin's page: what it asks for and why, its settings, its findings with their\n\
         remedies, its metrics.\n\n\
         {} plugins answer {answered} of the guide's {} items.\n\n## The guide's items\n\n| line | item | list | plugins |\n| --- | --- | --- | --- |\n",
        plugins.len(),
        items.len()
    );
    for (name, line, list) in &items {
        let by = answers.get(name.as_str()).map_or_else(|| "**none**".to_owned(), |plugins| plugins.join(", "));
        let _ = writeln!(text, "| {line} | {name} | {list} | {by} |");
    }
    text.push_str(
        "\n## The plugins\n\n| plugin | what it does | changes | tests on real input |\n| --- | --- | --- | --- |\n",
    );
    for Plugin { manifest, tests, .. } in &plugins {
        let changes = if manifest.plugin.mode == Mode::Apply { "yes" } else { "no" };
        let tests: Vec<String> =
            tests.iter().map(|test| format!("[{0}](../{test})", test.rsplit('/').next().unwrap_or(test))).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {changes} | {} |",
            manifest.plugin.name,
            manifest.plugin.summary,
            tests.join(", ")
        );
    }
    text
}

#[test]
fn the_page_is_what_the_manifests_and_the_tests_say() {
    let path = root().join("plugins/README.md");
    let generated = generated();
    if std::env::var_os("HOSTLER_WRITE").is_some() {
        fs::write(&path, &generated).expect("it is written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == generated,
        "plugins/README.md is not what the manifests say: HOSTLER_WRITE=1 cargo nextest run -p hostler-tests --test coverage"
    );
}

#[test]
fn no_item_of_the_guide_is_without_a_plugin() {
    let plugins = plugins();
    for (name, line, _) in items() {
        let answered = plugins.iter().any(|plugin| plugin.manifest.plugin.guide.contains(&name));
        assert!(answered, "line {line} of the guide, {name:?}, has no plugin");
    }
}

#[test]
fn no_plugin_is_without_an_item_of_the_guide_tests_on_real_input_and_tests_of_its_own() {
    let items = items();
    for Plugin { manifest, directory, tests } in plugins() {
        let plugin = manifest.plugin;
        assert!(!plugin.guide.is_empty(), "{} answers no item", plugin.name);
        for item in &plugin.guide {
            assert!(items.iter().any(|(name, ..)| name == item), "{}: {item:?} is no item of the guide", plugin.name);
        }
        assert!(!tests.is_empty(), "{} has no end-to-end test", plugin.name);
        let sources = children(&directory.join("src"));
        let tested =
            sources.iter().filter_map(|path| fs::read_to_string(path).ok()).any(|text| text.contains("#[test]"));
        assert!(tested, "{} has no tests of its own", plugin.name);
    }
}

/// All the sources below a directory, as one text.
fn sources(directory: &Path) -> String {
    let mut text = String::new();
    for path in children(directory) {
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|end| end == "rs") {
            text += &fs::read_to_string(&path).expect("a source");
        }
    }
    text
}

/// The other way round, that nothing is told which the manifest does not have, every end-to-end test looks at.
#[test]
fn each_manifest_has_findings_and_metrics_that_its_sources_can_tell() {
    let shared = sources(&root().join("plugins/shared")) + &sources(&root().join("sdk/src"));
    for Plugin { manifest, directory, .. } in plugins() {
        let name = &manifest.plugin.name;
        assert!(!manifest.findings.is_empty(), "{name} does not say what it finds");
        let own = sources(&directory.join("src")) + &shared;
        for told in manifest.findings.keys().chain(manifest.metrics.keys()) {
            assert!(own.contains(&format!("\"{told}\"")), "{name}: `{told}` stands nowhere in its sources");
        }
    }
}
