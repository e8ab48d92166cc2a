//! Programs, without a shell: arguments one by one, each held against the grant's patterns.

use crate::TaskError;
use crate::bindings::shell::hostler::plugin::shell as wit;

pub use wit::{Argument, Completed, OutputTarget};

/// A program that the operator bound.
#[derive(Debug, Clone)]
#[must_use = "a program does nothing until `run`"]
pub struct Program {
    command: wit::Command,
}

/// What became of a call.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The grant calls it a change, and the run is a check.
    Planned,
    /// It ended, well or not.
    Completed(Completed),
}

impl Program {
    /// The program bound to a request.
    pub fn new(request: &str) -> Self {
        let command = wit::Command {
            program: request.into(),
            arguments: vec![],
            environment: vec![],
            connect_to: None,
            working_directory: None,
            timeout_ms: None,
        };
        Self { command }
    }

    /// Adds an argument.
    pub fn argument(mut self, text: impl Into<String>) -> Self {
        self.command.arguments.push(Argument::Text(text.into()));
        self
    }

    /// Adds arguments.
    pub fn arguments<T: Into<String>>(mut self, texts: impl IntoIterator<Item = T>) -> Self {
        self.command.arguments.extend(texts.into_iter().map(|text| Argument::Text(text.into())));
        self
    }

    /// Adds a path below a bound directory, which the host translates.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.command.arguments.push(Argument::Path(path.into()));
        self
    }

    /// Adds a text and a path below a bound directory as one argument, as in `--file=` and the path.
    pub fn text_path(mut self, text: impl Into<String>, path: impl Into<String>) -> Self {
        self.command.arguments.push(Argument::TextPath((text.into(), path.into())));
        self
    }

    /// Sets a variable of its environment, which has no other than those set here.
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.command.environment.push((name.into(), value.into()));
        self
    }

    /// Starts it in a bound directory, or below one.
    pub fn working_directory(mut self, path: impl Into<String>) -> Self {
        self.command.working_directory = Some(path.into());
        self
    }

    /// Lets the host hand the address and credential of a postgres or redis request to it.
    pub fn connect_to(mut self, request: &str) -> Self {
        self.command.connect_to = Some(request.into());
        self
    }

    /// Ends it after a time.
    pub fn timeout(mut self, limit: crate::Duration) -> Self {
        self.command.timeout_ms = Some(limit.as_milliseconds());
        self
    }

    /// Runs it, and takes what it writes.
    ///
    /// # Errors
    /// Where it is refused, or cannot be started.
    pub async fn run(self) -> Result<Outcome, TaskError> {
        match wit::run(self.command, None, OutputTarget::Capture).await? {
            wit::Outcome::Planned => Ok(Outcome::Planned),
            wit::Outcome::Completed(completed) => Ok(Outcome::Completed(completed)),
        }
    }

    /// Runs it, and has the host write what it writes to a path in a bound directory, whole or not at all.
    ///
    /// # Errors
    /// Where it is refused, or cannot be started, or the path may not be written.
    pub async fn run_into(self, path: impl Into<String>) -> Result<Outcome, TaskError> {
        match wit::run(self.command, None, OutputTarget::File(path.into())).await? {
            wit::Outcome::Planned => Ok(Outcome::Planned),
            wit::Outcome::Completed(completed) => Ok(Outcome::Completed(completed)),
        }
    }

    /// Runs it for what it writes, where it only reads.
    ///
    /// # Errors
    /// Where it is refused, fails, writes too much, or is called a change in a check.
    pub async fn output(self) -> Result<String, TaskError> {
        let name = self.command.program.clone();
        match self.run().await? {
            Outcome::Completed(completed) => text(&name, completed),
            Outcome::Planned => {
                Err(TaskError::new(format!("`{name}` was planned and not run: its grant calls this form a change"))
                    .remedy(format!("write effect = \"reads\" at this form of [program.{name}]")))
            }
        }
    }
}

/// What a program wrote, where it ended well.
fn text(name: &str, completed: Completed) -> Result<String, TaskError> {
    if completed.exit_code != Some(0) {
        let how = match (completed.exit_code, completed.signal) {
            (Some(code), _) => format!("ended with {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "did not end well".into(),
        };
        let said = String::from_utf8_lossy(&completed.stderr);
        let said = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
        return Err(TaskError::new(format!("`{name}` {how}: {}", said.chars().take(300).collect::<String>())));
    }
    if completed.truncated {
        return Err(TaskError::new(format!("`{name}` wrote more than the run may take in"))
            .remedy("raise the task's limit on output"));
    }
    Ok(String::from_utf8_lossy(&completed.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(exit_code: Option<i32>, signal: Option<i32>, truncated: bool) -> Completed {
        Completed {
            exit_code,
            signal,
            stdout: b"out\n".to_vec(),
            stderr: b"\nno such unit\n".to_vec(),
            truncated,
            sha256: None,
            duration_ms: 1,
        }
    }

    #[test]
    fn only_a_program_that_ended_well_and_was_heard_out_has_an_output() {
        assert_eq!(text("p", completed(Some(0), None, false)).as_deref(), Ok("out\n"));
        let failed = text("p", completed(Some(4), None, false)).unwrap_err().to_string();
        assert_eq!(failed, "`p` ended with 4: no such unit");
        assert!(text("p", completed(None, Some(9), false)).unwrap_err().to_string().contains("signal 9"));
        assert!(text("p", completed(Some(0), None, true)).is_err());
    }
}
