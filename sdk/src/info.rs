//! What INFO says, by name.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::TaskError;

/// The fields of INFO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info(BTreeMap<String, String>);

/// One database of the keyspace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keyspace {
    /// Its number.
    pub database: u32,
    /// How many keys it has.
    pub keys: u64,
    /// How many of them expire.
    pub expires: u64,
}

impl Info {
    /// Reads the text that the server sent.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let fields =
            text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.trim_end().split_once(':'));
        Self(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// A field, where there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A field as a number.
    ///
    /// # Errors
    /// Where there is none, or it is no number.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<T, TaskError> {
        let value = self.get(name).ok_or_else(|| {
            TaskError::new(format!("INFO has no `{name}`"))
                .remedy("let the task's ACL user run INFO in full, and look whether the server is older than Redis 5")
        })?;
        value.parse().map_err(|_| TaskError::new(format!("INFO says `{name}` is {value:?}, which is no number")))
    }

    /// The databases that have keys.
    #[must_use]
    pub fn keyspace(&self) -> Vec<Keyspace> {
        let databases = self.0.iter().filter_map(|(name, value)| {
            let database = name.strip_prefix("db")?.parse().ok()?;
            let field = |wanted: &str| {
                let found = value.split(',').find_map(|part| part.strip_prefix(wanted)?.strip_prefix('='));
                found.and_then(|number| number.parse().ok()).unwrap_or_default()
            };
            Some(Keyspace { database, keys: field("keys"), expires: field("expires") })
        });
        let mut databases: Vec<Keyspace> = databases.collect();
        databases.sort_by_key(|database| database.database);
        databases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_keyspace_are_read() {
        let info = Info::parse(
            "# Memory\r\nused_memory:1024\r\nmaxmemory_policy:noeviction\r\n\r\n# Keyspace\r\ndb10:keys=1,expires=0,avg_ttl=0\r\ndb0:keys=7,expires=3,avg_ttl=12\r\n",
        );
        assert_eq!(info.number("used_memory"), Ok(1024_u64));
        assert_eq!(info.get("maxmemory_policy"), Some("noeviction"));
        assert!(info.number::<u64>("maxmemory_policy").is_err());
        assert!(info.number::<u64>("absent").is_err());
        let keyspace = info.keyspace();
        assert_eq!(keyspace[0], Keyspace { database: 0, keys: 7, expires: 3 });
        assert_eq!(keyspace[1].database, 10);
    }
}
