//! The calls that only look.

use hostler_capability::{Call, Completion, Error, completion, within};
use hostler_manifest::Access;
use hostler_world::files::{Compression, Entry, FilesystemUsage, Metadata, WalkOptions};
use rustix::fs::OFlags;

use crate::{
    ContentStream, Files, Problem, TreeStream,
    client::QUICK,
    content, metadata,
    open::Place,
    tree,
    work::{Cancel, blocking},
};

/// Pieces that wait for the plugin.
const WAITING: usize = 4;

impl Files {
    /// What is told of the path itself, not of what a link leads to.
    ///
    /// # Errors
    /// `denied`, or what the system says.
    pub async fn read_metadata(&self, path: &str) -> Result<Metadata, Error> {
        let names = self.names.clone();
        let (call, result) = self
            .quick(path, "read-metadata", move |place| {
                let stat = rustix::fs::fstat(place.open(OFlags::PATH)?).map_err(Problem::at(&place.shown()))?;
                Ok(names.metadata(&stat))
            })
            .await?;
        call.settle(result, |_| (1, 0))
    }

    /// How full the file system is that holds the path.
    ///
    /// # Errors
    /// `denied`, or what the system says.
    pub async fn read_usage(&self, path: &str) -> Result<FilesystemUsage, Error> {
        let (call, result) = self
            .quick(path, "read-usage", |place| {
                let stat = rustix::fs::fstatvfs(place.open(OFlags::PATH)?).map_err(Problem::at(&place.shown()))?;
                Ok(metadata::usage(&stat))
            })
            .await?;
        call.settle(result, |_| (1, 0))
    }

    /// The SHA-256 of a regular file.
    ///
    /// # Errors
    /// `denied`, or what the system says.
    pub async fn sha256(&self, path: &str) -> Result<Vec<u8>, Error> {
        let granted = self.decide(path, "sha256", Access::Read)?;
        let call = self.context.begin(&granted.label, &format!("sha256 {}", granted.shown), granted.rule())?;
        let directories = self.directories.clone();
        let hashed = blocking(&self.context, move |cancel| {
            let (file, _) = directories.open(&granted)?.open_regular()?;
            Ok(content::sha256(file, &granted.shown, cancel)?)
        });
        call.settle(hashed.await, |(_, bytes)| (1, *bytes)).map(|(digest, _)| digest)
    }

    /// The entries below a directory.
    ///
    /// # Errors
    /// `denied`, or what the system says of the directory itself.
    pub async fn list_tree(&self, path: &str, options: WalkOptions) -> Result<TreeStream, Error> {
        let (call, opened) = self
            .quick(path, "list-tree", |place| {
                place.open(OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK)?;
                Ok(place)
            })
            .await?;
        let place = match opened {
            Ok(place) => place,
            Err(error) => return Err(call.fail(error)),
        };
        let (sender, entries) = tokio::sync::mpsc::channel::<Vec<Entry>>(WAITING);
        let (ending, completed) = completion(&self.context, format!("list-tree {}", place.shown()));
        let (context, names) = (self.context.clone(), self.names.clone());
        tokio::task::spawn_blocking(move || {
            let cancel = Cancel::new(&context);
            let listed = tree::list(&place, &options, &names, &context, &cancel, &sender);
            let measured = listed.map(|(unreadable, entries, bytes)| (unreadable, (entries, bytes)));
            end(call, ending, measured);
        });
        Ok(TreeStream { entries, completed: Box::pin(completed) })
    }

    /// The bytes of a regular file from `offset` on; where it is unpacked, of what is unpacked.
    ///
    /// # Errors
    /// `denied`, or what the system says when it is opened.
    pub async fn read(&self, path: &str, offset: u64, compression: Compression) -> Result<ContentStream, Error> {
        let names = self.names.clone();
        let (call, opened) = self
            .quick(path, "read", move |place| {
                let (file, stat) = place.open_regular()?;
                Ok((file, names.metadata(&stat), place.shown()))
            })
            .await?;
        let (file, metadata, path) = match opened {
            Ok(opened) => opened,
            Err(error) => return Err(call.fail(error)),
        };
        let (sender, bytes) = tokio::sync::mpsc::channel(WAITING);
        let (ending, completed) = completion(&self.context, format!("read {path}"));
        let context = self.context.clone();
        tokio::task::spawn_blocking(move || {
            let cancel = Cancel::new(&context);
            let sent = content::pump(file, &path, offset, compression, &context, &cancel, &sender);
            end(call, ending, sent.map(|bytes| ((), (1, bytes))));
        });
        Ok(ContentStream { metadata, bytes, completed: Box::pin(completed) })
    }

    /// Decides, records and does something short at a place that may be read.
    async fn quick<T: Send + 'static>(
        &self,
        path: &str,
        operation: &str,
        work: impl FnOnce(Place) -> Result<T, Problem> + Send + 'static,
    ) -> Result<(Call, Result<T, Error>), Error> {
        let granted = self.decide(path, operation, Access::Read)?;
        let call = self.context.begin(&granted.label, &format!("{operation} {}", granted.shown), granted.rule())?;
        let directories = self.directories.clone();
        let done = blocking(&self.context, move |_| Ok(work(directories.open(&granted)?)?));
        Ok((call, within(QUICK, done).await))
    }
}

/// Ends a stream: the record says how, and so does the future that the plugin has. A plugin that went away itself
/// is told nothing, and its call is recorded as cancelled.
fn end<T>(call: Call, mut ending: Completion<T>, result: Result<(T, (u64, u64)), Problem>) {
    match result {
        Ok((value, (rows, bytes))) => {
            call.finish(rows, bytes);
            ending.send(Ok(value));
        }
        Err(Problem::Stopped) => {}
        Err(problem) => ending.send(Err(call.fail(problem.into()))),
    }
}
