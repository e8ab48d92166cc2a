//! The generated interface, implemented: takes the run's part out of the store, and leaves the store before it waits.

use hostler_capability::Error;
use hostler_world::shell::{Command, Host, HostWithStore, Outcome, OutputTarget, Process};
use wasmtime::component::{Accessor, FutureReader, StreamReader};

use crate::{ShellCapability, ShellRun, stream};

impl Host for ShellRun {}

impl<T: 'static> HostWithStore<T> for ShellCapability {
    async fn run(
        accessor: &Accessor<T, Self>,
        command: Command,
        stdin: Option<StreamReader<u8>>,
        stdout: OutputTarget,
    ) -> wasmtime::Result<Result<Outcome, Error>> {
        // The stream is taken over before anything is decided: a plugin that writes into a refused call finds it
        // closed rather than waiting for ever.
        let (client, stdin) = accessor.with(|mut access| -> wasmtime::Result<_> {
            let client = access.get().client.clone();
            let stdin = match stdin {
                None => None,
                Some(reader) => {
                    let (consumer, receiver) = stream::input();
                    reader.pipe(&mut access, consumer)?;
                    Some(receiver)
                }
            };
            Ok((client, stdin))
        })?;
        Ok(client.run(command, stdin, stdout).await)
    }

    async fn spawn(accessor: &Accessor<T, Self>, command: Command) -> wasmtime::Result<Result<Process, Error>> {
        let client = accessor.with(|mut access| access.get().client.clone());
        let counted = |(output, completed)| Ok((client.context.counted(output)?, completed));
        let (output, completed) = match client.spawn(command).await.and_then(counted) {
            Ok(started) => started,
            Err(error) => return Ok(Err(error)),
        };
        accessor.with(|mut access| -> wasmtime::Result<_> {
            let stdout = StreamReader::new(&mut access, output)?;
            let completed = FutureReader::new(&mut access, completed)?;
            Ok(Ok(Process { stdout, completed }))
        })
    }
}
