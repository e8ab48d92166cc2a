//! Extensions whose files are newer than what the database has of them: after a package was updated, each database goes
//! on with the old definitions until it is told otherwise. The guide writes ALTER EXTENSION into a shell; here each
//! database is looked at, and each update is one statement that stands or falls by itself.
//!
//! PostGIS and its companions have to be updated together, by a function of their own, and may want a dump first: they are
//! told and left to the operator.

use hostler_sdk::postgres::{Database, Execution, Options};
use hostler_sdk::prelude::*;
use hostler_sdk::{matches_pattern, progress, quote_identifier};

hostler_sdk::plugin!(Settings, run);

const DATABASES: &str = "
    SELECT datname::text AS name FROM pg_database WHERE datallowconn AND NOT datistemplate
        AND has_database_privilege(oid, 'CONNECT') ORDER BY 1";

/// What is installed, and what the machine has. One whose files are gone has no version there.
const EXTENSIONS: &str = "
    SELECT e.extname::text AS name, e.extversion AS installed, a.default_version AS available,
        pg_has_role(e.extowner, 'USAGE') AS owned, quote_ident(pg_get_userbyid(e.extowner)) AS owner,
        EXISTS (SELECT FROM pg_extension_update_paths(e.extname) p
            WHERE p.source = e.extversion AND p.target = a.default_version AND p.path IS NOT NULL) AS reachable
    FROM pg_extension e LEFT JOIN pg_available_extensions a ON a.name = e.extname
    WHERE a.default_version IS DISTINCT FROM e.extversion ORDER BY 1";

#[derive(Deserialize)]
struct Settings {
    exclude: Vec<String>,
    timeout: Duration,
}

/// An extension that is not of the machine's version.
#[derive(Debug, Clone, PartialEq)]
struct Outdated {
    database: String,
    name: String,
    installed: String,
    available: Option<String>,
    owned: bool,
    owner: String,
    reachable: bool,
}

impl Outdated {
    fn read(database: &str, row: &Row) -> Result<Self, TaskError> {
        Ok(Self {
            database: database.into(),
            name: row.get("name")?,
            installed: row.get("installed")?,
            available: row.get("available")?,
            owned: row.get("owned")?,
            owner: row.get("owner")?,
            reachable: row.get("reachable")?,
        })
    }

    fn subject(&self) -> String {
        format!("{}.{}", self.database, self.name)
    }

    fn statement(&self) -> String {
        format!("ALTER EXTENSION {} UPDATE", quote_identifier(&self.name))
    }

