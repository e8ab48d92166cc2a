//! Approved plans: what an operator has seen and agreed to, for a task or for all tasks of a procedure.
//!
//! A plan is an agreement on what was shown, so it holds only as long as what it was made from: the plugin's file, the
//! task's settings, what is granted, and what is bound. Those stand in its [`Basis`] as digests, since a plan may be
//! handed around and a setting or an address is not everybody's to read. A password is no part of it: to change one
//! changes nothing that a plan says; nor is a setting that the manifest calls secret.

use std::{collections::BTreeMap, time::Duration};

use hostler_capability::{Binding, Plan};
use hostler_manifest::Manifest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Course, Job, Outcome, ServiceError, TaskOutcome, clock};

/// How long a plan holds where nobody says otherwise.
pub const VALID_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// How far the clocks of two machines may be apart, in milliseconds.
const CLOCKS_DIFFER: u64 = 5 * 60 * 1000;

/// The version of the file's shape.
const SCHEMA_VERSION: u32 = 1;

/// What a plan was made from, as digests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The SHA-256 of the plugin's file.
    pub plugin: String,
    /// The settings, by name.
    pub settings: BTreeMap<String, String>,
    /// What is bound, by request.
    pub requests: BTreeMap<String, RequestBasis>,
}

/// What a request was bound to and granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestBasis {
    /// The resources, by kind and name.
    pub resources: BTreeMap<String, String>,
    /// What was granted.
    pub grant: String,
}

/// A plan that was approved, of all tasks that it was made for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    schema_version: u32,
    /// The task or procedure that was planned.
    pub name: String,
    /// Milliseconds since the Unix epoch.
    pub planned_at: u64,
    /// Milliseconds since the Unix epoch; after it nothing is started by this plan.
    pub expires_at: u64,
    /// The plans of the tasks that may change something.
    pub tasks: BTreeMap<String, ApprovedTask>,
}

/// The plan of one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovedTask {
    /// The run that made it.
    pub run_id: String,
    /// The plugin's version.
    pub version: String,
    /// How far the run came; only the plan of one that did its work can be approved.
    pub course: Course,
    /// What it was made from.
    pub basis: Basis,
    /// The plan.
    pub plan: Plan,
}

impl Basis {
    pub(crate) fn of(plugin: &str, manifest: &Manifest, settings: &serde_json::Value, bindings: &[Binding]) -> Self {
        let secret = |name: &str| manifest.settings.get(name).is_some_and(|setting| setting.secret);
        let settings = settings.as_object().into_iter().flatten().filter(|(name, _)| !secret(name));
        Self {
            plugin: plugin.into(),
            settings: settings.map(|(name, value)| (name.clone(), digest(&value.to_string()))).collect(),
            requests: bindings.iter().map(|binding| (binding.request.clone(), RequestBasis::of(binding))).collect(),
        }
    }

    /// What differs now, in words.
    fn changed(&self, now: &Self, version_then: &str, version_now: &str) -> Vec<String> {
        let mut changed = Vec::new();
        if self.plugin != now.plugin {
            changed.push(match version_then == version_now {
                true => format!("the plugin's file ({version_now}, and another build)"),
                false => format!("the plugin ({version_then} then, {version_now} now)"),
            });
        }
        changed.extend(differing(&self.settings, &now.settings).map(|name| format!("the setting `{name}`")));
        for request in differing(&self.requests, &now.requests) {
            let (Some(then), Some(now)) = (self.requests.get(request), now.requests.get(request)) else {
                changed.push(format!("whether `{request}` is bound"));
                continue;
            };
            if then.grant != now.grant {
                changed.push(format!("what is granted of `{request}`"));
            }
            let resources = differing(&then.resources, &now.resources);
            changed.extend(resources.map(|resource| format!("`{resource}`, bound to `{request}`")));
        }
        changed
    }
}

impl RequestBasis {
    fn of(binding: &Binding) -> Self {
        // How a resource shows itself has no secret in it, and everything else.
        let resource = |target: &hostler_capability::Target| {
            (format!("{}.{}", target.resource.kind(), target.name), digest(&format!("{:?}", target.resource)))
        };
        Self {
            resources: binding.targets.iter().map(resource).collect(),
            grant: digest(&format!("{:?}", binding.grant)),
        }
    }
}

impl Approval {
    /// The plan of what `hostler plan` did just now.
    pub fn of(outcome: &Outcome, valid_for: Duration) -> Self {
        Self::of_tasks(&outcome.name, &outcome.tasks, valid_for)
    }

