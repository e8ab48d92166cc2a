//! The generated traits, each method one call of [`Files`].

use std::sync::Arc;

use hostler_capability::{Binding, Capability, CapabilityError, Error, RunContext, RunState, Slot, Table};
use hostler_world::files::{
    self, Archiving, Compression, Content, FilesystemUsage, Host, HostWithStore, HostWriter, HostWriterWithStore,
    Identity, Metadata, Walk, WalkOptions, Writer,
};
use hostler_world::types::Effect;
use wasmtime::component::{Accessor, FutureReader, HasData, Linker, Resource, StreamReader};

use crate::{ContentStream, Files, OpenWriter, TreeStream, producer::Producer};

/// The capability of directories.
pub struct FilesCapability;

impl HasData for FilesCapability {
    type Data<'a> = &'a mut FilesRun;
}

impl Capability for FilesCapability {
    fn interface(&self) -> &'static str {
        "files"
    }

    fn link(&self, linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
        files::add_to_linker::<_, Self>(linker, |state: &mut RunState| state.slot::<FilesRun>())
    }

    fn prepare(&self, bindings: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError> {
        Ok(Box::new(FilesRun::new(bindings, context)))
    }
}

/// The directories of one run, and the files that it is writing.
pub struct FilesRun {
    files: Files,
    writers: Table<Writer, Arc<OpenWriter>>,
}

impl FilesRun {
    /// The part of one run.
    pub fn new(bindings: &[Binding], context: &Arc<RunContext>) -> Self {
        Self { files: Files::new(bindings, context), writers: Table::new(context.limits.handles) }
    }
}

type Answer<T> = wasmtime::Result<Result<T, Error>>;

fn files_of<T>(accessor: &Accessor<T, FilesCapability>) -> Files {
    accessor.with(|mut access| access.get().files.clone())
}

impl Host for &mut FilesRun {
    fn targets(&mut self, request: String) -> wasmtime::Result<Vec<String>> {
        Ok(self.files.targets(&request))
    }
}

impl HostWriter for &mut FilesRun {
    fn drop(&mut self, writer: Resource<Writer>) -> wasmtime::Result<()> {
        self.writers.remove(&writer).map(drop)
    }
}

impl<T: 'static> HostWriterWithStore<T> for FilesCapability {
    async fn create(accessor: &Accessor<T, Self>, path: String, mode: u32) -> Answer<Resource<Writer>> {
        match files_of(accessor).create_writer(&path, mode).await {
            Ok(writer) => Ok(accessor.with(|mut access| {
                let run = access.get();
                let context = run.files.context.clone();
                run.writers.push(Arc::new(writer)).map_err(|_| context.over("handles"))
            })),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn append(accessor: &Accessor<T, Self>, writer: Resource<Writer>, contents: Vec<u8>) -> Answer<()> {
        let writer = accessor.with(|mut access| access.get().writers.get(&writer).cloned())?;
        Ok(writer.append(contents).await)
    }

    async fn finish(accessor: &Accessor<T, Self>, writer: Resource<Writer>) -> Answer<Effect> {
        let writer = accessor.with(|mut access| access.get().writers.remove(&writer))?;
        Ok(writer.finish().await)
    }
}

impl<T: 'static> HostWithStore<T> for FilesCapability {
    async fn read_metadata(accessor: &Accessor<T, Self>, path: String) -> Answer<Metadata> {
        Ok(files_of(accessor).read_metadata(&path).await)
    }

    async fn list_tree(accessor: &Accessor<T, Self>, path: String, options: WalkOptions) -> Answer<Walk> {
        let files = files_of(accessor);
        let counted = |tree: TreeStream| {
            Ok((files.context.counted(Producer::new(tree.entries, |batch| vec![batch]))?, tree.completed))
        };
        match files.list_tree(&path, options).await.and_then(counted) {
            Ok((entries, completed)) => accessor.with(|mut access| {
                let entries = StreamReader::new(&mut access, entries)?;
                let completed = FutureReader::new(&mut access, completed)?;
                Ok(Ok(Walk { entries, completed }))
            }),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn read(
        accessor: &Accessor<T, Self>,
        path: String,
        offset: u64,
        compression: Compression,
    ) -> Answer<Content> {
        let files = files_of(accessor);
        let counted = |content: ContentStream| {
            let bytes = files.context.counted(Producer::new(content.bytes, |bytes| bytes))?;
            Ok((content.metadata, bytes, content.completed))
        };
        match files.read(&path, offset, compression).await.and_then(counted) {
            Ok((metadata, bytes, completed)) => accessor.with(|mut access| {
                let bytes = StreamReader::new(&mut access, bytes)?;
                let completed = FutureReader::new(&mut access, completed)?;
                Ok(Ok(Content { metadata, bytes, completed }))
            }),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn read_usage(accessor: &Accessor<T, Self>, path: String) -> Answer<FilesystemUsage> {
        Ok(files_of(accessor).read_usage(&path).await)
    }

    async fn sha256(accessor: &Accessor<T, Self>, path: String) -> Answer<Vec<u8>> {
        Ok(files_of(accessor).sha256(&path).await)
    }

    async fn copy(accessor: &Accessor<T, Self>, source: String, destination: String) -> Answer<Effect> {
        Ok(files_of(accessor).copy(&source, &destination).await)
    }

    async fn rename(accessor: &Accessor<T, Self>, source: String, destination: String) -> Answer<Effect> {
        Ok(files_of(accessor).rename(&source, &destination).await)
    }

    async fn remove(accessor: &Accessor<T, Self>, path: String, expected: Option<Identity>) -> Answer<Effect> {
        Ok(files_of(accessor).remove(&path, expected).await)
    }

    async fn remove_tree(accessor: &Accessor<T, Self>, path: String) -> Answer<Effect> {
        Ok(files_of(accessor).remove_tree(&path).await)
    }

    async fn create_directory(accessor: &Accessor<T, Self>, path: String, mode: u32) -> Answer<Effect> {
        Ok(files_of(accessor).create_directory(&path, mode).await)
    }

    async fn set_permissions(accessor: &Accessor<T, Self>, path: String, mode: u32) -> Answer<Effect> {
        Ok(files_of(accessor).set_permissions(&path, mode).await)
    }

    async fn archive(
        accessor: &Accessor<T, Self>,
        sources: Vec<String>,
        destination: String,
        compression: Compression,
        mode: u32,
    ) -> Answer<Archiving> {
        Ok(files_of(accessor).archive(&sources, &destination, compression, mode).await)
    }
}
