//! A bounded table of a capability's own handles.
//!
//! Stock resource tables take a million entries; a run's own takes as many as its limits say, and the representation
//! is an index that is never taken for one of another kind.

use std::collections::BTreeMap;

use wasmtime::component::Resource;

use crate::Error;

/// Handles of one kind within a run. `R` is the resource's opaque type in the bindings.
pub struct Table<R: 'static, T> {
    entries: BTreeMap<u32, T>,
    next: u32,
    most: u64,
    kind: std::marker::PhantomData<fn() -> R>,
}

impl<R: 'static, T> Table<R, T> {
    /// A table of at most `most` handles.
    pub fn new(most: u64) -> Self {
        Self { entries: BTreeMap::new(), next: 1, most, kind: std::marker::PhantomData }
    }

    /// Puts a handle in.
    ///
    /// # Errors
    /// `limit` where the table is full.
    pub fn push(&mut self, entry: T) -> Result<Resource<R>, Error> {
        if self.entries.len() as u64 >= self.most || self.next == u32::MAX {
            return Err(Error::Limit("handles".into()));
        }
        let index = self.next;
        self.next += 1;
        self.entries.insert(index, entry);
        Ok(Resource::new_own(index))
    }

    /// Looks a handle up.
    ///
    /// # Errors
    /// A trap: only a defect of the host's or the engine's leads there.
    pub fn get(&mut self, resource: &Resource<R>) -> wasmtime::Result<&mut T> {
        self.entries.get_mut(&resource.rep()).ok_or_else(missing)
    }

    /// Takes a handle out, when it is dropped or consumed.
    ///
    /// # Errors
    /// As [`Table::get`].
    pub fn remove(&mut self, resource: &Resource<R>) -> wasmtime::Result<T> {
        self.entries.remove(&resource.rep()).ok_or_else(missing)
    }
}

fn missing() -> wasmtime::Error {
    wasmtime::Error::msg("a handle that this run does not have")
}
