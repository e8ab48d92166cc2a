//! dpkg's list of what is installed. Advisories are about source packages, so each is counted under its source with the
//! source's version, which is the binary's own unless it says otherwise.

use super::Locked;
use crate::ecosystem::Ecosystem;

/// What is installed, and the version of base-files, which tells the release.
pub(crate) fn parse(text: &str) -> Result<(Locked, Option<String>), String> {
    let mut locked = Locked::default();
    let mut base = None;
    let mut stanzas = 0;
    for stanza in text.split("\n\n").filter(|stanza| !stanza.trim().is_empty()) {
        stanzas += 1;
        let field = |name: &str| {
            let mut lines = stanza.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
        };
        let Some(package) = field("Package") else { return Err("it has an entry without a name".into()) };
        // Removed packages stay listed with their configuration.
        if !field("Status").is_some_and(|status| status.ends_with(" installed")) {
            continue;
        }
        let Some(version) = field("Version") else { return Err(format!("{package} has no version")) };
        if package == "base-files" {
            base = Some(version.to_owned());
        }
        let source = field("Source").unwrap_or(package);
        match source.split_once(" (").and_then(|(name, version)| Some((name, version.strip_suffix(')')?))) {
            Some((name, version)) => locked.add(Ecosystem::Debian, name, version),
            None => locked.add(Ecosystem::Debian, source, without_rebuild(version)),
        }
    }
    if stanzas == 0 { Err("it lists no package".into()) } else { Ok((locked, base)) }
}

/// `+b1` is a rebuild of the binary alone, of the same source.
fn without_rebuild(version: &str) -> &str {
    match version.rsplit_once("+b") {
        Some((source, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => source,
        _ => version,
    }
}

/// The release that a version of base-files belongs to: `12.4+deb12u5` is `12`; nothing where it is another
/// distribution's.
pub(crate) fn release(base: &str) -> Option<String> {
    let end = base.find(|letter: char| !letter.is_ascii_digit())?;
    let others = base.contains("ubuntu") || base.contains("kali") || base.contains("pop");
    (end > 0 && !others).then(|| base[..end].to_owned())
}
