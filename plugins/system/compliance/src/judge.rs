//! What a control comes to, by what is so: with evidence that can be shown to an auditor, and that holds no secret.

use hostler_sdk::matches_pattern;
use hostler_sdk::prelude::*;

use crate::facts::{Facts, File, Unit};
use crate::list::{Control, Expected, List, Place, Waiver, What};

/// Settings of PostgreSQL's own whose values may hold passwords.
const SECRET: [&str; 3] = ["conninfo", "passphrase", "_command"];
/// Settings of extensions and applications, which have a dot, with these in their names.
const SECRET_OF_OTHERS: [&str; 4] = ["password", "secret", "token", "key"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Status {
    Pass,
    Fail,
    Waived(Waiver),
    Unknown,
}

impl Status {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Waived(_) => "waived",
            Self::Unknown => "unknown",
        }
    }
}

/// A control, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub id: String,
    pub summary: String,
    pub status: Status,
    pub evidence: String,
    /// A waiver that is past its last day, or of a control that passes.
    pub waiver: Option<Waiver>,
}

impl Verdict {
    pub(crate) fn holds(&self) -> bool {
        matches!(self.status, Status::Pass | Status::Waived(_))
    }

    pub(crate) fn shown(&self) -> String {
        match &self.status {
            Status::Waived(waiver) => format!("waived by {} until {}: {}", waiver.owner, waiver.day, waiver.reason),
            status => status.name().to_owned(),
        }
    }

    pub(crate) fn report(&self, waiver_warning: Duration, now: Timestamp) {
        let waiver = self.waiver.as_ref();
        match &self.status {
            Status::Pass => {
                if let Some(waiver) = waiver {
                    finding!(Severity::Warning, "waiver-idle", &self.id, "it passes, and {} waived it until {}", waiver.owner, waiver.day)
                        .remedy("remove the waiver from the list, so that it does not cover what comes later")
                        .report();
                }
            }
            Status::Fail => {
                let expired = waiver.map_or(String::new(), |waiver| format!("; the waiver by {} ended on {}", waiver.owner, waiver.day));
                finding!(Severity::Critical, "control-failed", &self.id, "{}: {}{expired}", self.summary, self.evidence)
                    .remedy("make it hold; or waive it in the list: [[waiver]] with control, owner, reason and until")
                    .report();
            }
            Status::Waived(waiver) => {
                let left = now.until(waiver.until);
                if left < waiver_warning {
                    finding!(Severity::Warning, "waiver-expires", &self.id, "{}'s waiver ends on {}, in {left}", waiver.owner, waiver.day)
                        .detail(&self.evidence)
                        .remedy("make the control hold, or have the waiver renewed in the list")
                        .report();
                }
            }
            Status::Unknown => finding!(Severity::Unknown, "control-not-looked-at", &self.id, "{}: {}", self.summary, self.evidence)
                .remedy("bind what it asks for at the task, or let the task's user read it; a control that was not looked at does not pass")
                .report(),
        }
    }
}

/// Passed or not, with the evidence; or why it could not be looked at.
type Outcome = Result<(bool, String), String>;

pub(crate) fn judge(control: &Control, list: &List, facts: &Facts, now: Timestamp) -> Verdict {
    let outcome = outcome(&control.what, facts);
    let waiver = list.waivers.get(&control.id);
    let (status, evidence, waiver) = match outcome {
        Ok((true, evidence)) => (Status::Pass, evidence, waiver.cloned()),
        Ok((false, evidence)) => match waiver {
            Some(waiver) if now <= waiver.until => (Status::Waived(waiver.clone()), evidence, None),
            expired => (Status::Fail, evidence, expired.cloned()),
        },
        Err(why) => (Status::Unknown, why, None),
    };
    Verdict { id: control.id.clone(), summary: control.summary.clone(), status, evidence, waiver }
}

fn outcome(what: &What, facts: &Facts) -> Outcome {
    match what {
        What::File { path, absent, mode, owner, group } => {
            let file = facts.files.get(path).ok_or("it was not looked at")?.clone()?;
            Ok(self::file(path, &file, *absent, *mode, owner.as_deref(), group.as_deref()))
        }
        What::Line { path, line, absent } => {
            let content = facts.contents.get(path).ok_or("it was not looked at")?.clone()?;
            Ok(self::line(path, content.as_deref(), line, *absent))
        }
        What::Postgres { setting, database, expected } => postgres(setting, database.as_deref(), expected, facts),
        What::Sshd { setting, expected } => {
            let all = facts.sshd.as_ref().ok_or("it was not looked at")?.as_ref().map_err(Clone::clone)?;
            let values = all.get(setting).ok_or_else(|| format!("sshd -T does not know `{setting}`"))?;
            let met = values.iter().all(|value| expected.is_met(value, ""));
            Ok((met, format!("sshd: {setting} {}", values.join(", "))))
        }
        What::Package { name, absent } => {
            let all = facts.packages.as_ref().ok_or("it was not looked at")?.as_ref().map_err(Clone::clone)?;
            if all.is_empty() {
                return Err("dpkg-query named no package at all".into());
            }
            Ok(match all.get(name) {
                Some(version) => (!absent, format!("{name} {version} is installed")),
                None => (*absent, format!("{name} is not installed")),
            })
        }
        What::Service { name, off } => {
            let all = facts.units.as_ref().ok_or("it was not looked at")?.as_ref().map_err(Clone::clone)?;
            let unit = all.get(name).ok_or_else(|| format!("systemctl did not tell of {name}"))?;
            service(name, unit, *off)
        }
    }
}

