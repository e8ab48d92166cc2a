//! Why a manifest cannot be used.

use thiserror::Error;

use crate::plugin::is_misleading;

/// What is wrong with a plugin file or its manifest.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// The file is not WebAssembly at all.
    #[error("this is not WebAssembly: {}", plain(.0))]
    NotWebAssembly(String),
    /// The file is a core module, which has no typed interface.
    #[error(
        "this is a core WebAssembly module, not a component; build it for the target wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// The component carries no manifest.
    #[error(
        "the component has no manifest (custom section `hostler:manifest`); in Rust the SDK's `plugin!` macro writes it, for other languages `hostler pack` does"
    )]
    Missing,
    /// More than one manifest is in the component, so that which one holds would be a guess.
    #[error("the component has {0} manifests; one is expected")]
    Several(usize),
    /// A manifest that nobody would read.
    #[error("the manifest has {length} bytes; more than {most} are not read")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The most that is read.
        most: usize,
    },
    /// The manifest is not UTF-8 or not TOML, or a key is wrong.
    #[error("the manifest is damaged: {}", plain(.0))]
    Damaged(String),
    /// A value of the manifest is out of place.
    #[error("the manifest's `{key}` {problem}")]
    Value {
        /// The key, dotted.
        key: String,
        /// What is wrong, as the end of a sentence.
        problem: String,
    },
    /// The component lacks the export that every plugin has.
    #[error("the component does not export `{0}`, which every plugin has")]
    ExportMissing(String),
    /// The component was made for another version of the contract.
    #[error("the component was made for version {} of the contract; this host serves {served}", plain(found))]
    OtherContract {
        /// The version that the component names.
        found: String,
        /// The version that this host serves.
        served: &'static str,
    },
    /// The component imports an interface for which it has no request.
    #[error(
        "the component imports `{interface}`, and its manifest has no request of kind {kind}; add one, with its reason"
    )]
    NotRequested {
        /// The interface.
        interface: String,
        /// The kind of request that covers it.
        kind: &'static str,
    },
    /// The component imports something that no host serves.
    #[error("the component imports `{}`, which this host does not serve", plain(.0))]
    UnknownImport(String),
}

/// The most letters of a foreign file's own words that an error repeats: its reader quotes a whole line.
const LONGEST_WORDS: usize = 2000;

/// A text of the file as it may be shown: what would steer a terminal, or hide text, is written out.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (number, letter) in text.chars().enumerate() {
        if number >= LONGEST_WORDS {
            shown.push('…');
            break;
        }
        if letter != '\n' && is_misleading(letter) {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}
