//! `[procedures.NAME]`: tasks in order, with a schedule and a window.

use hostler_manifest::did_you_mean;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::{ConfigurationError, Place, Schedule, Warning, Window, section::Section, zone::Zone};

/// A procedure, as `[procedures.NAME]` writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcedureConfiguration {
    /// Its name.
    pub name: String,
    /// When it is due; only when somebody runs it, where it does not say.
    pub schedule: Option<Schedule>,
    /// The zone in which schedule and window are read; the host's where it does not say.
    pub time_zone: TimeZone,
    /// The hours in which its tasks may change something.
    pub window: Option<Window>,
    /// Its tasks, in order.
    pub tasks: Vec<String>,
    /// Tasks side by side; the host's number where it does not say.
    pub parallel: Option<usize>,
    /// What it is for.
    pub summary: Option<String>,
    /// Where it is written.
    pub place: Place,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    schedule: Option<Schedule>,
    #[serde(default)]
    time_zone: Option<Zone>,
    #[serde(default)]
    window: Option<Window>,
    tasks: Vec<toml::Spanned<String>>,
    #[serde(default, deserialize_with = "crate::amount::number")]
    parallel: Option<u64>,
    #[serde(default)]
    summary: Option<String>,
}

impl ProcedureConfiguration {
    /// Reads a procedure. `tasks` names every task that the configuration has, those with errors of their own too.
    pub(crate) fn read(
        name: &str,
        section: &Section<'_>,
        tasks: &[String],
        host_zone: &TimeZone,
        errors: &mut Vec<ConfigurationError>,
        warnings: &mut Vec<Warning>,
    ) -> Option<Self> {
        let before = errors.len();
        let written: Written = section.read(errors)?;
        if written.tasks.is_empty() {
            errors.push(section.wrong("tasks", "is empty; name at least one task"));
        }
        for (position, task) in written.tasks.iter().enumerate() {
            let (place, key) = (section.source.place(&task.span()), format!("{}.tasks", section.path));
            let task = task.get_ref();
            if !tasks.contains(task) {
                let meant = did_you_mean(task, tasks.iter().map(String::as_str)).map(str::to_owned);
                let task = task.chars().take(80).collect();
                errors.push(ConfigurationError::UnknownTask { place, key, task, meant, known: tasks.to_vec() });
            } else if written.tasks[..position].iter().any(|earlier| earlier.get_ref() == task) {
                errors.push(ConfigurationError::Value {
                    place,
                    key,
                    problem: format!("names the task `{task}` twice"),
                });
            }
        }
        if let (Some(schedule), Some(window)) = (&written.schedule, &written.window)
            && schedule.time().is_some_and(|time| !window.holds(time))
        {
            warnings.push(Warning {
                place: section.key_place("window"),
                key: format!("{}.window", section.path),
                notice: format!(
                    "is {window}, and the schedule {schedule} is outside it: no task that changes something will start"
                ),
            });
        }
        (errors.len() == before).then(|| Self {
            name: name.to_owned(),
            schedule: written.schedule,
            time_zone: written.time_zone.map_or_else(|| host_zone.clone(), |zone| zone.0),
            window: written.window,
            tasks: written.tasks.into_iter().map(toml::Spanned::into_inner).collect(),
            parallel: written.parallel.and_then(|parallel| usize::try_from(parallel).ok()),
            summary: written.summary,
            place: section.place(),
        })
    }
}
