//! What a program finds around itself without asking anybody: here, what the standard library reaches by WASI.

use std::{
    fs,
    net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket},
};

use hostler_sdk::prelude::*;
use serde_json::{Value, json};

/// One look or write.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Call {
    Variables,
    Arguments,
    CurrentDirectory,
    List { path: String },
    Read { path: String },
    Write { path: String, text: String },
    Link { target: String, path: String },
    StandardInput,
    Connect { address: String },
    Listen { address: String },
    Datagram { address: String },
    Resolve { name: String },
}

impl Call {
    pub(crate) fn make(self) -> Result<Value, TaskError> {
        let failed = |error: std::io::Error| TaskError::new(error.to_string());
        match self {
            Self::Variables => Ok(json!(std::env::vars().collect::<Vec<_>>())),
            Self::Arguments => Ok(json!(std::env::args().collect::<Vec<_>>())),
            Self::CurrentDirectory => Ok(json!(std::env::current_dir().map_err(failed)?)),
            Self::List { path } => {
                let entries = fs::read_dir(path).map_err(failed)?.flatten();
                Ok(json!(entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()))
            }
            Self::Read { path } => Ok(json!(fs::read_to_string(path).map_err(failed)?)),
            Self::Write { path, text } => fs::write(path, text).map(|()| json!(null)).map_err(failed),
            #[allow(deprecated, reason = "the call that WASI has")]
            Self::Link { target, path } => fs::soft_link(target, path).map(|()| json!(null)).map_err(failed),
            Self::StandardInput => {
                let mut text = String::new();
                std::io::Read::read_to_string(&mut std::io::stdin(), &mut text).map_err(failed)?;
                Ok(json!(text))
            }
            Self::Connect { address } => TcpStream::connect(address).map(|_| json!(null)).map_err(failed),
            Self::Listen { address } => TcpListener::bind(address).map(|_| json!(null)).map_err(failed),
            Self::Datagram { address } => {
                let socket = UdpSocket::bind("0.0.0.0:0").map_err(failed)?;
                socket.send_to(b"sesame", address).map(|sent| json!(sent)).map_err(failed)
            }
            Self::Resolve { name } => {
                let addresses = (name.as_str(), 80).to_socket_addrs().map_err(failed)?;
                Ok(json!(addresses.map(|address| address.to_string()).collect::<Vec<_>>()))
            }
        }
    }
}
