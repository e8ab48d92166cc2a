//! Time zones by their IANA names, with a hint where there is none of that name.

use hostler_manifest::did_you_mean;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// A time zone that exists.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Zone(pub(crate) TimeZone);

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
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

/// The machine's own zone; UTC where it does not say.
pub(crate) fn system() -> TimeZone {
    let zone = TimeZone::system();
    if zone.is_unknown() { TimeZone::UTC } else { zone }
}
