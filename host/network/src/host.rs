//! The generated interface, implemented: takes the run's part out of the store, and leaves the store before it waits.

use hostler_capability::Error;
use hostler_world::network::{Exchange, Handshake, Host, HostWithStore, HttpRequest, Response, Starttls};
use wasmtime::component::{Accessor, FutureReader, StreamReader};

use crate::{NetworkCapability, NetworkRun};

impl Host for NetworkRun {
    fn targets(&mut self, request: String) -> wasmtime::Result<Vec<String>> {
        Ok(self.client.targets(&request))
    }
}

impl<T: 'static> HostWithStore<T> for NetworkCapability {
    async fn connect(
        accessor: &Accessor<T, Self>,
        request: String,
        target: Option<String>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        let client = accessor.with(|mut access| access.get().client.clone());
        Ok(client.connect(&request, target.as_deref()).await)
    }

    async fn tls_handshake(
        accessor: &Accessor<T, Self>,
        request: String,
        target: Option<String>,
        server_name: Option<String>,
        starttls: Starttls,
    ) -> wasmtime::Result<Result<Handshake, Error>> {
        let client = accessor.with(|mut access| access.get().client.clone());
        Ok(client.tls_handshake(&request, target.as_deref(), server_name, starttls).await)
    }

    async fn http(
        accessor: &Accessor<T, Self>,
        request: String,
        call: HttpRequest,
    ) -> wasmtime::Result<Result<Exchange, Error>> {
        let client = accessor.with(|mut access| access.get().client.clone());
        let answered = match client.http(&request, call).await {
            Ok(Some(answered)) => answered,
            Ok(None) => return Ok(Ok(Exchange::Planned)),
            Err(error) => return Ok(Err(error)),
        };
        let body = match client.context.counted(answered.body) {
            Ok(body) => body,
            Err(error) => return Ok(Err(error)),
        };
        accessor.with(|mut access| -> wasmtime::Result<_> {
            let body = StreamReader::new(&mut access, body)?;
            let completed = FutureReader::new(&mut access, answered.completed)?;
            let (status, headers) = (answered.status, answered.headers);
            Ok(Ok(Exchange::Completed(Response { status, headers, body, completed })))
        })
    }
}
