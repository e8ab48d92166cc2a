//! The least PostgreSQL role and the least Redis user that the tasks need: the strongest wall is the server's own.

use std::{collections::BTreeSet, fmt::Write};

use hostler_capability::Grant;
use hostler_manifest::Request;

use crate::{Host, ServiceError};

impl Host {
    /// SQL and ACL lines, by resource.
    ///
    /// # Errors
    /// Where a task cannot be made ready.
    pub fn roles(&self) -> Result<String, ServiceError> {
        let mut text = String::new();
        let jobs: Result<Vec<_>, _> = self.configuration.tasks.values().map(|task| self.job(task)).collect();
        let jobs = jobs?;
        for (name, resource) in self.configuration.resources.iter() {
            let (mut privileges, mut tables, mut words) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
            for job in &jobs {
                for binding in &job.bindings {
                    if !binding
                        .targets
                        .iter()
                        .any(|target| format!("{}.{}", target.resource.kind(), target.name) == name)
                    {
                        continue;
                    }
                    if let Some(Request::Postgres(request)) = job.manifest.requests.get(&binding.request) {
                        privileges.extend(request.privileges.iter().cloned());
                    }
                    match &binding.grant {
                        Grant::Postgres(grant) => tables.extend(grant.read.iter().cloned()),
                        Grant::Redis(granted) => {
                            words.extend(granted.iter().filter(|word| *word != "read-only").cloned())
                        }
                        _ => {}
                    }
                }
            }
            match resource.kind() {
                "postgres" => {
                    let _ = writeln!(text, "-- {name}\nCREATE ROLE hostler LOGIN;");
                    for privilege in privileges {
                        let alternatives: Vec<_> = privilege.split('|').map(str::trim).collect();
                        let role = alternatives[0];
                        let note = if alternatives.len() > 1 {
                            format!("  -- or be {}", alternatives[1..].join(", "))
                        } else {
                            String::new()
                        };
                        let _ = writeln!(text, "GRANT {role} TO hostler;{note}");
                    }
                    for table in tables {
                        let _ = writeln!(text, "GRANT SELECT ON {table} TO hostler;");
                    }
                }
                "redis" => {
                    let words: Vec<_> = words.into_iter().collect();
                    let _ = writeln!(
                        text,
                        "# {name}\nACL SETUSER hostler on >PASSWORD +ping +hello +command +client|setname {}",
                        words.join(" ")
                    );
                }
                _ => {}
            }
        }
        Ok(text)
    }
}
