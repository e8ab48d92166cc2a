//! What a task remembers between its runs.

use std::sync::Arc;

use hostler_capability::{Binding, Capability, CapabilityError, Error, RunContext, RunState, Slot, StoreError};
use hostler_world::state as wit;
use wasmtime::component::{Accessor, HasData, Linker};

/// The longest key, in bytes.
const LONGEST_KEY: usize = 256;

/// Links `state`.
pub struct StateCapability;

/// Its part of one run.
pub struct StateRun(Arc<RunContext>);

impl HasData for StateCapability {
    type Data<'a> = &'a mut StateRun;
}

impl Capability for StateCapability {
    fn interface(&self) -> &'static str {
        "state"
    }

    fn link(&self, linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
        wit::add_to_linker::<_, Self>(linker, |state| state.slot::<StateRun>())
    }

    fn prepare(&self, _: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError> {
        Ok(Box::new(StateRun(context.clone())))
    }
}

impl wit::Host for StateRun {}

fn run<T>(accessor: &Accessor<T, StateCapability>) -> Arc<RunContext> {
    accessor.with(|mut access| access.get().0.clone())
}

impl<T> wit::HostWithStore<T> for StateCapability {
    async fn get(accessor: &Accessor<T, Self>, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        Ok(get(&run(accessor), &key).await)
    }

    async fn set(accessor: &Accessor<T, Self>, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        Ok(set(&run(accessor), &key, &value).await)
    }

    async fn delete(accessor: &Accessor<T, Self>, key: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(delete(&run(accessor), &key).await)
    }
}

async fn get(context: &Arc<RunContext>, key: &str) -> Result<Option<Vec<u8>>, Error> {
    check(key)?;
    let call = context.begin("state", &format!("get {key:?}"), "state")?;
    let value = context.state.get(key).await.map_err(in_words);
    call.settle(value, |value| (1, value.as_ref().map_or(0, Vec::len) as u64))
}

async fn set(context: &Arc<RunContext>, key: &str, value: &[u8]) -> Result<(), Error> {
    check(key)?;
    let call = context.begin("state", &format!("set {key:?}"), "state")?;
    let kept = context.state.size().await.map_err(in_words)?;
    if kept.saturating_add((key.len() + value.len()) as u64) > context.limits.state_bytes {
        return Err(call.fail(context.over("state_bytes")));
    }
    let set = context.state.set(key, value).await.map_err(in_words);
    call.settle(set, |()| (1, value.len() as u64))
}

async fn delete(context: &Arc<RunContext>, key: &str) -> Result<(), Error> {
    check(key)?;
    let call = context.begin("state", &format!("delete {key:?}"), "state")?;
    let deleted = context.state.delete(key).await.map_err(in_words);
    call.settle(deleted, |()| (1, 0))
}

fn check(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(Error::Invalid(format!("a key has 1 to {LONGEST_KEY} bytes")));
    }
    Ok(())
}

fn in_words(error: StoreError) -> Error {
    Error::Unavailable(error.to_string())
}
