//! What `doctor` asks of a program.

use std::os::unix::fs::PermissionsExt;

use hostler_configuration::{Confinement, ProgramResource};

use crate::ShellCapability;

/// What was found out about a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// Why it cannot be started, and what to do; nothing where it can.
    pub problem: Option<String>,
    /// What its operator has to know, such as a missing wall.
    pub notes: Vec<String>,
}

/// Looks at a program: whether it is there, may be started, and has the walls that its `confine` asks for. Nothing is
/// started but bubblewrap, around a program that does nothing.
pub async fn examine(capability: &ShellCapability, resource: &ProgramResource) -> Examination {
    let path = resource.path.display();
    let mut notes = Vec::new();
    let problem = match std::fs::metadata(&resource.path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some(format!("{path} is not there: install it, or correct path"))
        }
        Err(error) => Some(format!("{path} cannot be looked at: {}", error.kind())),
        Ok(found) if !found.is_file() => Some(format!("{path} is no file")),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => {
            Some(format!("{path} is not executable: chmod +x {path}"))
        }
        Ok(_) => None,
    };
    let problem = problem.or_else(|| {
        let wrong = resource.allow.iter().enumerate().find_map(|(index, form)| {
            hostler_policy::program::check_form(&form.arguments)
                .err()
                .map(|problem| format!("allow[{index}]: {problem}"))
        });
        wrong.or_else(|| {
            resource.allow.is_empty().then(|| "it has no form: write allow = [{ arguments = [...] }]".into())
        })
    });
    let walls = match resource.confine {
        Confinement::Off => {
            notes.push("runs without confinement (confine = \"off\")".into());
            None
        }
        Confinement::BestEffort => {
            notes.extend(capability.missing_walls().await);
            None
        }
        Confinement::Strict => capability.missing_walls().await.into_iter().next(),
    };
    Examination { problem: problem.or(walls), notes }
}
