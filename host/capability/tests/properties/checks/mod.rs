//! What holds for every path that a plugin may write; the fuzzing target in fuzz/ calls it too.

use std::path::{Component, Path};

use hostler_configuration::{Binding, DirectoryResource, Grant, Resource, Target};
use hostler_manifest::Access;

use super::guest::{escape_name, guest_path, unescape_name};

fn bindings() -> Vec<Binding> {
    let target = |name: &str| Target {
        name: name.into(),
        resource: Resource::Directory(DirectoryResource { path: format!("/srv/{name}").into(), trust_contents: false }),
    };
    let binding = |request: &str, many, targets: &[&str], access| Binding {
        request: request.into(),
        many,
        targets: targets.iter().map(|name| target(name)).collect(),
        grant: Grant::Directory(access),
    };
    vec![binding("data", false, &["shop"], Access::Read), binding("logs", true, &["a", "b"], Access::Write)]
}

/// An allowed path stays below its directory, and is itself when it is written and read again.
pub fn paths(data: &[u8]) {
    let escaped = escape_name(data);
    assert_eq!(unescape_name(&escaped).as_deref(), Some(data), "{escaped}");
    let Ok(path) = std::str::from_utf8(data) else { return };
    let bindings = bindings();
    let Ok(place) = guest_path(&bindings, path) else { return };
    let granted =
        [("data", "/srv/shop", Access::Read), ("logs/a", "/srv/a", Access::Write), ("logs/b", "/srv/b", Access::Write)];
    let (_, root, access) = granted.iter().find(|(label, ..)| *label == place.label).expect("it is granted");
    assert_eq!((place.directory.path.as_path(), place.access), (Path::new(root), *access));
    let mut whole = place.directory.path.clone();
    for name in &place.names {
        let mut parts = Path::new(name).components();
        assert!(matches!(parts.next(), Some(Component::Normal(part)) if part == name), "{name:?} is one name");
        assert!(parts.next().is_none() && !name.as_encoded_bytes().contains(&0), "{name:?} is one name");
        whole.push(name);
    }
    assert!(whole.starts_with(root) && !whole.components().any(|part| part == Component::ParentDir));
    let shown = place.shown();
    let again = guest_path(&bindings, &shown).expect("it is a path");
    assert_eq!(again, place, "{shown}");
}
