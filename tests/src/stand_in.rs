//! Stand-ins for what a real server cannot be made to do at a chosen moment: to accept and say nothing, and to break off
//! or fall silent in the middle of an answer. The latter stands between the host and a real server, whose answer it is.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

/// Listens on a port of its own until dropped.
pub struct StandIn {
    /// Its port on 127.0.0.1.
    pub port: u16,
    passed: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

/// What happens once so many bytes of the server's have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Every connection is closed, and each new one at once.
    Close(u64),
    /// Nothing more passes.
    Silence(u64),
}

impl StandIn {
    /// Accepts, and never says a word.
    ///
    /// # Panics
    /// Where there is no port.
    pub fn silent() -> Self {
        let kept = Mutex::new(Vec::new());
        Self::listen(move |stream, _| kept.lock().expect("no panic").push(stream))
    }

    /// Hands on what a real server on `port` says, up to a point.
    ///
    /// # Panics
    /// Where there is no port.
    pub fn before(port: u16, after: After) -> Self {
        Self::listen(move |client, passed| {
            let (After::Close(limit) | After::Silence(limit)) = after;
            if after == After::Close(limit) && passed.load(Ordering::SeqCst) >= limit {
                return;
            }
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
            let (Ok(from_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else { return };
            thread::spawn(move || pass(from_client, to_server));
            let passed = passed.clone();
            thread::spawn(move || hand_on(server, client, &passed, after));
        })
    }

    /// How many bytes of the server's have passed.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    fn listen(mut serve: impl FnMut(TcpStream, &Arc<AtomicU64>) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (passed, ended): (Arc<AtomicU64>, Arc<AtomicBool>) = Default::default();
        let (counted, over) = (passed.clone(), ended.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                serve(stream, &counted);
            }
        });
        Self { port, passed, ended }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the listener, which then lets go of all that it holds.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// What the host says goes on as it is.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// What the server says goes on until so much has.
fn hand_on(mut server: TcpStream, mut client: TcpStream, passed: &AtomicU64, after: After) {
    let (After::Close(limit) | After::Silence(limit)) = after;
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = server.read(&mut buffer) {
        let before = passed.fetch_add(read as u64, Ordering::SeqCst);
        let left = usize::try_from(limit.saturating_sub(before)).unwrap_or(usize::MAX);
        if client.write_all(&buffer[..read.min(left)]).is_err() {
            break;
        }
        if left < read {
            match after {
                After::Close(_) => break,
                // The server is heard on, so that it does not wait either; the client hears no more.
                After::Silence(_) => {}
            }
        }
    }
    if matches!(after, After::Close(_)) {
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    }
}