    pub(crate) fn of_tasks(name: &str, tasks: &[TaskOutcome], valid_for: Duration) -> Self {
        let approved = |task: &TaskOutcome| {
            let basis = task.basis.clone()?;
            let (run_id, version, plan) = (task.run_id.clone(), task.version.clone(), task.plan.clone());
            Some((task.task.clone(), ApprovedTask { run_id, version, course: task.course, basis, plan }))
        };
        let planned_at = tasks.iter().map(|task| task.started_at).min().unwrap_or_else(clock::now_ms);
        Self {
            schema_version: SCHEMA_VERSION,
            name: name.into(),
            planned_at,
            expires_at: planned_at.saturating_add(u64::try_from(valid_for.as_millis()).unwrap_or(u64::MAX)),
            tasks: tasks.iter().filter_map(approved).collect(),
        }
    }

    /// Whether there is an effect in it that can be applied.
    pub fn changes_something(&self) -> bool {
        self.tasks.values().any(|task| task.course == Course::Done && task.plan.effects().next().is_some())
    }

    /// A run of it, by which the history finds all of it again.
    pub fn run_id(&self) -> Option<&str> {
        self.tasks.values().next().map(|task| task.run_id.as_str())
    }

    /// As a file of it holds it.
    pub fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        text + "\n"
    }

    /// Reads what [`Approval::to_text`] wrote.
    ///
    /// # Errors
    /// Where it is something else, of another version, or past its time.
    pub fn read(text: &str) -> Result<Self, ServiceError> {
        let no_plan = |problem: String| {
            ServiceError::NoPlan(format!("it is no plan ({problem}); `hostler plan NAME --out FILE` writes one"))
        };
        let value: serde_json::Value = serde_json::from_str(text).map_err(|error| no_plan(error.to_string()))?;
        match value.get("schema_version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(SCHEMA_VERSION) => {}
            Some(version) => {
                return Err(no_plan(format!("of version {version}, and this host reads version {SCHEMA_VERSION}")));
            }
            None => return Err(no_plan("it has no schema_version".into())),
        }
        let approval: Self = serde_json::from_value(value).map_err(|error| no_plan(error.to_string()))?;
        approval.in_time(clock::now_ms())
    }

    /// Itself, where its time is not over. One that was made later than now was made by a clock that was wrong, or is
    /// now: it would hold for longer than anybody agreed to.
    pub(crate) fn in_time(self, now: u64) -> Result<Self, ServiceError> {
        let name = &self.name;
        if self.planned_at > now.saturating_add(CLOCKS_DIFFER) {
            return Err(ServiceError::NoPlan(format!(
                "the plan of {name} was made {}, which is yet to come: the clock was set back, or was wrong then; \
                 `hostler plan {name}` makes a new one",
                date(self.planned_at)
            )));
        }
        if now < self.expires_at {
            return Ok(self);
        }
        Err(ServiceError::NoPlan(format!(
            "the plan of {name}, made {}, expired {}; `hostler plan {name}` makes a new one",
            date(self.planned_at),
            date(self.expires_at)
        )))
    }

    /// The plan that a job is held to.
    ///
    /// # Errors
    /// Why there is none, in words for the operator.
    pub(crate) fn plan_of(&self, job: &Job) -> Result<Plan, String> {
        let again = format!("`hostler plan {}` makes a new one", self.name);
        let Some(task) = self.tasks.get(&job.task) else {
            return Err(format!("it changes something, and the approved plan of {} does not have it", self.name));
        };
        if task.course != Course::Done {
            return Err(format!(
                "its part of the approved plan is not whole: making it {}; {again}",
                words(task.course)
            ));
        }
        let now = job.manifest.plugin.version.to_string();
        match task.basis.changed(&job.basis, &task.version, &now).as_slice() {
            [] => Ok(task.plan.clone()),
            changed => Err(format!("since its plan was approved there changed: {}; {again}", changed.join(", "))),
        }
    }
}

fn words(course: Course) -> &'static str {
    match course {
        Course::Done => "ended",
        Course::Failed => "failed",
        Course::NotStarted => "was not started",
        Course::Interrupted => "was interrupted",
    }
}

