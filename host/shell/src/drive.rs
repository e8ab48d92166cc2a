//! A program from its start to its end: fed, drained, waited for, and ended where it may not go on.

use std::time::{Duration, Instant};

use hostler_capability::{Error, RunContext};
use tokio::{io::AsyncWriteExt, net::unix::pipe, process::ChildStdin, sync::mpsc};

use crate::{
    process::{Ended, Process},
    sink::{Drained, MESSAGES, Sink, drain},
};

/// How long a program has between being asked to end and being ended.
const GRACE: Duration = Duration::from_secs(5);
/// How long outputs are read on after the end: somebody else may have inherited them.
const TAIL: Duration = Duration::from_secs(2);

/// What a program did.
pub(crate) struct Done {
    pub(crate) ended: Ended,
    pub(crate) stdout: Drained,
    pub(crate) stderr: Drained,
    pub(crate) duration: Duration,
}

/// Why it was ended before its time.
enum Interruption {
    TimedOut,
    Stopped,
    Unread,
}

/// Drives a program to its end.
///
/// # Errors
/// `timed-out`, `stopped`, or that an output could not be taken.
pub(crate) async fn drive(
    mut process: Process,
    status: Option<pipe::Receiver>,
    stdin: Option<mpsc::Receiver<Vec<u8>>>,
    sink: Sink,
    limit: Duration,
    context: &RunContext,
) -> Result<Done, Error> {
    let started = Instant::now();
    let (input, output, messages) = process.take_pipes();
    let (mut stdout, mut stderr) = (Drained::default(), Drained::default());
    let streaming = match &sink {
        Sink::Stream(sender, _) => Some(sender.clone()),
        _ => None,
    };
    let slow = streaming.is_some();
    let listening = process.listen(status);
    let interrupted = {
        let process = &process;
        let drained = async {
            tokio::join!(
                drain(output, sink, context, &mut stdout),
                drain(messages, Sink::Capture(MESSAGES), context, &mut stderr),
                listening,
            )
        };
        let fed = async {
            tokio::select! {
                () = feed(input, stdin) => process.exited().await,
                () = process.exited() => {}
            }
            process.kill();
        };
        let work = async {
            tokio::pin!(drained);
            tokio::pin!(fed);
            // An output that was given up (a full disk) ends the program by the next that it writes there.
            let all = tokio::select! {
                () = &mut fed => false,
                _ = &mut drained => true,
            };
            if all {
                fed.await;
            } else if slow {
                drained.await;
            } else {
                let _ = tokio::time::timeout(TAIL, drained).await;
            }
        };
        tokio::pin!(work);
        let unread = async {
            match &streaming {
                Some(sender) => sender.closed().await,
                None => std::future::pending().await,
            }
        };
        let interrupted = tokio::select! {
            () = &mut work => None,
            () = tokio::time::sleep(limit) => Some(Interruption::TimedOut),
            _ = context.stop.wait() => Some(Interruption::Stopped),
            () = unread => Some(Interruption::Unread),
        };
        if interrupted.is_some() {
            process.terminate();
            if tokio::time::timeout(GRACE, &mut work).await.is_err() {
                process.kill();
                let _ = tokio::time::timeout(TAIL, process.exited()).await;
            }
        }
        interrupted
    };
    let ended =
        process.reap().await.map_err(|error| Error::Unavailable(format!("its end was lost: {}", error.kind())))?;
    match interrupted {
        Some(Interruption::TimedOut) => {
            return Err(Error::TimedOut(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)));
        }
        Some(Interruption::Stopped) => return Err(Error::Stopped),
        Some(Interruption::Unread) | None => {}
    }
    if let Some(problem) = stdout.problem.take() {
        return Err(problem);
    }
    Ok(Done { ended, stdout, stderr, duration: started.elapsed() })
}

/// Hands a plugin's bytes on until it has no more, or the program takes no more.
async fn feed(input: Option<ChildStdin>, stdin: Option<mpsc::Receiver<Vec<u8>>>) {
    let (Some(mut input), Some(mut stdin)) = (input, stdin) else { return };
    while let Some(chunk) = stdin.recv().await {
        if input.write_all(&chunk).await.is_err() {
            return;
        }
    }
    let _ = input.shutdown().await;
}
