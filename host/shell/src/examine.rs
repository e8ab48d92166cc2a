//! What `doctor` asks of a program.

use std::{io::ErrorKind, os::unix::fs::PermissionsExt};

use hostler_configuration::{Confinement, ProgramResource};
use hostler_policy::program::check_form;

use crate::ShellCapability;

/// What was found out about a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// Why it cannot be started; nothing where it can.
    pub problem: Option<String>,
    /// What to do about that, where the problem does not say.
    pub remedy: Option<String>,
    /// What its operator has to know, such as a missing wall.
    pub notes: Vec<String>,
}

/// Looks at a program: whether it is there, may be started, and has the walls that its `confine` asks for. Nothing is
/// started but bubblewrap, around a program that does nothing.
pub async fn examine(capability: &ShellCapability, resource: &ProgramResource) -> Examination {
    let mut notes = Vec::new();
    let (problem, remedy) = match of_file(resource).or_else(|| of_forms(resource)) {
        Some((problem, remedy)) => (Some(problem), Some(remedy)),
        None => (None, None),
    };
    let walls = match resource.confine {
        Confinement::Off => {
            notes.push(
                "runs without confinement (confine = \"off\"): best-effort would take the walls that the machine has"
                    .into(),
            );
            None
        }
        Confinement::BestEffort => {
            notes.extend(capability.missing_walls().await);
            None
        }
        Confinement::Strict => capability.missing_walls().await.into_iter().next(),
    };
    Examination { problem: problem.or(walls), remedy, notes }
}

fn of_file(resource: &ProgramResource) -> Option<(String, String)> {
    let path = resource.path.display();
    let found = match std::fs::metadata(&resource.path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Some((format!("{path} is not there"), "install it, or correct path".into()));
        }
        Err(error) => {
            let remedy = format!("let the host's user pass the directories above it: namei -l {path}");
            return Some((format!("{path} cannot be looked at: {}", error.kind()), remedy));
        }
    };
    if !found.is_file() {
        return Some((format!("{path} is no file"), "correct path".into()));
    }
    let starts = found.permissions().mode() & 0o111 != 0;
    (!starts).then(|| (format!("{path} is not executable"), format!("chmod +x {path}, or correct path")))
}

fn of_forms(resource: &ProgramResource) -> Option<(String, String)> {
    if resource.allow.is_empty() {
        let remedy = "write allow = [{ arguments = [\"--version\"] }], with the arguments that a task may give";
        return Some(("it has no form in which it may be called".into(), remedy.into()));
    }
    let wrong = |(index, form): (usize, &hostler_configuration::ProgramForm)| {
        let error = check_form(&form.arguments).err()?;
        Some((format!("allow[{index}] is wrong: {error}"), "correct it in the configuration".to_owned()))
    };
    resource.allow.iter().enumerate().find_map(wrong)
}
