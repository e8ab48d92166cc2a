//! What a task remembers between its runs.

use std::sync::Arc;

use hostler_capability::{Binding, Capability, CapabilityError, Error, RunContext, RunState, Slot, StoreError};
use hostler_world::state as wit;
use tokio::sync::Mutex;
use wasmtime::component::{Accessor, HasData, Linker};

/// The longest key, in bytes.
const LONGEST_KEY: usize = 256;

/// Links `state`.
pub struct StateCapability;

/// Its part of one run.
pub struct StateRun(Arc<Shared>);

struct Shared {
    context: Arc<RunContext>,
    /// Held while a value is changed: several at once would each find room for itself alone.
    changing: Mutex<()>,
}

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
        Ok(Box::new(StateRun(Arc::new(Shared { context: context.clone(), changing: Mutex::default() }))))
    }
}

impl wit::Host for StateRun {}

fn run<T>(accessor: &Accessor<T, StateCapability>) -> Arc<Shared> {
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

/// The rule that the audit names: each task has its own state, and no other.
const RULE: &str = "state";

async fn get(run: &Shared, key: &str) -> Result<Option<Vec<u8>>, Error> {
    check(key)?;
    let context = &run.context;
    let call = context.begin(RULE, &format!("get {key:?}"), RULE)?;
    let found = context.state.get(key).await.map_err(|error| in_words(context, &error));
    let found = found.and_then(|value| match value.as_ref().map(|value| context.take(1, value.len() as u64)) {
        Some(Err(limit)) => Err(limit),
        _ => Ok(value),
    });
    call.settle(found, |value| (u64::from(value.is_some()), value.as_ref().map_or(0, Vec::len) as u64))
}

async fn set(run: &Shared, key: &str, value: &[u8]) -> Result<(), Error> {
    check(key)?;
    let context = &run.context;
    let call = context.begin(RULE, &format!("set {key:?}"), RULE)?;
    let _changing = run.changing.lock().await;
    let done = async {
        let most = context.limits.state_bytes;
        let bytes = (key.len() + value.len()) as u64;
        let kept = context.state.size().await.map_err(|error| in_words(context, &error))?;
        if kept.saturating_add(bytes) > most {
            // It may take the place of an old one.
            let old = context.state.get(key).await.map_err(|error| in_words(context, &error))?;
            let old = old.map_or(0, |old| (key.len() + old.len()) as u64);
            if kept.saturating_sub(old).saturating_add(bytes) > most {
                return Err(context.over("state_bytes"));
            }
        }
        context.state.set(key, value).await.map_err(|error| in_words(context, &error))
    };
    call.settle(done.await, |()| (1, value.len() as u64))
}

async fn delete(run: &Shared, key: &str) -> Result<(), Error> {
    check(key)?;
    let context = &run.context;
    let call = context.begin(RULE, &format!("delete {key:?}"), RULE)?;
    let _changing = run.changing.lock().await;
    let deleted = context.state.delete(key).await.map_err(|error| in_words(context, &error));
    call.settle(deleted, |()| (1, 0))
}

fn check(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(Error::Invalid(format!("a key has 1 to {LONGEST_KEY} bytes")));
    }
    Ok(())
}

/// What the store says names a file of the host's: that is for the operator alone.
fn in_words(context: &RunContext, error: &StoreError) -> Error {
    context.trouble(format!("what the task remembers could not be read or written: {error}"));
    Error::Unavailable("what the task remembers cannot be read or written".into())
}

#[cfg(test)]
mod tests {
    use hostler_capability::{Limits, Mode};

    use super::*;
    use crate::tests::Task;

    fn part(run: &Arc<RunContext>) -> StateRun {
        *StateCapability.prepare(&[], run).expect("prepared").downcast().expect("its own part")
    }

    #[tokio::test]
    async fn a_run_keeps_it_and_a_check_throws_it_away() {
        let task = Task::new(Mode::Apply);
        let (kept, looking) = (part(&task.run), part(&task.again(Mode::Check)));
        set(&kept.0, "cursor", b"7").await.expect("there is room");
        set(&looking.0, "cursor", b"8").await.expect("there is room");
        delete(&looking.0, "other").await.expect("it need not be there");
        assert_eq!(get(&looking.0, "cursor").await.expect("it is read"), Some(b"8".to_vec()));
        assert_eq!(get(&part(&task.again(Mode::Check)).0, "cursor").await.expect("it is read"), Some(b"7".to_vec()));
        delete(&kept.0, "cursor").await.expect("it is there");
        assert_eq!(get(&kept.0, "cursor").await.expect("it is read"), None);
        let audit = task.audit();
        assert!(audit.contains(r#""operation":"set \"cursor\"""#), "{audit}");
        assert!(!audit.contains("[56]"), "values are not in the audit");
    }

    #[tokio::test]
    async fn it_is_held_to_its_size_also_at_once_and_an_old_value_makes_room() {
        let task = Task::limited(Mode::Apply, Limits { state_bytes: 100, ..Limits::default() });
        let state = part(&task.run);
        set(&state.0, "a", &[0; 90]).await.expect("there is room");
        set(&state.0, "a", &[1; 99]).await.expect("it takes the old one's place");
        assert!(matches!(set(&state.0, "b", b"").await, Err(Error::Limit(limit)) if limit == "state_bytes"));
        delete(&state.0, "a").await.expect("it is there");
        let (one, other, value) = (&state.0, &state.0, [2; 60]);
        let (one, other) = tokio::join!(set(one, "c", &value), set(other, "d", &value));
        assert!(one.is_ok() != other.is_ok(), "one of two has room");
        assert!(task.run.state.size().await.expect("a sum") <= 100);
    }

    #[tokio::test]
    async fn keys_are_bounded_and_a_store_that_fails_tells_the_plugin_no_path() {
        let task = Task::new(Mode::Apply);
        let state = part(&task.run);
        for key in [String::new(), "k".repeat(257)] {
            assert!(matches!(set(&state.0, &key, b"").await, Err(Error::Invalid(_))));
        }
        task.damage("state.sqlite");
        let error = get(&state.0, "k").await.expect_err("it is damaged");
        assert!(matches!(&error, Error::Unavailable(words) if !words.contains(task.place())), "{error:?}");
        let troubles = task.run.troubles_and_notes().0;
        assert!(
            troubles.iter().any(|trouble| trouble.contains(task.place()) && trouble.contains("damaged")),
            "{troubles:?}"
        );
    }
}
