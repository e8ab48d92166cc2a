//! The calls that change something. In check mode each is planned, and nothing is looked at: what a plan means to
//! write to may not be there yet. In apply mode the record is written by the thread that does the work, so that it
//! says what happened even where the plugin dropped the call in the middle.

use std::sync::Arc;

use hostler_capability::{Call, Effect, Error, Verdict};
use hostler_manifest::Access;
use hostler_world::{
    files::{Archived, Archiving, Compression, Identity},
    types,
};

use crate::{
    Files, OpenWriter, Problem, archive, change,
    grant::Granted,
    open::Place,
    remove,
    temporary::Temporary,
    work::{Cancel, blocking},
    writer::Opened,
};

impl Files {
    /// Begins to write a file.
    ///
    /// # Errors
    /// `denied`, `invalid`, or what the system says.
    pub async fn create_writer(&self, path: &str, mode: u32) -> Result<OpenWriter, Error> {
        let mode = change::file_mode(mode)?;
        let granted = self.decide(path, "write", Access::Write)?;
        let (call, verdict) = self.ask(&granted, "write", &granted.shown)?;
        let Verdict::Apply(effect) = verdict else { return Ok(OpenWriter::planned(&self.context, call)) };
        let files = self.clone();
        blocking(&self.context, move |_| {
            let made =
                files.directories.open(&granted).and_then(|place| place.parent()).and_then(|(directory, name)| {
                    files.clear_leftovers(&directory, &granted.label);
                    let temporary =
                        Temporary::create(Arc::new(directory), &name).map_err(Problem::at(&granted.shown))?;
                    Ok((temporary, name))
                });
            match made {
                Ok((temporary, name)) => Ok(OpenWriter::open(Opened {
                    context: files.context,
                    path: granted.shown,
                    name,
                    mode,
                    temporary: Some(temporary),
                    call: Some(call),
                    effect,
                    gathered: vec![],
                    written: 0,
                })),
                Err(problem) => {
                    let error = call.fail(problem.into());
                    files.context.outcome(effect, &Err(error.clone()));
                    Err(error)
                }
            }
        })
        .await
    }

    /// Copies a regular file with its mode and times, in the place of whatever is there.
    ///
    /// # Errors
    /// `denied`, or what the system says.
    pub async fn copy(&self, source: &str, destination: &str) -> Result<types::Effect, Error> {
        let from = self.decide(source, "copy", Access::Read)?;
        let to = self.decide(destination, "copy", Access::Write)?;
        let object = format!("{} -> {}", from.shown, to.shown);
        let files = self.clone();
        self.change(&to, "copy", &object, move |to, cancel| {
            let from = files.directories.open(&from)?;
            files.clear_leftovers(&to.parent()?.0, &to.label);
            change::copy(&from, &to, cancel)
        })
        .await
    }

    /// Renames, in the place of whatever has the new name.
    ///
    /// # Errors
    /// `denied`, or what the system says; `EXDEV` between file systems.
    pub async fn rename(&self, source: &str, destination: &str) -> Result<types::Effect, Error> {
        let from = self.decide(source, "rename", Access::Write)?;
        let to = self.decide(destination, "rename", Access::Write)?;
        let object = format!("{} -> {}", from.shown, to.shown);
        let directories = self.directories.clone();
        self.change(&to, "rename", &object, move |to, _| change::rename(&directories.open(&from)?, &to)).await
    }

    /// Removes a file, a link or an empty directory: the one that was looked at, where `expected` says which.
    ///
    /// # Errors
    /// `denied`; `failed` with code `changed` where it is another; what the system says.
    pub async fn remove(&self, path: &str, expected: Option<Identity>) -> Result<types::Effect, Error> {
        let granted = self.decide(path, "remove", Access::Write)?;
        let files = self.clone();
        self.change(&granted, "remove", &granted.shown, move |place, _| {
            files.clear_leftovers(&place.parent()?.0, &place.label);
            remove::remove(&place, expected)
        })
        .await
    }

