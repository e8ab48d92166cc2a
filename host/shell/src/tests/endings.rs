use std::time::{Duration, Instant};

use hostler_capability::{Error, Mode, StopReason};
use hostler_configuration::Confinement;
use hostler_manifest::Effect;
use hostler_world::shell::{Outcome, OutputTarget};

use super::support::{Bench, command, eventually, processes_with};

const MODES: [Confinement; 2] = [Confinement::Strict, Confinement::Off];

#[tokio::test]
async fn codes_and_signals_are_told() {
    for confine in MODES {
        let run = Bench::new(Mode::Apply).script(confine, Effect::Changes).run();
        let completed = run.completed(command("script", &["-c", "echo out; echo err >&2; exit 3"])).await;
        assert_eq!((completed.exit_code, completed.signal), (Some(3), None));
        assert_eq!(
            (completed.stdout.as_slice(), completed.stderr.as_slice()),
            (b"out\n".as_slice(), b"err\n".as_slice())
        );
        let completed = run.completed(command("script", &["-c", "kill -USR1 $$"])).await;
        assert_eq!((completed.exit_code, completed.signal), (None, Some(10)), "{confine:?}");
        let outcomes: Vec<String> = run.context.plan().effects().map(|effect| effect.outcome.clone()).collect();
        assert!(outcomes.iter().all(|outcome| outcome.starts_with("failed")), "{outcomes:?}");
    }
}

#[tokio::test]
async fn a_time_limit_ends_the_program_and_all_it_started() {
    for (confine, mark) in MODES.into_iter().zip(["7654.321", "7654.322"]) {
        let run = Bench::new(Mode::Apply).script(confine, Effect::Changes).run();
        let mut call = command("script", &["-c", &format!("sleep {mark} & sleep {mark}")]);
        call.timeout_ms = Some(700);
        let started = Instant::now();
        let error = run.call(call).await.expect_err("it sleeps");
        assert!(matches!(error, Error::TimedOut(700)), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        eventually("all ended", || processes_with(mark).is_empty()).await;
    }
}

#[tokio::test]
async fn a_program_is_asked_first_and_ended_after_that() {
    for confine in MODES {
        let run = Bench::new(Mode::Apply).script(confine, Effect::Changes).run();
        let mut call = command("script", &["-c", "trap '' TERM; while :; do sleep 0.1; done"]);
        call.timeout_ms = Some(300);
        let started = Instant::now();
        assert!(run.call(call).await.is_err());
        let took = started.elapsed();
        assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(9), "{confine:?} {took:?}");
    }
}

#[tokio::test]
async fn a_request_to_stop_ends_it() {
    for confine in MODES {
        let run = Bench::new(Mode::Apply).script(confine, Effect::Changes).run();
        let context = run.context.clone();
        let stopping = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            context.stop.request(StopReason::Interrupted);
        };
        let started = Instant::now();
        let (outcome, ()) = tokio::join!(run.call(command("script", &["-c", "sleep 60"])), stopping);
        assert!(matches!(outcome, Err(Error::Stopped)), "{outcome:?}");
        assert!(started.elapsed() < Duration::from_secs(4));
    }
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_running() {
    for (confine, mark) in MODES.into_iter().zip(["7654.331", "7654.332"]) {
        let run = Bench::new(Mode::Apply).script(confine, Effect::Changes).run();
        let call = run.call(command("script", &["-c", &format!("sleep {mark} & sleep {mark}")]));
        assert!(tokio::time::timeout(Duration::from_millis(700), call).await.is_err());
        eventually("all ended", || processes_with(mark).is_empty()).await;
        assert!(run.lines().iter().any(|line| line.starts_with("Cancelled")));
    }
}

#[tokio::test]
async fn long_output_is_cut_and_the_program_goes_on() {
    let run = Bench::new(Mode::Apply).script(Confinement::Strict, Effect::Changes).run();
    let script = "head -c 20000000 /dev/zero; head -c 3000000 /dev/zero >&2; echo the end >&2; exit 4";
    let completed = run.completed(command("script", &["-c", script])).await;
    assert_eq!(completed.exit_code, Some(4));
    assert!(completed.truncated);
    assert_eq!((completed.stdout.len(), completed.stderr.len()), (16 << 20, 1 << 20));
}

#[tokio::test]
async fn stdin_is_fed_and_ends() {
    for confine in MODES {
        let run = Bench::new(Mode::Apply).script(confine, Effect::Changes).run();
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        let feeding = async move {
            for _ in 0..64 {
                sender.send(vec![b'x'; 64 * 1024]).await.expect("it is read");
            }
        };
        let call = run.client.run(command("script", &["-c", "wc -c"]), Some(receiver), OutputTarget::Capture);
        let (outcome, ()) = tokio::join!(call, feeding);
        let Ok(Outcome::Completed(completed)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(completed.stdout, b"4194304\n");
        // One that does not read ends all the same.
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        let call = run.client.run(command("script", &["-c", "exit 0"]), Some(receiver), OutputTarget::Capture);
        assert!(matches!(call.await, Ok(Outcome::Completed(completed)) if completed.exit_code == Some(0)));
        drop(sender);
    }
}

#[tokio::test]
async fn what_a_program_leaves_in_the_background_does_not_hold_its_call() {
    for (confine, mark) in MODES.into_iter().zip(["7654.341", "7654.342"]) {
        let run = Bench::new(Mode::Apply).script(confine, Effect::Changes).run();
        let started = Instant::now();
        let completed = run.completed(command("script", &["-c", &format!("sleep {mark} & echo done")])).await;
        assert_eq!(completed.stdout, b"done\n");
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        eventually("all ended", || processes_with(mark).is_empty()).await;
    }
}
