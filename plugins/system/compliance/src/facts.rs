//! What is so on the machine, as far as the list asks for it. What could not be looked at is kept with the reason, so that
//! the controls that need it are unknown and the others are judged.

use std::collections::{BTreeMap, BTreeSet};

use hostler_sdk::files::{self, Compression, Kind};
use hostler_sdk::postgres::Database;
use hostler_sdk::prelude::*;

use crate::list::{List, Place, What};

/// A file with lines is read up to this.
const LARGEST: usize = 4 << 20;

/// Those that controls name and no others: some hold passwords.
const SETTINGS: &str =
    "SELECT lower(name) AS name, setting, unit FROM pg_settings WHERE lower(name) = ANY (string_to_array($1, ','))";
const PACKAGES: [&str; 2] = ["-W", "-f=${Package}\\t${Version}\\t${db:Status-Status}\\n"];
const UNITS: [&str; 3] = ["show", "--no-pager", "--property=Id,Names,LoadState,ActiveState,UnitFileState"];

/// What was looked at, or why it could not be.
pub(crate) type Looked<T> = Result<T, String>;

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum File {
    Absent,
    Link,
    There { mode: u32, owner: String, group: String },
}

/// A unit of systemd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    pub load: String,
    pub active: String,
    pub file: String,
}

/// A setting's value and its unit.
pub(crate) type Values = BTreeMap<String, (String, String)>;

#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub files: BTreeMap<Place, Looked<File>>,
    pub contents: BTreeMap<Place, Looked<Option<String>>>,
    /// By the database's name.
    pub postgres: BTreeMap<String, Looked<Values>>,
    pub sshd: Option<Looked<BTreeMap<String, Vec<String>>>>,
    pub packages: Option<Looked<BTreeMap<String, String>>>,
    pub units: Option<Looked<BTreeMap<String, Unit>>>,
}

/// A failure that ends the run ends it; every other is a reason.
fn looked<T>(result: Result<T, TaskError>) -> Result<Looked<T>, TaskError> {
    match result {
        Ok(found) => Ok(Ok(found)),
        Err(error) if error.ends_the_run() => Err(error),
        Err(error) => Ok(Err(error.to_string())),
    }
}

impl Facts {
    pub(crate) async fn gather(context: &Context, list: &List) -> Result<Self, TaskError> {
        let mut facts = Self::default();
        let bound: BTreeSet<String> = context.directories("files").iter().map(|one| one.name().to_owned()).collect();
        let names = list.controls.iter().filter_map(|control| match &control.what {
            What::Postgres { setting, .. } => Some(setting.as_str()),
            _ => None,
        });
        let names = names.collect::<Vec<_>>().join(",");
        let mut services = BTreeSet::new();
        for control in &list.controls {
            match &control.what {
                What::File { path, .. } if !facts.files.contains_key(path) => {
                    let found = looked(file(path, &bound).await)?;
                    facts.files.insert(path.clone(), found);
                }
                What::Line { path, .. } if !facts.contents.contains_key(path) => {
                    let found = looked(content(path, &bound).await)?;
                    facts.contents.insert(path.clone(), found);
                }
                What::Postgres { .. } if facts.postgres.is_empty() => {
                    for target in context.postgres_targets("database") {
                        let found = looked(settings(&target, &names).await)?;
                        facts.postgres.insert(target, found);
                    }
                }
                What::Sshd { .. } if facts.sshd.is_none() => {
                    let said = context.program("sshd").argument("-T").output().await;
                    facts.sshd = Some(looked(said.map(|text| sshd(&text)))?);
                }
                What::Package { .. } if facts.packages.is_none() => {
                    let said = context.program("dpkg-query").arguments(PACKAGES).output().await;
                    facts.packages = Some(looked(said.map(|text| packages(&text)))?);
                }
                What::Service { name, .. } => {
                    services.insert(name.clone());
                }
                _ => {}
            }
        }
        if !services.is_empty() {
            let said = context.program("systemctl").arguments(UNITS).arguments(services).output().await;
            facts.units = Some(looked(said.map(|text| units(&text)))?);
        }
        Ok(facts)
    }
}

fn guest_path(place: &Place, bound: &BTreeSet<String>) -> Result<String, TaskError> {
    if !bound.contains(&place.directory) {
        return Err(TaskError::new(format!("no directory of the name `{}` is bound to files", place.directory))
            .remedy(format!("bind.files = [\"directory.{}\"] at the task", place.directory)));
    }
    Ok(format!("/files/{}/{}", place.directory, place.below))
}

async fn file(place: &Place, bound: &BTreeSet<String>) -> Result<File, TaskError> {
    let metadata = match files::metadata(&guest_path(place, bound)?).await {
        Ok(metadata) => metadata,
        Err(error) if error.is("ENOENT") => return Ok(File::Absent),
        Err(error) => return Err(error),
    };
    let ownership = metadata.ownership;
    Ok(match metadata.kind {
        Kind::Link => File::Link,
        _ => File::There {
            mode: ownership.mode & 0o7777,
            owner: ownership.user.unwrap_or_else(|| ownership.user_id.to_string()),
            group: ownership.group.unwrap_or_else(|| ownership.group_id.to_string()),
        },
    })
}

async fn content(place: &Place, bound: &BTreeSet<String>) -> Result<Option<String>, TaskError> {
    match read(&guest_path(place, bound)?).await {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is("ENOENT") => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) async fn read(path: &str) -> Result<String, TaskError> {
    let mut content = files::open(path, Compression::None).await?;
    let mut bytes = vec![];
    while let Some(more) = content.next().await? {
        bytes.extend(more);
        if bytes.len() > LARGEST {
            return Err(TaskError::new(format!("it is larger than {}", ByteSize(LARGEST as u64))));
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn settings(target: &str, names: &str) -> Result<Values, TaskError> {
    let database = Database::open("database", Some(target), None).await?;
    let mut values = Values::new();
    for row in database.query(SETTINGS, &[names.into()]).await?.rows().await?.iter() {
        let (setting, unit): (Option<String>, Option<String>) = (row.get("setting")?, row.get("unit")?);
        values.insert(row.get("name")?, (setting.unwrap_or_default(), unit.unwrap_or_default()));
    }
    Ok(values)
}

/// `permitrootlogin no`, a line each; some keys have several.
pub(crate) fn sshd(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let (key, value) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        if !key.is_empty() {
            found.entry(key.to_lowercase()).or_default().push(value.to_owned());
        }
    }
    found
}

/// What is installed, with its version; what was removed and left its configuration is not.
pub(crate) fn packages(text: &str) -> BTreeMap<String, String> {
    let fields = text.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        let (name, version, status) = (fields.next()?, fields.next()?, fields.next()?);
        (!["not-installed", "config-files"].contains(&status)).then(|| (name.to_owned(), version.to_owned()))
    });
    fields.collect()
}

/// Each unit by each of its names.
pub(crate) fn units(text: &str) -> BTreeMap<String, Unit> {
    let mut found = BTreeMap::new();
    for block in text.split("\n\n") {
        let field = |name: &str| {
            block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default().to_owned()
        };
        let unit = Unit { load: field("LoadState"), active: field("ActiveState"), file: field("UnitFileState") };
        let names = format!("{} {}", field("Id"), field("Names"));
        found.extend(names.split_whitespace().map(|name| (name.to_owned(), unit.clone())));
    }
    found
}
