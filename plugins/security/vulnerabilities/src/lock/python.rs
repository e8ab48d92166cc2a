//! requirements.txt. Only what is pinned to one version says what is installed; an address may hold a credential, so it is
//! told by its name alone.

use super::Locked;
use crate::ecosystem::Ecosystem;

pub(crate) fn parse(text: &str) -> Locked {
    let mut locked = Locked::default();
    for line in text.replace("\\\n", " ").lines() {
        // A comment begins the line, or stands behind a space.
        let line = if line.trim_start().starts_with('#') { "" } else { line.split(" #").next().unwrap_or_default() };
        let line = line.trim();
        let option = |names: &[&str]| {
            names.iter().find_map(|name| line.strip_prefix(name)).map(|rest| rest.trim_start_matches([' ', '=']).trim())
        };
        if line.is_empty() {
            continue;
        }
        if let Some(file) = option(&["--requirement", "-r"]) {
            locked.includes.push(file.to_owned());
        } else if option(&["--editable", "-e"]).is_some() {
            locked.not_comparable.push("a project that is installed from its directory or repository".into());
        } else if !line.starts_with('-') {
            requirement(line, &mut locked);
        }
    }
    locked
}

fn requirement(line: &str, locked: &mut Locked) {
    // Options such as --hash and markers such as `; python_version < "3.9"` follow.
    let line = line.split(" --").next().unwrap_or_default();
    let line = line.split(';').next().unwrap_or_default().trim();
    let end = line.find(|letter: char| !letter.is_ascii_alphanumeric() && !"-_.".contains(letter));
    let (name, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(extras) => extras.split_once(']').map_or("", |(_, rest)| rest).trim_start(),
        None => rest,
    };
    if rest.starts_with('@') || line.contains("://") {
        let name = if line.contains("://") && !rest.starts_with('@') { "a package" } else { name };
        locked.not_comparable.push(format!("{name} from an address"));
        return;
    }
    let exact = rest.strip_prefix("===").or_else(|| rest.strip_prefix("==")).map(str::trim);
    match exact.filter(|version| !version.contains(['*', ',', ' '])) {
        Some(version) => locked.add(Ecosystem::Python, name, version),
        None => locked.not_pinned.push(if name.is_empty() { line.to_owned() } else { name.to_owned() }),
    }
}
