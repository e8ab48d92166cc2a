//! Until when a release gets fixes. A plugin has no network to ask, and a machine that was not updated for years has no
//! newer table either: so it stands here, with its source and date.
//!
//! Source: debian.csv and ubuntu.csv of distro-info-data 0.58+deb12u6, of Debian, 2026-11-27. For Debian the free support
//! is that of the LTS team, and what is paid for is ELTS; for Ubuntu the paid one is Ubuntu Pro's.

use hostler_sdk::prelude::*;

/// Identifier and version as os-release has them, name, last day of regular, of free and of paid support.
const RELEASES: [(&str, &str, &str, [&str; 3]); 11] = [
    ("debian", "9", "Debian 9 (stretch)", ["2020-07-18", "2022-06-30", "2027-06-30"]),
    ("debian", "10", "Debian 10 (buster)", ["2022-09-10", "2024-06-30", "2029-06-30"]),
    ("debian", "11", "Debian 11 (bullseye)", ["2024-08-14", "2026-08-31", "2031-06-30"]),
    ("debian", "12", "Debian 12 (bookworm)", ["2026-07-11", "2028-06-30", "2033-06-30"]),
    ("debian", "13", "Debian 13 (trixie)", ["2028-08-09", "2030-06-30", "2035-06-30"]),
    ("ubuntu", "16.04", "Ubuntu 16.04 LTS (xenial)", ["2021-04-30", "2021-04-30", "2026-04-23"]),
    ("ubuntu", "18.04", "Ubuntu 18.04 LTS (bionic)", ["2023-05-31", "2023-05-31", "2028-04-26"]),
    ("ubuntu", "20.04", "Ubuntu 20.04 LTS (focal)", ["2025-05-29", "2025-05-29", "2030-04-23"]),
    ("ubuntu", "22.04", "Ubuntu 22.04 LTS (jammy)", ["2027-06-01", "2027-06-01", "2032-04-21"]),
    ("ubuntu", "24.04", "Ubuntu 24.04 LTS (noble)", ["2029-05-31", "2029-05-31", "2034-04-25"]),
    ("ubuntu", "26.04", "Ubuntu 26.04 LTS (resolute)", ["2031-05-29", "2031-05-29", "2036-04-23"]),
];

/// How long a release gets fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Support {
    name: String,
    /// The end of regular support, where that is not the end of all.
    regular: Option<Timestamp>,
    /// The end of the support that counts; nothing where it is not known.
    last: Option<Timestamp>,
}

/// The end of a day, as `2028-06-30`.
pub(crate) fn last_day(text: &str) -> Result<Timestamp, TaskError> {
    Timestamp::from_day(text).map(Timestamp::end_of_day).ok_or_else(|| {
        TaskError::new(format!("settings.end_of_life is {text:?}, which is no day")).remedy("write it as 2028-06-30")
    })
}

impl Support {
    pub(crate) fn of(fields: &[(String, String)], named: Option<Timestamp>, extended: bool) -> Self {
        let field = |name: &str| fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        let shown = field("PRETTY_NAME");
        let name = if shown.is_empty() { "the release" } else { shown }.to_owned();
        if named.is_some() {
            return Self { name, regular: None, last: named };
        }
        let known = RELEASES.iter().find(|(id, version, ..)| *id == field("ID") && *version == field("VERSION_ID"));
        match known {
            Some((.., name, [regular, free, paid])) => {
                let last = last_day(if extended { paid } else { free }).ok();
                let regular = last_day(regular).ok().filter(|regular| Some(*regular) != last);
                Self { name: (*name).to_owned(), regular, last }
            }
            None => Self { name, regular: None, last: None },
        }
    }

    pub(crate) fn report(&self, warning: Duration, now: Timestamp) {
        let Some(last) = self.last else {
            finding!(Severity::Unknown, "release-unknown", &self.name, "the end of its support is not known here")
                .remedy("give its last day as settings.end_of_life, such as \"2028-06-30\"")
                .report();
            return;
        };
        let left = now.until(last);
        Metric::gauge("system_support_left_seconds", left.as_seconds()).report();
        let severity = match left.as_seconds() {
            left if left < 0.0 => Severity::Critical,
            left if left < warning.as_seconds() => Severity::Warning,
            _ => Severity::Ok,
        };
        let day = last.to_string();
        let day = day.split('T').next().unwrap_or(&day);
        let regular = self.regular.filter(|regular| *regular < now);
        let regular = regular.map_or(String::new(), |_| {
            "Its regular support has ended; what there is since covers fewer packages.".into()
        });
        let summary = match severity {
            Severity::Critical => format!("its support ended on {day}: there are no security fixes any more"),
            _ => format!("its support ends on {day}, in {left}, warning below {warning}"),
        };
        finding!(severity, "end-of-life", &self.name, "{summary}")
            .detail(regular)
            .remedy("plan the upgrade to the next release: back up first, then as the release notes have it; paid support counts with settings.extended_support = true")
            .report_unless_ok();
    }
}
