//! What went wrong, as the contract says it: with the resource's name, never with its address or its password.

use std::io;

use hostler_capability::{Error, failed};
use hostler_world::redis::Node;

use crate::{connection::Broken, resp::Unreadable, tls};

/// Of whom an error speaks.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// `redis.cache`.
    pub(crate) resource: String,
    /// The user by whom the host asks.
    pub(crate) user: String,
}

impl Server {
    pub(crate) fn unavailable(&self, problem: &str) -> Error {
        Error::Unavailable(format!("{}: {problem}", self.resource))
    }

    /// An exchange that broke.
    pub(crate) fn broken(&self, broken: &Broken) -> Error {
        match broken {
            Broken::Unreadable(Unreadable::TooLarge) => Error::Limit("reply_bytes".into()),
            Broken::Unreadable(Unreadable::Protocol) => {
                self.unavailable("it does not answer as Redis does; is another service there, or TLS (rediss://)?")
            }
            Broken::Closed { .. } => self.unavailable(&broken.to_string()),
            Broken::Io(error) => self.io(error),
        }
    }

    /// An error of the system's, without what it says of the address.
    pub(crate) fn io(&self, error: &io::Error) -> Error {
        if let Some(words) = tls::words(error) {
            return self.unavailable(words);
        }
        let words = match error.kind() {
            io::ErrorKind::ConnectionRefused => "nobody listens there (connection refused)",
            io::ErrorKind::NotFound => "there is no such socket",
            io::ErrorKind::PermissionDenied => "the socket may not be opened (permission denied)",
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no way to it",
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::UnexpectedEof => "it closed the connection",
            _ if error.raw_os_error().is_none() => "its name leads nowhere, or the connection failed",
            _ => return self.unavailable(&format!("the connection failed: {}", error.kind())),
        };
        self.unavailable(words)
    }

    /// An error reply of the server's. `command` is the command's name, for the hint.
    pub(crate) fn reply(&self, text: &str, command: &str) -> Error {
        let (code, message) = match text.split_once(' ') {
            Some((code, message)) if code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') => {
                (code, message)
            }
            _ => ("ERR", text),
        };
        let hint = match code {
            "NOPERM" if message.contains("key") => {
                Some(format!("on the server: ACL SETUSER {} ~PATTERN, for the keys that are granted", self.user))
            }
            "NOPERM" => Some(format!("on the server: ACL SETUSER {} +{command}", self.user)),
            "NOAUTH" => Some(format!("the server wants a password: write password_file in [{}]", self.resource)),
            "WRONGPASS" => {
                Some(format!("look at user and password_file in [{}], and at ACL LIST on the server", self.resource))
            }
            "LOADING" => Some("it reads its data set; try again later".into()),
            "READONLY" => Some("it is a replica; bind the resource of its master".into()),
            _ => None,
        };
        // These two hold another node's address.
        let message = match code {
            "MOVED" | "ASK" => "the key is on another node of a cluster; bind each node as a resource of its own",
            _ => message,
        };
        match failed(code, message) {
            Error::Failed(mut failure) => {
                failure.hint = hint;
                Error::Failed(failure)
            }
            other => other,
        }
    }

    /// The reply, or the error where it is one as a whole.
    pub(crate) fn checked(&self, reply: Vec<Node>, command: &str) -> Result<Vec<Node>, Error> {
        match reply.as_slice() {
            [Node::Failure(text)] => Err(self.reply(text, command)),
            _ => Ok(reply),
        }
    }

    /// Takes addresses out of a reply's errors.
    pub(crate) fn cleaned(&self, reply: &mut [Node]) {
        for node in reply {
            if let Node::Failure(text) = node
                && (text.starts_with("MOVED ") || text.starts_with("ASK "))
            {
                text.truncate(text.find(' ').unwrap_or_default());
                text.push_str(" the key is on another node of a cluster");
            }
        }
    }
}