    /// Why it is not updated here, told; nothing where it can be.
    fn left(&self, settings: &Settings) -> Option<Finding> {
        let Some(available) = &self.available else {
            return Some(
                finding!(Severity::Critical, "extension-files-missing", self.subject(), "version {} is in the database, and the machine has no files of it", self.installed)
                    .detail("Its functions fail as soon as they are called, and a dump of this database cannot be restored here.")
                    .remedy("install the package of the extension for this server's major version"),
            );
        };
        let outdated = |severity, why: &str| {
            finding!(
                severity,
                "extension-outdated",
                self.subject(),
                "version {} is in the database and {available} on the machine{why}",
                self.installed
            )
        };
        if settings.exclude.iter().any(|pattern| matches_pattern(pattern, &self.name)) {
            let remedy = if self.name.starts_with("postgis") {
                "SELECT postgis_extensions_upgrade();    -- in this database, after a backup".to_owned()
            } else {
                format!("{};    -- in this database", self.statement())
            };
            return Some(outdated(Severity::Warning, "; it is left alone (exclude)").remedy(remedy));
        }
        if !self.reachable {
            return Some(
                outdated(Severity::Warning, ", and no update leads from one to the other")
                    .remedy("look into the extension's notes: it may have to be dropped and created anew"),
            );
        }
        if !self.owned {
            let remedy = format!("{};    -- as {}, who owns it", self.statement(), self.owner);
            return Some(outdated(Severity::Unknown, ", and it is not the role's to update").remedy(remedy));
        }
        None
    }
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let main = context.postgres("database").await?;
    if main.info().in_recovery {
        return Err(TaskError::new("this is a standby, where nothing can be updated").remedy("bind the primary"));
    }
    let _lock = context.lock("database", "extensions").await?;
    let rows = main.query(DATABASES, &[]).await?.rows().await?;
    let names = rows.iter().map(|row| row.get("name")).collect::<Result<Vec<String>, _>>()?;
    drop(main);
    let (mut looked_at, mut updated, mut left) = (0, 0, 0);
    for (place, name) in names.iter().enumerate() {
        progress(place as u64, Some(names.len() as u64), name);
        match one(&context, name, &settings).await {
            Ok((done, not)) => {
                looked_at += 1;
                updated += done;
                left += not;
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => error.finding("database-not-looked-at", name).report(),
        }
    }
    Metric::gauge("postgres_extensions_outdated", left as f64).report();
    let verb = if context.is_check() { "would be updated" } else { "updated" };
    Ok(format!("{} looked at: {} {verb}, {left} left", counted(looked_at, "database"), counted(updated, "extension")))
}

/// One database: how many extensions were updated, or would be, and how many are left as they are.
async fn one(context: &Context, name: &str, settings: &Settings) -> Result<(usize, usize), TaskError> {
    let database = Database::open("database", None, Some(name)).await?;
    let rows = database.query(EXTENSIONS, &[]).await?.rows().await?;
    let outdated = rows.iter().map(|row| Outdated::read(name, &row)).collect::<Result<Vec<_>, _>>()?;
    let (mut updated, mut left) = (0, 0);
    for extension in &outdated {
        if let Some(finding) = extension.left(settings) {
            finding.report();
            left += 1;
            continue;
        }
        if let Some(reason) = context.stop_requested() {
            finding!(Severity::Warning, "stopped", name, "{reason}: the rest was left")
                .remedy("run the task again")
                .report();
            break;
        }
        let _step = context.step(&format!("update {} in {name}", extension.name), 1, 0)?;
        let options = Options { settings: vec![], timeout_ms: Some(settings.timeout.as_milliseconds()) };
        match database.execute_with(&extension.statement(), &[], options).await {
            Ok(Execution::Planned) => updated += 1,
            Ok(Execution::Applied(_)) => {
                let now = database.query(EXTENSIONS, &[]).await?.rows().await?;
                let still = now.iter().any(|row| row.get::<String>("name").is_ok_and(|name| name == extension.name));
                if still {
                    finding!(
                        Severity::Critical,
                        "extension-not-updated",
                        extension.subject(),
                        "the update said nothing, and the version is what it was"
                    )
                    .remedy(format!("{};    -- by hand, and read what it says", extension.statement()))
                    .report();
                    left += 1;
                } else {
                    updated += 1;
                }
            }
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => {
                error.during("it was not updated").finding("extension-not-updated", extension.subject()).report();
                left += 1;
            }
        }
    }
    Ok((updated, left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_sdk::testing::{refuses_each, settings};
    use serde_json::json;

    const MANIFEST: &str = include_str!("../plugin.toml");

    fn outdated(name: &str) -> Outdated {
        Outdated {
            database: "shop".into(),
            name: name.into(),
            installed: "1.0".into(),
            available: Some("1.1".into()),
            owned: true,
            owner: "app".into(),
            reachable: true,
        }
    }

    #[test]
    fn what_can_be_updated_is_and_the_rest_is_told_with_its_way() {
        let settings: Settings = settings(MANIFEST, json!({}));
        let told = |one: Outdated| {
            one.left(&settings).map(|finding| (finding.severity, finding.code, finding.remedy.unwrap_or_default()))
        };
        assert_eq!(told(outdated("pg_trgm")), None);
        let (severity, code, remedy) = told(outdated("postgis_topology")).expect("it is left");
        assert_eq!((severity, code.as_str()), (Severity::Warning, "extension-outdated"));
        assert!(remedy.starts_with("SELECT postgis_extensions_upgrade()"));
        let foreign = told(Outdated { owned: false, ..outdated("pg_trgm") }).expect("it is left");
        assert_eq!(foreign.0, Severity::Unknown);
        assert!(foreign.2.contains("as app, who owns it"));
        assert_eq!(
            told(Outdated { reachable: false, ..outdated("pg_trgm") }).expect("it is left").0,
            Severity::Warning
        );
        assert_eq!(
            told(Outdated { available: None, ..outdated("pg_trgm") }).expect("it is left").0,
            Severity::Critical
        );
    }

    #[test]
    fn bad_settings_are_refused() {
        refuses_each(MANIFEST, &[("exclude", json!("a")), ("timeout", json!("0s"))]);
    }
}
