//! The one thread that starts programs.
//!
//! The kernel ties a child's death to the *thread* that started it, and threads of a runtime come and go. This one
//! stays as long as the process.

use std::{
    io,
    sync::{Mutex, OnceLock, PoisonError, mpsc},
};

use tokio::{
    process::{Child, Command},
    runtime::Handle,
    sync::oneshot,
};

struct Job {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

static THREAD: OnceLock<Mutex<mpsc::Sender<Job>>> = OnceLock::new();

/// Starts a program from the thread that stays.
///
/// # Errors
/// What the system says.
pub(crate) async fn spawn(command: Command) -> io::Result<Child> {
    let (reply, answer) = oneshot::channel();
    let gone = || io::Error::other("the thread that starts programs is gone");
    let job = Job { command, runtime: Handle::current(), reply };
    queue()?.lock().unwrap_or_else(PoisonError::into_inner).send(job).map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?
}

fn queue() -> io::Result<&'static Mutex<mpsc::Sender<Job>>> {
    if let Some(queue) = THREAD.get() {
        return Ok(queue);
    }
    let (sender, jobs) = mpsc::channel();
    std::thread::Builder::new().name("programs".into()).spawn(move || work(&jobs))?;
    // Where two threads come here at once, the second's own ends with its sender.
    Ok(THREAD.get_or_init(|| Mutex::new(sender)))
}

fn work(jobs: &mpsc::Receiver<Job>) {
    while let Ok(Job { mut command, runtime, reply }) = jobs.recv() {
        let _inside = runtime.enter();
        // The caller may have gone meanwhile: then the child is dropped here, and killed with it.
        let _ = reply.send(command.spawn());
    }
}
