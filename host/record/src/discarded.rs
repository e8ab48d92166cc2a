//! What a plan or an ad-hoc check remembers: it lies over what is kept, and is thrown away with the run.
//!
//! So looking never swallows an alert: the next real run finds the state as the last real one left it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use hostler_capability::{StateStore, StoreError};

use crate::held;

/// A copy, made value by value as they are changed.
pub(crate) struct Discarded {
    below: Arc<dyn StateStore>,
    changed: Mutex<BTreeMap<String, Changed>>,
}

struct Changed {
    /// Bytes that the key takes below.
    hidden: u64,
    value: Option<Vec<u8>>,
}

impl Discarded {
    pub(crate) fn over(below: Arc<dyn StateStore>) -> Self {
        Self { below, changed: Mutex::default() }
    }

    async fn change(&self, key: &str, value: Option<Vec<u8>>) -> Result<(), StoreError> {
        let known = held(&self.changed).get(key).map(|changed| changed.hidden);
        let hidden = match known {
            Some(hidden) => hidden,
            None => self.below.get(key).await?.map_or(0, |value| bytes(key, &value)),
        };
        held(&self.changed).insert(key.to_owned(), Changed { hidden, value });
        Ok(())
    }
}

fn bytes(key: &str, value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64
}

#[async_trait]
impl StateStore for Discarded {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let changed = held(&self.changed).get(key).map(|changed| changed.value.clone());
        match changed {
            Some(value) => Ok(value),
            None => self.below.get(key).await,
        }
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.change(key, Some(value.to_owned())).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.change(key, None).await
    }

    async fn size(&self) -> Result<u64, StoreError> {
        let below = self.below.size().await?;
        let changed = held(&self.changed);
        let hidden: u64 = changed.values().map(|changed| changed.hidden).sum();
        let shown: u64 =
            changed.iter().filter_map(|(key, changed)| changed.value.as_ref().map(|value| bytes(key, value))).sum();
        Ok(below.saturating_sub(hidden) + shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Durable, StateFile};

    #[tokio::test]
    async fn a_copy_changes_nothing_and_tasks_do_not_see_each_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = Arc::new(StateFile::new(&directory.path().join("state.sqlite")));
        let one = Arc::new(Durable::new(&file, "one"));
        one.set("cursor", b"7").await.expect("it is written");
        let copy = Discarded::over(one.clone());
        assert_eq!(copy.get("cursor").await.expect("it is read"), Some(b"7".to_vec()));
        copy.set("cursor", b"88").await.expect("in memory");
        copy.set("cursor", b"888").await.expect("in memory");
        assert_eq!(copy.size().await.expect("a sum"), 9, "an old value is not counted beside the new one");
        copy.delete("other").await.expect("in memory");
        copy.set("more", b"1").await.expect("in memory");
        assert_eq!(copy.size().await.expect("a sum"), 14);
        copy.delete("cursor").await.expect("in memory");
        assert_eq!(copy.get("cursor").await.expect("it is read"), None);
        assert_eq!(copy.size().await.expect("a sum"), 5);
        assert_eq!(one.get("cursor").await.expect("it is read"), Some(b"7".to_vec()));
        assert_eq!(Durable::new(&file, "two").get("cursor").await.expect("it is read"), None);
        assert_eq!(one.size().await.expect("a sum"), 7);
        one.delete("cursor").await.expect("it is written");
        assert_eq!(one.get("cursor").await.expect("it is read"), None);
    }
}
