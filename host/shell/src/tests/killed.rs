//! A host that is killed leaves no program behind: tried on a host of its own, a second process of this test.

use std::process::{Command as Process, Stdio};

use hostler_capability::Mode;
use hostler_configuration::Confinement;
use hostler_manifest::Effect;

use super::support::{Bench, command, eventually, processes_with};

const VARIABLE: &str = "HOSTLER_SHELL_TEST_MARK";

/// The host of its own: starts a program and waits for it.
#[tokio::test]
#[ignore = "started by the other test, as the host that is killed"]
async fn host() {
    let Ok(mark) = std::env::var(VARIABLE) else { return };
    let (confine, bench) = match mark.rsplit_once('.') {
        Some((_, "1")) => (Confinement::Strict, Bench::new(Mode::Apply)),
        Some((_, "2")) => (Confinement::BestEffort, Bench::new(Mode::Apply).without_bubblewrap()),
        _ => (Confinement::Off, Bench::new(Mode::Apply)),
    };
    let run = bench.script(confine, Effect::Changes).run();
    run.completed(command("script", &["-c", &format!("sleep {mark} & sleep {mark}; true")])).await;
}

#[tokio::test]
async fn a_killed_host_leaves_no_program() {
    for mark in ["8765.1", "8765.2", "8765.3"] {
        let mut host = Process::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "tests::killed::host", "--ignored", "--nocapture"])
            .env(VARIABLE, mark)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a second process of this test");
        eventually("both sleep", || processes_with(mark).len() >= 2).await;
        host.kill().expect("SIGKILL");
        host.wait().expect("it is dead");
        eventually("neither sleeps", || processes_with(mark).is_empty()).await;
    }
}

/// bubblewrap asks to end with its parent only once its walls stand: a host that dies before is seen by another.
#[tokio::test]
async fn a_host_that_is_killed_while_a_program_starts_leaves_none() {
    for round in 0..12 {
        let mark = format!("876{round}5.1");
        let mut host = Process::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "tests::killed::host", "--ignored", "--nocapture"])
            .env(VARIABLE, &mark)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a second process of this test");
        let script = format!("sleep {mark} & sleep {mark}; true");
        while processes_with(&script).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(round)).await;
        host.kill().expect("SIGKILL");
        host.wait().expect("it is dead");
        eventually("nothing of it runs", || processes_with(&mark).is_empty() && processes_with(&script).is_empty())
            .await;
    }
}
