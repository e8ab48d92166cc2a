//! The audit's head in the system's journal at each run's end: a place that the host's own user cannot write anew.
//!
//! The journal's native protocol is one datagram of `NAME=value` lines. Where there is no journal, or it does not take
//! the datagram at once, nothing is lost but this copy: the history has the head too.

use std::{io, os::unix::net::UnixDatagram, path::Path};

/// Where systemd's journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// Tells the journal what the audit ended with when a run did.
///
/// # Errors
/// Where there is no journal, or it does not take it.
pub(crate) fn tell(run: &str, head: &str, lines: u64) -> io::Result<()> {
    tell_at(Path::new(SOCKET), run, head, lines)
}

fn tell_at(socket: &Path, run: &str, head: &str, lines: u64) -> io::Result<()> {
    let text = format!(
        "MESSAGE=run {run} ended; the audit has {lines} lines, and the hash of the last is {head}\nPRIORITY=6\n\
         SYSLOG_IDENTIFIER=hostler\nHOSTLER_RUN={run}\nHOSTLER_AUDIT_LINES={lines}\nHOSTLER_AUDIT_HEAD={head}\n"
    );
    let datagram = UnixDatagram::unbound()?;
    datagram.set_nonblocking(true)?;
    datagram.send_to(text.as_bytes(), socket).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket stands in for the journal's: what journald makes of the datagram is its own.
    #[test]
    fn the_head_is_told_and_a_journal_that_is_not_there_holds_nobody_up() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let journal = UnixDatagram::bind(&path).expect("a socket");
        tell_at(&path, "20261123T224856-597bd715", "abc", 12).expect("it is taken");
        let mut bytes = [0; 1024];
        let length = journal.recv(&mut bytes).expect("it came");
        let text = std::str::from_utf8(&bytes[..length]).expect("text");
        assert!(text.lines().all(|line| line.split_once('=').is_some_and(|(name, _)| !name.is_empty())), "{text}");
        for line in ["HOSTLER_RUN=20261123T224856-597bd715", "HOSTLER_AUDIT_LINES=12", "HOSTLER_AUDIT_HEAD=abc"] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
        // Nobody reads: the queue is full at some time, and the run goes on.
        assert!((0..100_000).any(|_| tell_at(&path, "run", "abc", 12).is_err()));
        drop(journal);
        std::fs::remove_file(&path).expect("it is there");
        assert!(tell_at(&path, "run", "abc", 12).is_err());
    }
}
