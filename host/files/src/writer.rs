//! A file that a plugin writes piece by piece.
//!
//! The effect is asked for when the writer is made, before anything touches the disk. Small pieces are gathered, so
//! that a plugin that appends line by line costs no thread a line.

use std::{ffi::OsString, io::Write, sync::Arc};

use hostler_capability::{Call, Error, RunContext};
use hostler_world::types::Effect;
use tokio::sync::Mutex;

use crate::{Problem, temporary::Temporary, work::blocking};

const GATHERED: usize = 256 << 10;

/// A file being written, or one that is only planned. Dropped without [`OpenWriter::finish`] nothing of it stays.
pub struct OpenWriter {
    context: Arc<RunContext>,
    state: Arc<Mutex<State>>,
}

enum State {
    Planned(Call),
    Open(Box<Opened>),
    Ended(Error),
}

pub(crate) struct Opened {
    pub(crate) context: Arc<RunContext>,
    pub(crate) path: String,
    pub(crate) name: OsString,
    pub(crate) mode: u32,
    pub(crate) temporary: Option<Temporary>,
    pub(crate) call: Option<Call>,
    pub(crate) effect: usize,
    pub(crate) gathered: Vec<u8>,
    pub(crate) written: u64,
}

impl OpenWriter {
    pub(crate) fn planned(context: &Arc<RunContext>, call: Call) -> Self {
        Self { context: context.clone(), state: Arc::new(Mutex::new(State::Planned(call))) }
    }

    pub(crate) fn open(opened: Opened) -> Self {
        Self { context: opened.context.clone(), state: Arc::new(Mutex::new(State::Open(Box::new(opened)))) }
    }

    /// Adds to the file.
    ///
    /// # Errors
    /// What the system says; then the file is given up, and every later call says the same.
    pub async fn append(&self, contents: Vec<u8>) -> Result<(), Error> {
        let mut state = self.state.clone().lock_owned().await;
        match &mut *state {
            State::Planned(_) => return Ok(()),
            State::Ended(error) => return Err(error.clone()),
            State::Open(opened) => {
                opened.gathered.extend_from_slice(&contents);
                if opened.gathered.len() < GATHERED {
                    return Ok(());
                }
            }
        }
        blocking(&self.context, move |cancel| {
            let State::Open(opened) = &mut *state else { return Ok(()) };
            let written = cancel.check().and_then(|()| opened.write()).map_err(Error::from);
            if let Err(error) = &written {
                opened.end(&Err(error.clone()));
                *state = State::Ended(error.clone());
            }
            written
        })
        .await
    }

    /// Syncs it and gives it its name.
    ///
    /// # Errors
    /// What the system says; then nothing of it stays.
    pub async fn finish(&self) -> Result<Effect, Error> {
        let mut state = self.state.clone().lock_owned().await;
        match std::mem::replace(&mut *state, State::Ended(Error::Invalid("the writer is finished".into()))) {
            State::Planned(call) => {
                call.finish(0, 0);
                Ok(Effect::Planned)
            }
            State::Ended(error) => Err(error),
            State::Open(mut opened) => {
                blocking(&self.context, move |_| {
                    let result = opened.place().map_err(Error::from);
                    opened.end(&result);
                    result.map(|()| Effect::Applied)
                })
                .await
            }
        }
    }
}

impl Opened {
    fn write(&mut self) -> Result<(), Problem> {
        let Some(temporary) = &self.temporary else { return Err(Problem::Stopped) };
        temporary.file().write_all(&self.gathered).map_err(Problem::at(&self.path))?;
        self.written += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }

    fn place(&mut self) -> Result<(), Problem> {
        self.write()?;
        let Some(temporary) = self.temporary.take() else { return Err(Problem::Stopped) };
        temporary.place(&self.name, self.mode).map_err(Problem::at(&self.path))
    }

    /// Records what became of it, once.
    fn end(&mut self, result: &Result<(), Error>) {
        self.temporary = None;
        if let Some(call) = self.call.take() {
            self.context.outcome(self.effect, &result.clone().map(|()| None));
            match result {
                Ok(()) => call.finish(1, self.written),
                Err(error) => drop(call.fail(error.clone())),
            }
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.context.outcome(self.effect, &Err(Error::Stopped));
            drop(call);
        }
    }
}