fn date(milliseconds: u64) -> String {
    let at = i64::try_from(milliseconds).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    at.map_or_else(|| "at no known time".into(), |at| at.strftime("%F %R UTC").to_string())
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// The names whose values are not the same on both sides, in order.
fn differing<'m, V: PartialEq>(
    then: &'m BTreeMap<String, V>,
    now: &'m BTreeMap<String, V>,
) -> impl Iterator<Item = &'m str> {
    let names: std::collections::BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    names.into_iter().filter(|name| then.get(*name) != now.get(*name)).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use hostler_capability::{Grant, Resource, Target};
    use hostler_configuration::PostgresResource;
    use serde_json::json;

    use super::*;

    fn binding(dsn: &str, grant: Grant) -> Binding {
        let resource = Resource::Postgres(PostgresResource { dsn: dsn.into(), ..PostgresResource::default() });
        let targets = vec![Target { name: "main".into(), resource }];
        Binding { request: "database".into(), many: false, targets, grant }
    }

    fn basis(settings: serde_json::Value, dsn: &str, words: &str) -> Basis {
        let manifest = "[plugin]\nname = \"p\"\nversion = \"1.0.0\"\nsummary = \"S\"\nlicense = \"L\"\nmode = \"apply\"\n\
                        [settings.token]\ntype = \"text\"\nsummary = \"S\"\nsecret = true\n";
        let manifest = Manifest::parse(manifest).expect("it is whole");
        Basis::of("d1", &manifest, &settings, &[binding(dsn, Grant::Redis(vec![words.into()]))])
    }

    #[test]
    fn what_changed_is_named_and_its_values_are_not() {
        let then =
            basis(json!({"keep": 10, "name": "shop", "token": "sesame"}), "host=db1 dbname=shop password=old", "+a");
        let same =
            basis(json!({"token": "open", "name": "shop", "keep": 10}), "host=db1 dbname=shop password=new", "+a");
        assert_eq!(
            then.changed(&same, "1.0.0", "1.0.0"),
            Vec::<String>::new(),
            "neither order nor a secret is a change"
        );
        let now = basis(json!({"keep": 11}), "host=db2 dbname=shop", "+b");
        assert_eq!(
            then.changed(&now, "1.0.0", "1.0.0"),
            [
                "the setting `keep`",
                "the setting `name`",
                "what is granted of `database`",
                "`postgres.main`, bound to `database`"
            ]
        );
        let other = Basis { plugin: "d2".into(), ..then.clone() };
        assert_eq!(then.changed(&other, "1.0.0", "1.1.0"), ["the plugin (1.0.0 then, 1.1.0 now)"]);
        assert_eq!(then.changed(&other, "1.0.0", "1.0.0"), ["the plugin's file (1.0.0, and another build)"]);
        let unbound = Basis { requests: BTreeMap::new(), ..then.clone() };
        assert_eq!(then.changed(&unbound, "1.0.0", "1.0.0"), ["whether `database` is bound"]);
        let text = serde_json::to_string(&then).expect("it is data");
        assert!(!text.contains("sesame") && !text.contains("db1"), "{text}");
    }

    #[test]
    fn a_file_is_read_as_it_was_written_and_expires() {
        let approval = Approval::of_tasks("weekly", &[], Duration::from_secs(60));
        assert_eq!(Approval::read(&approval.to_text()).expect("it is whole"), approval);
        let late = approval.clone().in_time(approval.expires_at).expect_err("its time is over").to_string();
        assert!(late.contains("expired") && late.contains("hostler plan weekly"), "{late}");
        let early = approval.clone().in_time(approval.planned_at - CLOCKS_DIFFER - 1).expect_err("it is to come");
        assert!(early.to_string().contains("yet to come"), "{early}");
        let other = approval.to_text().replace("\"schema_version\": 1", "\"schema_version\": 2");
        for (text, said) in [("{}", "schema_version"), ("plan", "no plan"), (other.as_str(), "version 2")] {
            let refused = Approval::read(text).expect_err("it is none").to_string();
            assert!(refused.contains(said) && refused.contains("--out FILE"), "{refused}");
        }
    }

    proptest::proptest! {
        /// Whatever a file holds, it is a plan that reads back as itself, or none; nothing else comes of it.
        #[test]
        fn a_file_that_was_changed_is_a_plan_or_none(place in 0..2000_usize, letters in "[ -~]{0,8}", cut in 0..2000_usize) {
            let text = Approval::of_tasks("weekly", &[], Duration::from_secs(60)).to_text();
            let place = place % text.len();
            let end = (place + cut % 20).min(text.len());
            let changed = format!("{}{letters}{}", &text[..place], &text[end..]);
            if let Ok(approval) = Approval::read(&changed) {
                proptest::prop_assert_eq!(Approval::read(&approval.to_text()).expect("it is whole"), approval);
            }
        }
    }
}
