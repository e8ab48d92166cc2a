//! Why a task failed, in words for the operator.
//!
//! A capability's answer is turned into a sentence and a remedy once, here, so that `?` is all a plugin writes. The
//! cause stays beside the words: a plugin that can do without what it was refused looks at it and goes on.

use std::fmt;

use crate::bindings::base::hostler::plugin::types;
use crate::{Finding, Severity};

/// What kind of failure it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The grant, or the approved plan, does not cover the call.
    Denied,
    /// Nothing is bound to the request, so nothing covers the call.
    Unbound,
    /// The call was malformed.
    Invalid,
    /// The resource cannot be reached.
    Unavailable,
    /// The resource answered with an error: SQLSTATE, Redis error prefix or errno name.
    Failed(String),
    /// The call took too long.
    TimedOut,
    /// One of the run's limits is used up.
    Limit,
    /// The run is being stopped.
    Stopped,
    /// The plugin's own judgement.
    Task,
}

/// Why a task, or a part of it, could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskError {
    cause: Cause,
    message: String,
    remedy: Option<String>,
}

impl TaskError {
    /// A failure of the plugin's own judgement.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { cause: Cause::Task, message: message.into(), remedy: None }
    }

    /// Says what the operator can do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Says what was being done.
    #[must_use]
    pub fn during(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// What went wrong, without the remedy.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the operator can do, where that is known.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// Whether nothing is bound to the request, which is as the operator wants it where the request is optional. What
    /// is bound and refused is not.
    #[must_use]
    pub fn is_unbound(&self) -> bool {
        self.cause == Cause::Unbound
    }

    /// Whether the grant does not cover the call, or nothing is bound to the request.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self.cause, Cause::Denied | Cause::Unbound)
    }

    /// Whether the resource answered with this SQLSTATE, Redis error prefix or errno name.
    #[must_use]
    pub fn is(&self, code: &str) -> bool {
        matches!(&self.cause, Cause::Failed(found) if found == code)
    }

    /// Whether the run ends: nothing else will succeed either.
    #[must_use]
    pub fn ends_the_run(&self) -> bool {
        matches!(self.cause, Cause::Stopped | Cause::Limit)
    }

    /// A finding of severity unknown: what could not be looked at is never taken for healthy.
    pub fn finding(&self, code: &str, subject: impl Into<String>) -> Finding {
        let finding = Finding::new(Severity::Unknown, code, subject, self.message.clone());
        match &self.remedy {
            Some(remedy) => finding.remedy(remedy.clone()),
            None => finding,
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        match &self.remedy {
            Some(remedy) => write!(formatter, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TaskError {}

impl From<types::Error> for TaskError {
    fn from(error: types::Error) -> Self {
        let with = |cause, message: String, remedy: Option<String>| Self { cause, message, remedy };
        match error {
            types::Error::Denied(denial) if is_of_no_binding(&denial.rule) => with(
                Cause::Unbound,
                format!("nothing is bound to the request `{}`", denial.request),
                Some(format!("bind what it asks for at the task, as bind.{}", denial.request)),
            ),
            types::Error::Denied(denial) => with(
                Cause::Denied,
                format!("`{}` was refused on the request `{}`", denial.operation, denial.request),
                Some(format!("the rule that refused it: {}; the task's binding has to allow it", denial.rule)),
            ),
            types::Error::Invalid(what) => with(Cause::Invalid, what, None),
            types::Error::Unavailable(what) => with(Cause::Unavailable, what, None),
            types::Error::Failed(failure) => {
                let mut message = format!("{} ({})", failure.message, failure.code);
                if let Some(detail) = failure.detail {
                    message = format!("{message}; {detail}");
                }
                let remedy = failure.hint.or_else(|| remedy_of(&failure.code).map(str::to_owned));
                with(Cause::Failed(failure.code), message, remedy)
            }
            types::Error::TimedOut(milliseconds) => {
                with(Cause::TimedOut, format!("no answer within {milliseconds} ms"), None)
            }
            types::Error::Limit(name) => with(
                Cause::Limit,
                format!("the run's limit `{name}` is used up"),
                Some("raise it for the task, or give the task less to do".into()),
            ),
            types::Error::Stopped => with(Cause::Stopped, "the run is being stopped".into(), None),
        }
    }
}

/// The host's words where a request has no binding: "no program is bound to this request". A refusal in other words is
/// taken for one of something bound, which a plugin tells rather than passes over.
fn is_of_no_binding(rule: &str) -> bool {
    let ends = [" is bound", " is bound to this request", " is bound to a request of that name"];
    let of_none = |rule: &str| ends.iter().any(|end| rule.ends_with(end));
    rule.starts_with("no ") && (of_none(rule) || rule.starts_with("no directory is bound to a request "))
        || rule.starts_with("bind.") && rule.ends_with(" names none")
}

/// What helps with failures that mean the same everywhere.
fn remedy_of(code: &str) -> Option<&'static str> {
    Some(match code {
        "42501" => "grant the task's role what it lacks; `hostler roles` prints the least role that does",
        "53300" => "the server has no connection left; end idle ones, or bind fewer to the task",
        "55P03" => "another session holds the lock; look at pg_locks, and run the task again",
        "57014" => "the statement ran into its time limit",
        "NOPERM" => "let the task's ACL user do it; `hostler roles` prints the least user that does",
        "LOADING" => "the server is still loading its data; run the task again when it is done",
        "EACCES" | "EPERM" => "let the host's user read it, or run the host as one that may",
        "ENOSPC" => "free space on the filesystem",
        _ => return None,
    })
}

impl From<String> for TaskError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for TaskError {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<serde_json::Error> for TaskError {
    fn from(error: serde_json::Error) -> Self {
        Self::new(format!("this is not the JSON that was expected: {error}"))
    }
}

/// Says what was being done when something failed.
pub trait During<T> {
    /// Puts `what` before the error's text.
    ///
    /// # Errors
    /// The same error.
    fn during(self, what: impl fmt::Display) -> Result<T, TaskError>;
}

impl<T, E: Into<TaskError>> During<T> for Result<T, E> {
    fn during(self, what: impl fmt::Display) -> Result<T, TaskError> {
        self.map_err(|error| error.into().during(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_was_refused_and_by_which_rule() {
        let denial = types::Denial {
            request: "database".into(),
            operation: "VACUUM FULL public.orders".into(),
            rule: "statements = [\"VACUUM FULL\"]".into(),
        };
        let error = TaskError::from(types::Error::Denied(denial));
        assert!(error.is_denied() && !error.is_unbound());
        let text = error.to_string();
        for part in ["VACUUM FULL public.orders", "database", "statements = [\"VACUUM FULL\"]"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn what_is_not_bound_is_told_from_what_is_bound_and_refused() {
        let denied = |rule: &str| {
            let denial = types::Denial { request: "r".into(), operation: "run".into(), rule: rule.into() };
            TaskError::from(types::Error::Denied(denial))
        };
        for rule in [
            "no program is bound to this request",
            "no request of kind \"history\" is bound",
            "no Redis server is bound to a request of that name",
            "no directory is bound to a request \"r\"",
            "bind.r names none",
        ] {
            assert!(denied(rule).is_unbound() && denied(rule).is_denied(), "{rule}");
            assert_eq!(
                denied(rule).to_string(),
                "nothing is bound to the request `r`; bind what it asks for at the task, as bind.r"
            );
        }
        let other = denied("allow = [\"show {text}\"]");
        assert!(!other.is_unbound() && other.is_denied());
        assert!(other.advice().is_some_and(|advice| advice.contains("show {text}")));
    }

    #[test]
    fn a_missing_privilege_carries_its_remedy_into_a_finding() {
        let failure = types::Failure {
            code: "42501".into(),
            message: "permission denied for table orders".into(),
            detail: None,
            hint: None,
        };
        let error = TaskError::from(types::Error::Failed(failure)).during("vacuum");
        assert!(error.is("42501"));
        let finding = error.finding("no-privilege", "public.orders");
        assert_eq!(finding.severity, Severity::Unknown);
        assert!(finding.summary.starts_with("vacuum: permission denied"), "{}", finding.summary);
        assert!(finding.remedy.is_some_and(|remedy| remedy.contains("hostler roles")));
    }
}
