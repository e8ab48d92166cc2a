//! What holds for every manifest, component and setting; the fuzzing targets in fuzz/ call these too.

use hostler_manifest::{Manifest, Mode, Request, SECTION, Setting, contract, embed, extract, imports, validate};

/// The smallest component: magic number, version and layer.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";
const PLAIN: &str = "[plugin]\nname = \"plain\"\nversion = \"0.1.0\"\nsummary = \"Looks\"\nlicense = \"Apache-2.0\"\nmode = \"check\"\n";

/// A manifest that is accepted says who it is in plain letters, and is the same inside a component.
pub fn manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(manifest) = Manifest::parse(text) else { return };
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter);
    assert!(!manifest.plugin.name.is_empty() && manifest.plugin.name.chars().all(plain), "{}", manifest.plugin.name);
    for request in manifest.requests.values() {
        assert!(!request.reason().trim().is_empty(), "a request says why");
        if let (Mode::Check, Request::Postgres(request)) = (manifest.plugin.mode, request) {
            assert!(request.statements.is_empty() && request.call.is_empty(), "it says that it only looks");
        }
    }
    let embedded = embed(EMPTY, text).expect("it was accepted");
    assert_eq!(extract(&embedded).expect("it is inside"), manifest);
}

/// Any bytes are read or refused; what is read imports no more than it requests.
pub fn component(data: &[u8]) {
    let _ = (validate(data), contract(data));
    if let Ok(manifest) = extract(data)
        && let Ok(imports) = imports(data, &manifest)
    {
        for import in imports.iter().filter_map(|import| import.strip_prefix("hostler:plugin/")) {
            let interface = import.split('@').next().unwrap_or_default();
            let base = ["types", "run-context", "plan", "report", "log", "settings", "state"].contains(&interface);
            let requested = manifest.requests.values().any(|request| request.interface() == interface);
            assert!(base || requested, "{import} was not requested");
        }
    }
    if let Ok(embedded) = embed(data, PLAIN) {
        let read = extract(&embedded).expect("it was put in");
        assert_eq!(read, Manifest::parse(PLAIN).expect("it is one"));
        assert_eq!(embedded.windows(SECTION.len()).filter(|name| *name == SECTION.as_bytes()).count().min(1), 1);
    }
}

/// A setting that is accepted lies within its bounds. An input is a manifest, a line `==`, and a value as JSON.
pub fn setting(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (text, value) = text.split_once("\n==\n").unwrap_or((text, "null"));
    let Ok(manifest) = Manifest::parse(text) else { return };
    let Ok(value) = serde_json::from_str::<serde_json::Value>(value) else { return };
    for setting in manifest.settings.values() {
        accepted(setting, setting.resolve(Some(&value)).ok());
        accepted(setting, setting.resolve(None).ok());
    }
}

fn accepted(setting: &Setting, value: Option<serde_json::Value>) {
    let Some(value) = value else { return };
    if let Some(number) = value.as_f64() {
        assert!(number.is_finite());
        // A size is cut to whole bytes once it has been held to its bounds.
        assert!(setting.minimum.is_none_or(|minimum| number + 1.0 > minimum), "{value} is too small");
        assert!(setting.maximum.is_none_or(|maximum| number <= maximum), "{value} is too large");
    }
    if let (Some(text), false) = (value.as_str(), setting.choices.is_empty()) {
        assert!(setting.choices.iter().any(|choice| choice == text), "{text} is no choice");
    }
}
