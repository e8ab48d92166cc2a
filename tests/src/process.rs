//! Processes: the host under test, held so that it never outlives its test, and those that it started.

use std::{
    fs,
    io::Read,
    process::Child,
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub use rustix::process::Signal;

use crate::Output;

/// A command under way, killed when dropped.
pub struct Running {
    child: Child,
    said: Option<[JoinHandle<String>; 2]>,
}

impl Running {
    /// Reads what it says from the beginning, so that it never waits for a reader.
    pub(crate) fn new(mut child: Child) -> Self {
        let stdout = child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        let stderr = child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        let said = [stdout, stderr].map(|stream| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                stream.expect("it is piped").read_to_end(&mut bytes).expect("it is read");
                String::from_utf8_lossy(&bytes).into_owned()
            })
        });
        Self { child, said: Some(said) }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to it alone.
    ///
    /// # Panics
    /// Where it is gone.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process");
        rustix::process::kill_process(pid, signal).expect("it is there");
    }

    /// Whether it has not ended.
    ///
    /// # Panics
    /// Where nobody can say.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it does not end within `limit`.
    pub fn end_within(mut self, limit: Duration) -> Output {
        let until = Instant::now() + limit;
        while self.is_running() {
            assert!(Instant::now() < until, "it has not ended within {limit:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        let said = self.said.take().expect("it is asked once");
        let [stdout, stderr] = said.map(|said| said.join().expect("it was read"));
        Output { code: self.child.wait().expect("it ended").code().unwrap_or(-1), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processes of this machine with this argument, whatever namespace they are in.
///
/// # Panics
/// Where /proc cannot be read.
pub fn processes_with(argument: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has = |id: &u32| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes())
    };
    numbers.filter(has).collect()
}
