//! Time zones by their IANA names, with a hint where there is none of that name.
//!
//! A zone is read straight from its file where there is one: the library would walk the whole directory of zones first,
//! which takes longer than the rest of a configuration.

use std::{fs, path::Path};

use hostler_manifest::did_you_mean;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// Where the system keeps its zones.
const ZONES: &str = "/usr/share/zoneinfo";

/// A time zone that exists.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Zone(pub(crate) TimeZone);

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if let Some(zone) = read(&name) {
            return Ok(Self(zone));
        }
        match TimeZone::get(&name) {
            Ok(zone) if !zone.is_unknown() => Ok(Self(zone)),
            _ => {
                let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
                let known = known.iter().map(String::as_str).filter(|name| !name.starts_with("Etc/Unknown"));
                let shown: String = name.chars().take(60).collect();
                Err(match did_you_mean(&name, known) {
                    Some(meant) => format!("is {shown:?}, which is no time zone; did you mean {meant:?}?"),
                    None => {
                        format!("is {shown:?}, which is no time zone; write an IANA name such as \"Europe/Berlin\"")
                    }
                })
            }
        }
    }
}

/// The zone of the system's file of that very name.
fn read(name: &str) -> Option<TimeZone> {
    let named = name.split('/').all(|part| part.starts_with(|first: char| first.is_ascii_uppercase()));
    if !named {
        return None;
    }
    let zone = TimeZone::tzif(name, &fs::read(Path::new(ZONES).join(name)).ok()?).ok()?;
    (!zone.is_unknown()).then_some(zone)
}

/// The machine's own zone; UTC where it does not say.
pub(crate) fn system() -> TimeZone {
    let linked = || {
        let target = fs::read_link("/etc/localtime").ok()?;
        read(target.strip_prefix(ZONES).ok()?.to_str()?)
    };
    if std::env::var_os("TZ").is_none()
        && let Some(zone) = linked()
    {
        return zone;
    }
    let zone = TimeZone::system();
    if zone.is_unknown() { TimeZone::UTC } else { zone }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_the_same_from_its_file_and_from_the_library() {
        for name in ["Europe/Berlin", "America/Argentina/Ushuaia", "UTC"] {
            let Some(zone) = read(name) else { continue };
            assert_eq!(zone.iana_name(), Some(name));
            let library = TimeZone::get(name).expect(name);
            for seconds in [0, 1_711_846_800, 1_729_990_800, 1_800_000_000, 4_000_000_000] {
                let at = jiff::Timestamp::from_second(seconds).expect("a time");
                assert_eq!(zone.to_offset(at), library.to_offset(at), "{name} at {at}");
            }
        }
    }

    #[test]
    fn a_name_leads_to_no_other_file() {
        for name in ["../../../etc/passwd", "/etc/localtime", "Europe/../UTC", "", "posixrules", "tzdata.zi"] {
            assert_eq!(read(name), None, "{name}");
        }
    }
}
