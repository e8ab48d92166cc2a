//! What the plugins that look after packages ask of apt and of the machine: which updates there are, which of them are
//! security fixes, and what still runs the code of before.
//!
//! apt's own simulation is read rather than its lists: it alone knows pins, holds and what an upgrade brings with it.

pub mod policy;
pub mod restart;
pub mod simulation;

/// Whether an origin, as apt prints it (`Debian-Security:12/stable-security`), is one of security fixes: by the patterns
/// of the settings, held against the whole of it and against its suite alone.
#[must_use]
pub fn is_security(origin: &str, patterns: &[String]) -> bool {
    let suite = origin.rsplit('/').next().unwrap_or(origin);
    patterns
        .iter()
        .any(|pattern| hostler_sdk::matches_pattern(pattern, origin) || hostler_sdk::matches_pattern(pattern, suite))
}

/// Whether a package is one of these, which are patterns of names; the architecture behind a colon is not looked at.
#[must_use]
pub fn is_one_of(package: &str, patterns: &[String]) -> bool {
    let name = package.split(':').next().unwrap_or(package);
    patterns.iter().any(|pattern| hostler_sdk::matches_pattern(pattern, name))
}

#[cfg(test)]
mod tests;