    /// Removes a directory with all that is in it, and enters no mount.
    ///
    /// # Errors
    /// `denied`, or what the system says of the first entry that could not be removed.
    pub async fn remove_tree(&self, path: &str) -> Result<types::Effect, Error> {
        let granted = self.decide(path, "remove-tree", Access::Write)?;
        self.change(&granted, "remove-tree", &granted.shown, |place, cancel| {
            remove::remove_tree(&place, cancel).map(drop)
        })
        .await
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// `denied`, `invalid`, or what the system says.
    pub async fn create_directory(&self, path: &str, mode: u32) -> Result<types::Effect, Error> {
        let mode = change::directory_mode(mode)?;
        let granted = self.decide(path, "create-directory", Access::Write)?;
        self.change(&granted, "create-directory", &granted.shown, move |place, _| {
            change::create_directory(&place, mode)
        })
        .await
    }

    /// Sets permission bits, never through a link.
    ///
    /// # Errors
    /// `denied`, `invalid`, or what the system says.
    pub async fn set_permissions(&self, path: &str, mode: u32) -> Result<types::Effect, Error> {
        let mode = change::directory_mode(mode)?;
        let granted = self.decide(path, "set-permissions", Access::Write)?;
        let operation = format!("set-permissions {mode:04o}");
        self.change(&granted, &operation, &granted.shown, move |place, _| change::set_permissions(&place, mode)).await
    }

    /// Writes a tar archive of the sources, whole or not at all.
    ///
    /// # Errors
    /// `denied`, `invalid`, or what the system says of a source that is not there or of the destination.
    pub async fn archive(
        &self,
        sources: &[String],
        destination: &str,
        compression: Compression,
        mode: u32,
    ) -> Result<Archiving, Error> {
        let mode = change::file_mode(mode)?;
        if sources.is_empty() {
            return Err(Error::Invalid("an archive has at least one source".into()));
        }
        let from = sources.iter().map(|path| self.decide(path, "archive", Access::Read));
        let from = from.collect::<Result<Vec<_>, _>>()?;
        let to = self.decide(destination, "archive", Access::Write)?;
        let shown: Vec<_> = from.iter().map(|source| source.shown.as_str()).collect();
        let (call, verdict) = self.ask(&to, &format!("archive {}", shown.join(" ")), &to.shown)?;
        let Verdict::Apply(effect) = verdict else {
            call.finish(0, 0);
            return Ok(Archiving::Planned);
        };
        let files = self.clone();
        blocking(&self.context, move |cancel| {
            let result = files.write_archive(&from, &to, compression, mode, cancel).map_err(Error::from);
            files.context.outcome(effect, &result.as_ref().map(|_| None).map_err(Clone::clone));
            call.settle(result, |archived| (archived.files, archived.bytes_written)).map(Archiving::Applied)
        })
        .await
    }

    fn write_archive(
        &self,
        from: &[Granted],
        to: &Granted,
        compression: Compression,
        mode: u32,
        cancel: &Cancel,
    ) -> Result<Archived, Problem> {
        let sources = from.iter().map(|source| self.directories.open(source)).collect::<Result<Vec<_>, _>>()?;
        let destination = self.directories.open(to)?;
        self.clear_leftovers(&destination.parent()?.0, &to.label);
        archive::write(&sources, &destination, compression, mode, &self.names, cancel)
    }

    /// Begins a call that changes something, and asks whether to plan or to apply it.
    fn ask(&self, granted: &Granted, operation: &str, object: &str) -> Result<(Call, Verdict), Error> {
        let call = self.context.begin(&granted.label, &format!("{operation} {object}"), granted.rule())?;
        let effect = Effect { request: granted.label.clone(), operation: operation.into(), object: object.into() };
        match self.context.effect(effect) {
            Ok(verdict) => Ok((call, verdict)),
            Err(error) => Err(call.fail(error)),
        }
    }

    /// Plans or applies one change at a place that may be written.
    async fn change(
        &self,
        granted: &Granted,
        operation: &str,
        object: &str,
        work: impl FnOnce(Place, &Cancel) -> Result<(), Problem> + Send + 'static,
    ) -> Result<types::Effect, Error> {
        let (call, verdict) = self.ask(granted, operation, object)?;
        let Verdict::Apply(effect) = verdict else {
            call.finish(0, 0);
            return Ok(types::Effect::Planned);
        };
        let (context, directories, granted) = (self.context.clone(), self.directories.clone(), granted.clone());
        blocking(&self.context, move |cancel| {
            let result = directories.open(&granted).and_then(|place| work(place, cancel)).map_err(Error::from);
            context.outcome(effect, &result.clone().map(|()| None));
            call.settle(result, |()| (1, 0)).map(|()| types::Effect::Applied)
        })
        .await
    }
}
