//! What npm's registry knows, as `npm audit --json` tells it. npm ends with 1 both where it found something and where it
//! could not ask, so what it says decides, not how it ended.

use hostler_sdk::prelude::*;
use hostler_sdk::shell::Outcome;
use serde_json::Value;

use crate::osv::Level;

/// A package that the registry warns of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warned {
    pub(crate) name: String,
    pub(crate) level: Option<Level>,
    /// Identifiers of its advisories, each with its title.
    pub(crate) advisories: Vec<(String, String)>,
    pub(crate) fixable: bool,
}

/// Asks about the project in a directory; nothing where no npm is bound.
pub(crate) async fn ask(
    context: &Context,
    directory: &str,
    timeout: Duration,
) -> Result<Option<Vec<Warned>>, TaskError> {
    let program = context.program("npm").arguments(["audit", "--json", "--package-lock-only"]);
    match program.working_directory(directory).timeout(timeout).run().await {
        Ok(Outcome::Completed(completed)) => {
            let said = String::from_utf8_lossy(&completed.stderr);
            read(&completed.stdout).map(Some).map_err(|error| {
                let line = said.lines().find(|line| line.contains("npm") && line.contains("rror")).unwrap_or_default();
                if line.is_empty() { error } else { error.during(line.chars().take(200).collect::<String>()) }
            })
        }
        Ok(Outcome::Planned) => Err(TaskError::new("npm audit was planned and not run: its grant calls it a change")
            .remedy("write effect = \"reads\" at this form of [program.npm]")),
        Err(error) if error.is_unbound() => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn read(stdout: &[u8]) -> Result<Vec<Warned>, TaskError> {
    let unanswered = |why: &str| {
        TaskError::new(format!("npm audit could not ask its registry: {}", why.chars().take(200).collect::<String>()))
            .remedy(
                "look whether the registry can be reached: `network = true` at the program, and its address in .npmrc; \
                     or leave `npm` unbound and keep npm's advisories offline",
            )
    };
    let answer: Value = serde_json::from_slice(stdout).map_err(|_| unanswered("it said no JSON"))?;
    let Some(packages) = answer.get("vulnerabilities").and_then(Value::as_object) else {
        let why = [answer.get("message"), answer.pointer("/error/summary"), answer.pointer("/error/code")];
        let why = why.into_iter().flatten().find_map(Value::as_str).filter(|why| !why.is_empty());
        return Err(unanswered(why.unwrap_or("it named no vulnerabilities and no error")));
    };
    let warned = packages.iter().filter_map(|(name, package)| {
        // Those that are only there by what they depend on name no advisory of their own.
        let advisories: Vec<&Value> =
            package.get("via").and_then(Value::as_array).into_iter().flatten().filter(|via| via.is_object()).collect();
        if advisories.is_empty() {
            return None;
        }
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let named = advisories.iter().map(|via| {
            let address = text(via, "url").unwrap_or_default();
            let id = address.rsplit('/').next().unwrap_or_default().to_owned();
            (id, text(via, "title").unwrap_or_default())
        });
        let worst =
            advisories.iter().filter_map(|via| text(via, "severity")).filter_map(|word| Level::parse(&word)).max();
        Some(Warned {
            name: name.clone(),
            level: worst.or_else(|| text(package, "severity").and_then(|word| Level::parse(&word))),
            advisories: named.collect(),
            fixable: package.get("fixAvailable").is_some_and(|fix| fix.is_object() || fix == &Value::Bool(true)),
        })
    });
    Ok(warned.collect())
}
