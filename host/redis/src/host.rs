//! The generated traits, each method one call of a [`Session`].

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hostler_capability::{Binding, Capability, CapabilityError, Error, RunContext, RunState, Slot};
use hostler_world::redis::{
    self, Execution, Executions, Host, HostServer, HostServerWithStore, Node, Page, Scan, Server,
};
use wasmtime::{
    StoreContextMut,
    component::{
        Accessor, Destination, FutureReader, HasData, Linker, Resource, StreamProducer, StreamReader, StreamResult,
        VecBuffer,
    },
};

use crate::{Pages, RedisCapability, RedisRun, Session};

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl HasData for RedisCapability {
    type Data<'a> = &'a mut RedisRun;
}

impl Capability for RedisCapability {
    fn interface(&self) -> &'static str {
        "redis"
    }

    fn link(&self, linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
        redis::add_to_linker::<_, Self>(linker, |state: &mut RunState| state.slot::<RedisRun>())
    }

    fn prepare(&self, bindings: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError> {
        Ok(Box::new(self.run(bindings, context)?))
    }
}

impl Host for &mut RedisRun {
    fn targets(&mut self, request: String) -> wasmtime::Result<Vec<String>> {
        Ok(RedisRun::targets(self, &request))
    }
}

impl HostServer for &mut RedisRun {
    fn drop(&mut self, server: Resource<Server>) -> wasmtime::Result<()> {
        self.servers.remove(&server).map(drop)
    }
}

fn session<T>(accessor: &Accessor<T, RedisCapability>, server: &Resource<Server>) -> wasmtime::Result<Arc<Session>> {
    accessor.with(|mut access| access.get().servers.get(server).cloned())
}

impl<T: 'static> HostServerWithStore<T> for RedisCapability {
    async fn open(accessor: &Accessor<T, Self>, request: String, target: Option<String>) -> Answer<Resource<Server>> {
        let opening = accessor.with(|mut access| access.get().open(request, target));
        match opening.await {
            Ok(session) => Ok(accessor.with(|mut access| {
                let run = access.get();
                let context = run.context();
                run.servers.push(Arc::new(session)).map_err(|_| context.over("handles"))
            })),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn query(accessor: &Accessor<T, Self>, server: Resource<Server>, command: Vec<Vec<u8>>) -> Answer<Vec<Node>> {
        Ok(session(accessor, &server)?.query(command).await)
    }

    async fn query_many(
        accessor: &Accessor<T, Self>,
        server: Resource<Server>,
        commands: Vec<Vec<Vec<u8>>>,
    ) -> Answer<Vec<Vec<Node>>> {
        Ok(session(accessor, &server)?.query_many(commands).await)
    }

    async fn execute(
        accessor: &Accessor<T, Self>,
        server: Resource<Server>,
        command: Vec<Vec<u8>>,
    ) -> Answer<Execution> {
        Ok(session(accessor, &server)?.execute(command).await)
    }

    async fn execute_many(
        accessor: &Accessor<T, Self>,
        server: Resource<Server>,
        commands: Vec<Vec<Vec<u8>>>,
    ) -> Answer<Executions> {
        Ok(session(accessor, &server)?.execute_many(commands).await)
    }

    async fn scan(
        accessor: &Accessor<T, Self>,
        server: Resource<Server>,
        pattern: String,
        key_type: Option<String>,
    ) -> Answer<Scan> {
        let session = session(accessor, &server)?;
        let counted = |(pages, completed)| Ok((session.context.counted(pages)?, completed));
        match session.scan(&pattern, key_type).and_then(counted) {
            Ok((pages, completed)) => accessor.with(|mut access| {
                let pages = StreamReader::new(&mut access, pages)?;
                let completed = FutureReader::new(&mut access, completed)?;
                Ok(Ok(Scan { pages, completed }))
            }),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl<D> StreamProducer<D> for Pages {
    type Item = Page;
    type Buffer = VecBuffer<Page>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, Page, VecBuffer<Page>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // A read of nothing asks whether there is something; it is told when it reads in earnest.
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match self.receiver.poll_recv(context) {
            Poll::Ready(Some(page)) => {
                destination.set_buffer(vec![page].into());
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(None) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}