fn file(
    place: &Place,
    file: &File,
    absent: bool,
    mode: Option<u32>,
    owner: Option<&str>,
    group: Option<&str>,
) -> (bool, String) {
    let path = format!("{}/{}", place.directory, place.below);
    match file {
        File::Absent => (absent, format!("{path} is not there")),
        // What it leads to may lie anywhere, and have any mode.
        File::Link => (false, format!("{path} is a symbolic link")),
        File::There { mode: found, owner: own, group: of } => {
            let beyond = mode.map_or(0, |mode| found & !mode);
            let met = !absent
                && beyond == 0
                && owner.is_none_or(|owner| owner == own)
                && group.is_none_or(|group| group == of);
            (met, format!("{path} is {found:04o} {own}:{of}"))
        }
    }
}

/// The line's number is evidence; its text may be anything and is not shown.
fn line(place: &Place, content: Option<&str>, wanted: &str, absent: bool) -> (bool, String) {
    let path = format!("{}/{}", place.directory, place.below);
    let Some(content) = content else { return (absent, format!("{path} is not there")) };
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = plain(wanted);
    let found = content.lines().position(|line| {
        let line = plain(line);
        !line.starts_with(['#', ';']) && matches_pattern(&wanted, &line)
    });
    match found {
        Some(number) => (!absent, format!("{path}:{} has the line", number + 1)),
        None => (absent, format!("{path} does not have the line")),
    }
}

fn postgres(setting: &str, database: Option<&str>, expected: &Expected, facts: &Facts) -> Outcome {
    let asked: Vec<_> =
        facts.postgres.iter().filter(|(name, _)| database.is_none_or(|database| database == *name)).collect();
    if asked.is_empty() {
        let which =
            database.map_or("no database is".into(), |database| format!("no database of the name `{database}` is"));
        return Err(format!("{which} bound to database"));
    }
    let (mut met, mut evidence) = (true, vec![]);
    for (name, values) in asked {
        let values = values.as_ref().map_err(|why| format!("{name}: {why}"))?;
        let (value, unit) = values
            .get(setting)
            .ok_or_else(|| format!("{name} has no setting `{setting}`, or shows it to pg_read_all_settings alone"))?;
        met &= expected.is_met(value, unit);
        let of_others = setting.contains('.') && SECRET_OF_OTHERS.iter().any(|part| setting.contains(part));
        let secret = of_others || SECRET.iter().any(|part| setting.contains(part));
        let shown = match (secret, unit.as_str()) {
            (true, _) => "(not shown)".to_owned(),
            (false, "") => value.clone(),
            (false, unit) => format!("{value}, in units of {unit}"),
        };
        evidence.push(format!("{name}: {setting} = {shown}"));
    }
    Ok((met, evidence.join("; ")))
}

fn service(name: &str, unit: &Unit, off: bool) -> Outcome {
    let evidence =
        format!("{name} is {} and {}", unit.active, if unit.file.is_empty() { &unit.load } else { &unit.file });
    let absent = ["not-found", "masked"].contains(&unit.load.as_str());
    let starts = unit.file.starts_with("enabled") || ["linked", "generated"].contains(&unit.file.as_str());
    let runs = !["inactive", "failed", ""].contains(&unit.active.as_str());
    if unit.load.is_empty() {
        return Err(format!("systemctl did not say what {name} is"));
    }
    Ok(match off {
        true => (absent || (!runs && !starts), evidence),
        false => (!absent && unit.active == "active" && unit.file != "disabled", evidence),
    })
}

impl Expected {
    /// Whether a value is what it has to be. Numbers are those of pg_settings, in the setting's own unit; `30s` is taken too
    /// where the unit is `s`.
    pub(crate) fn is_met(&self, value: &str, unit: &str) -> bool {
        let with_unit = format!("{value}{unit}");
        let equal = |one: &String| one.eq_ignore_ascii_case(value) || one.eq_ignore_ascii_case(&with_unit);
        let number = value.parse::<f64>().ok();
        let holds = |limit: Option<f64>, holds: fn(f64, f64) -> bool| {
            limit.is_none_or(|limit| number.is_some_and(|number| holds(number, limit)))
        };
        (self.equals.is_empty() || self.equals.iter().any(equal))
            && holds(self.at_least, |number, limit| number >= limit)
            && holds(self.at_most, |number, limit| number <= limit)
    }
}
