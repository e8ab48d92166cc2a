//! The one place that opens a connection, and that checks what it opens.
//!
//! Greeting, password, name, database and command table go out together, in one round trip. The table comes with each
//! first connection: a server that was restarted may be another version.

use std::{sync::Arc, time::Duration};

use hostler_capability::{Error, within};
use hostler_configuration::RedisResource;
use hostler_policy::redis::{CommandTable, RedisAddress, RedisPlace};
use hostler_world::redis::Node;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::{
    connection::{Broken, Connection},
    failure::Server,
    password, resp,
    resp::Allowance,
    table, tls,
    tree::Tree,
};

/// How connections to one resource are made.
pub(crate) struct Connector {
    resource: RedisResource,
    address: RedisAddress,
    pub(crate) server: Server,
    limit: Duration,
    tls: tokio::sync::OnceCell<Arc<ClientConfig>>,
}

/// A connection, and what the server said of itself.
pub(crate) struct Connected {
    pub(crate) connection: Connection,
    pub(crate) version: String,
    pub(crate) table: Option<Arc<CommandTable>>,
}

impl Connector {
    /// Checks the resource. Opens nothing yet.
    pub(crate) fn new(name: &str, resource: &RedisResource, limit: Duration) -> Result<Self, String> {
        let address = RedisAddress::parse(&resource.url).map_err(|error| format!("its url {error}"))?;
        if resource.user.as_ref().is_some_and(|user| user.is_empty() || user.contains(char::is_whitespace)) {
            return Err("its user is no name".into());
        }
        if resource.user.is_some() && resource.password_file.is_none() {
            return Err("it has a user and no password_file; write password_file = \"/PATH\"".into());
        }
        let user = resource.user.clone().unwrap_or_else(|| "default".into());
        let server = Server { resource: format!("redis.{name}"), user };
        Ok(Self { resource: resource.clone(), address, server, limit, tls: tokio::sync::OnceCell::new() })
    }

    /// Opens a connection, and asks for the command table where it is wanted.
    pub(crate) async fn connect(&self, with_table: bool) -> Result<Connected, Error> {
        within(self.limit, async {
            let connection = self.open().await?;
            self.greet(connection, with_table).await
        })
        .await
    }

    async fn open(&self) -> Result<Connection, Error> {
        let (host, port, tls) = match &self.address.place {
            RedisPlace::Socket(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| self.server.io(&error))?;
                return Ok(Connection::new(stream));
            }
            RedisPlace::Tcp { host, port, tls } => (host.as_str(), *port, *tls),
        };
        let stream = TcpStream::connect((host, port)).await.map_err(|error| self.server.io(&error))?;
        stream.set_nodelay(true).map_err(|error| self.server.io(&error))?;
        if !tls {
            return Ok(Connection::new(stream));
        }
        let roots = self.resource.root_certificates.as_deref();
        let config = self.tls.get_or_try_init(async || tls::config(roots)).await;
        let config = config.map_err(|problem| self.server.unavailable(&problem))?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| self.server.unavailable("the host in its url is no name that a certificate could have"))?;
        let stream = TlsConnector::from(config.clone()).connect(name, stream).await;
        Ok(Connection::new(stream.map_err(|error| self.server.io(&error))?))
    }

    async fn greet(&self, mut connection: Connection, with_table: bool) -> Result<Connected, Error> {
        let mut out = vec![];
        let mut hello: Vec<&[u8]> = vec![b"HELLO", b"3"];
        let password = match &self.resource.password_file {
            Some(path) => Some(password::read(path).map_err(|problem| self.server.unavailable(&problem))?),
            None => None,
        };
        if let Some(password) = &password {
            hello.extend([b"AUTH".as_slice(), self.server.user.as_bytes(), password]);
        }
        hello.extend([b"SETNAME".as_slice(), b"hostler-task"]);
        resp::encode(&mut out, &hello);
        let mut names = vec!["hello"];
        if self.address.database != 0 {
            resp::encode(&mut out, &["SELECT".to_owned(), self.address.database.to_string()]);
            names.push("select");
        }
        if with_table {
            resp::encode(&mut out, &["COMMAND"]);
            names.push("command");
        }
        let exchange = connection.exchange(&out, names.len(), Allowance::default()).await;
        let replies = exchange.map_err(|broken| self.refused(&broken))?.replies;
        let mut replies = replies.into_iter().zip(names).map(|(reply, name)| self.checked(reply, name));
        let mut next = || replies.next().unwrap_or_else(|| Err(self.server.unavailable("it did not answer whole")));
        let version = self.version(&next()?)?;
        if self.address.database != 0 {
            next()?;
        }
        let table = if with_table {
            let table = table::read(&next()?);
            Some(Arc::new(table.ok_or_else(|| self.server.unavailable("its command table cannot be read"))?))
        } else {
            None
        };
        Ok(Connected { connection, version, table })
    }

    fn checked(&self, reply: Vec<Node>, name: &str) -> Result<Vec<Node>, Error> {
        if let ("hello", [Node::Failure(text)]) = (name, reply.as_slice())
            && (text.contains("unknown command") || text.starts_with("NOPROTO"))
        {
            return Err(self.server.unavailable("it is older than Redis 6 and does not speak RESP3"));
        }
        self.server.checked(reply, name)
    }

    /// The version, of a server that stands by itself.
    fn version(&self, hello: &[Node]) -> Result<String, Error> {
        let tree = Tree::of(hello);
        let said = |name: &str| tree.as_ref().and_then(|tree| tree.get(name)).and_then(Tree::text);
        match said("mode").as_deref() {
            Some("cluster") => Err(self.server.unavailable(
                "it is a node of a cluster, and a resource is one server that has its keys to itself; bind a server \
                 with cluster-enabled no",
            )),
            Some("sentinel") => Err(self.server.unavailable(
                "it is a sentinel; write the address of the Redis server itself, or a name that leads to it",
            )),
            _ => said("version").ok_or_else(|| self.server.unavailable("it does not answer as Redis does")),
        }
    }

    fn refused(&self, broken: &Broken) -> Error {
        self.server.broken(broken)
    }
}
