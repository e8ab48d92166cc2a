//! What is older than the machine's files, and by which statement it is brought up to them, if it is.

use hostler_sdk::prelude::*;
use hostler_sdk::{matches_pattern, quote_identifier};

use crate::Settings;

/// What PostGIS's function updates, all of it in one call.
const POSTGIS: [&str; 5] =
    ["postgis", "postgis_raster", "postgis_sfcgal", "postgis_topology", "postgis_tiger_geocoder"];

/// An extension that is not of the machine's version.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outdated {
    pub database: String,
    pub name: String,
    pub installed: String,
    pub available: Option<String>,
    pub owned: bool,
    pub owner: String,
    pub reachable: bool,
    /// The schema of PostGIS's own function, where it is there.
    pub upgrade: Option<String>,
    /// An extension of PostGIS's in this database whose update sets the database's search_path.
    pub sets_path: Option<String>,
}

impl Outdated {
    pub fn read(database: &str, row: &Row) -> Result<Self, TaskError> {
        Ok(Self {
            database: database.into(),
            name: row.get("name")?,
            installed: row.get("installed")?,
            available: row.get("available")?,
            owned: row.get("owned")?,
            owner: row.get("owner")?,
            reachable: row.get("reachable")?,
            upgrade: row.get("upgrade")?,
            sets_path: row.get("sets_path")?,
        })
    }

    pub fn subject(&self) -> String {
        format!("{}.{}", self.database, self.name)
    }

    /// What updates it. PostGIS's function updates its companions too, in the order that they need.
    fn statement(&self) -> String {
        match (&self.upgrade, self.is_of_postgis()) {
            (Some(schema), true) => format!("SELECT {}.postgis_extensions_upgrade()", quote_identifier(schema)),
            _ => format!("ALTER EXTENSION {} UPDATE", quote_identifier(&self.name)),
        }
    }

    /// Whether PostGIS's function updates it.
    fn is_of_postgis(&self) -> bool {
        POSTGIS.contains(&self.name.as_str())
    }

    fn told(&self, severity: Severity, why: &str) -> Finding {
        let (installed, available) = (&self.installed, self.available.as_deref().unwrap_or_default());
        finding!(
            severity,
            "extension-outdated",
            self.subject(),
            "version {installed} is in the database and {available} on the machine{why}"
        )
    }

    /// Why it is not updated here, told; nothing where it can be.
    pub fn left(&self, settings: &Settings) -> Option<Finding> {
        if self.available.is_none() {
            return Some(
                finding!(Severity::Critical, "extension-files-missing", self.subject(), "version {} is in the database, and the machine has no files of it", self.installed)
                    .detail("Its functions fail as soon as they are called, and a dump of this database cannot be restored here.")
                    .remedy("install the package of the extension for this server's major version"),
            );
        }
        if settings.exclude.iter().any(|pattern| matches_pattern(pattern, &self.name)) {
            let remedy = format!("{};    -- in this database, after a backup", self.statement());
            return Some(self.told(Severity::Warning, "; it is left alone (exclude)").remedy(remedy));
        }
        if let (Some(name), true) = (&self.sets_path, self.is_of_postgis()) {
            let why = format!("; it is left, since {name} sets the database's search_path by that of who updates it");
            return Some(
                self.told(Severity::Warning, &why)
                    .remedy(format!("{};    -- in psql, in this database, after a backup", self.statement())),
            );
        }
        if self.is_of_postgis() && self.upgrade.is_none() {
            return Some(
                self.told(Severity::Warning, ", and this PostGIS is too old to have a function that updates it")
                    .remedy(format!("{};    -- in this database, after a backup", self.statement())),
            );
        }
        if !self.reachable && !self.is_of_postgis() {
            return Some(
                self.told(Severity::Warning, ", and no update leads from one to the other")
                    .remedy("look into the extension's notes: it may have to be dropped and created anew"),
            );
        }
        if !self.owned {
            let remedy = format!("{};    -- as {}, who owns it", self.statement(), self.owner);
            return Some(self.told(Severity::Unknown, ", and it is not the role's to update").remedy(remedy));
        }
        None
    }
}

/// One statement, and the extensions that it updates.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Update {
    pub statement: String,
    pub extensions: Vec<Outdated>,
}

impl Update {
    fn of(extensions: Vec<Outdated>) -> Option<Self> {
        Some(Self { statement: extensions.first()?.statement(), extensions })
    }

    pub fn title(&self, database: &str) -> String {
        let names: Vec<&str> = self.extensions.iter().map(|extension| extension.name.as_str()).collect();
        format!("update {} in {database}", names.join(", "))
    }

    pub fn subject(&self, database: &str) -> String {
        self.extensions.first().map_or_else(|| database.to_owned(), Outdated::subject)
    }
}

/// What is to be done in one database, PostGIS first, since other extensions build on it; and what is told of the rest.
pub(crate) fn choose(outdated: &[Outdated], settings: &Settings) -> (Vec<Update>, Vec<Finding>) {
    let (mut postgis, mut updates, mut told) = (vec![], vec![], vec![]);
    let mut kept = None;
    for extension in outdated {
        match (extension.left(settings), extension.is_of_postgis()) {
            (Some(finding), is_of_postgis) => {
                kept = kept.or(is_of_postgis.then_some(extension.name.as_str()));
                told.push(finding);
            }
            (None, true) => postgis.push(extension.clone()),
            (None, false) => updates.extend(Update::of(vec![extension.clone()])),
        }
    }
    match kept {
        // It would update what is to be left, too.
        Some(name) => told.extend(postgis.iter().map(|extension| {
            extension
                .told(Severity::Warning, &format!("; it is left, since {name} goes with it and is"))
                .remedy(format!("{};    -- in this database, after a backup", extension.statement()))
        })),
        None => updates.splice(..0, Update::of(postgis)).for_each(drop),
    }
    (updates, told)
}
