use std::{os::unix::fs::MetadataExt, path::Path};

use hostler_capability::{Error, Mode};
use hostler_configuration::Confinement;
use hostler_manifest::{Access, Effect};
use hostler_world::shell::{Argument, Command, Outcome, OutputTarget};

use super::support::{Bench, Run, command};

fn bench(mode: Mode, path: &Path, confine: Confinement) -> Run {
    Bench::new(mode).directory("out", path, Access::Write, false).script(confine, Effect::Changes).run()
}

fn making(script: &str) -> Command {
    let mut call = command("script", &["-c", script]);
    call.arguments.push(Argument::Path("/out/made".into()));
    call
}

/// The last form alone: the first takes any path.
fn output_bench(mode: Mode, path: &Path, confine: Confinement) -> Run {
    let mut resource = super::support::program("/bin/sh", &[&["-c", "{text}", "{output}"]], Effect::Changes);
    resource.confine = confine;
    Bench::new(mode).directory("out", path, Access::Write, false).program("script", resource).run()
}

fn entries(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .expect("it is there")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_a_program_makes_appears_whole_when_it_ended_well() {
    for confine in [Confinement::Strict, Confinement::Off] {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("sibling"), "s").expect("a file");
        let run = output_bench(Mode::Apply, directory.path(), confine);
        let failing = run.completed(making("echo half > $0; exit 1")).await;
        assert_eq!(failing.exit_code, Some(1));
        assert_eq!(entries(directory.path()), ["sibling"]);
        let completed = run.completed(making("echo whole > $0; echo $0")).await;
        assert_eq!(completed.exit_code, Some(0), "{}", String::from_utf8_lossy(&completed.stderr));
        assert_eq!(completed.stdout, b"/out/made\n", "the plugin reads its own path");
        assert_eq!(std::fs::read(directory.path().join("made")).expect("it was made"), b"whole\n");
        run.completed(making("echo again > $0")).await;
        assert_eq!(std::fs::read(directory.path().join("made")).expect("it was made"), b"again\n");
        assert_eq!(entries(directory.path()), ["made", "sibling"]);
        let effects: Vec<_> = run.context.plan().effects().cloned().collect();
        assert_eq!(effects[1].effect.object, "/out/made");
        assert_eq!(effects[1].effect.operation, "script -c {text} {output}");
        assert_eq!(
            (effects[0].outcome.as_str().split(':').next(), effects[1].outcome.as_str()),
            (Some("failed"), "applied")
        );
    }
}

#[tokio::test]
async fn a_directory_is_made_whole_and_replaces_none() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = output_bench(Mode::Apply, directory.path(), Confinement::Strict);
    let completed = run.completed(making("mkdir $0 && mkdir $0/a && echo x > $0/a/b")).await;
    assert_eq!(completed.exit_code, Some(0));
    assert_eq!(std::fs::read(directory.path().join("made/a/b")).expect("it was made"), b"x\n");
    let error = run.call(making("mkdir $0 && echo y > $0/b")).await.expect_err("one is there");
    assert!(matches!(&error, Error::Failed(failure) if failure.code == "EEXIST"), "{error:?}");
    assert_eq!(entries(directory.path()), ["made"]);
    assert_eq!(std::fs::read(directory.path().join("made/a/b")).expect("the first stands"), b"x\n");
}

#[tokio::test]
async fn a_program_touches_no_sibling_of_its_output() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("precious"), "p").expect("a file");
    let run = output_bench(Mode::Apply, directory.path(), Confinement::Strict);
    let script = "cd $(dirname $0)/.. && rm -rf precious; ls; echo x > beside; echo x > $0; exit 0";
    let completed = run.completed(making(script)).await;
    assert!(!String::from_utf8_lossy(&completed.stdout).contains("precious"));
    assert_eq!(entries(directory.path()), ["made", "precious"]);
}

#[tokio::test]
async fn links_and_nothing_are_no_outputs() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = output_bench(Mode::Apply, directory.path(), Confinement::Strict);
    for (script, code) in [("ln -s /etc/passwd $0", "EINVAL"), ("mkfifo $0", "EINVAL"), ("true", "ENOENT")] {
        let error = run.call(making(script)).await.expect_err(script);
        assert!(matches!(&error, Error::Failed(failure) if failure.code == code), "{script}: {error:?}");
        assert!(entries(directory.path()).is_empty());
    }
}

#[tokio::test]
async fn an_output_needs_a_directory_that_is_written_and_is_planned_in_check_mode() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = output_bench(Mode::Check, directory.path(), Confinement::Strict);
    assert!(matches!(run.call(making("echo x > $0")).await, Ok(Outcome::Planned)));
    assert!(entries(directory.path()).is_empty());
    let mut resource = super::support::program("/bin/sh", &[&["-c", "{text}", "{output}"]], Effect::Changes);
    resource.confine = Confinement::Strict;
    let read = Bench::new(Mode::Apply)
        .directory("out", directory.path(), Access::Read, false)
        .program("script", resource)
        .run();
    assert!(matches!(read.call(making("echo x > $0")).await, Err(Error::Denied(_))));
}

#[tokio::test]
async fn a_failing_program_leaves_no_file_of_its_stdout() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = bench(Mode::Apply, directory.path(), Confinement::Strict);
    let target = || OutputTarget::File("/out/said".into());
    let outcome = run.client.run(command("script", &["-c", "echo half; exit 2"]), None, target()).await;
    assert!(matches!(outcome, Ok(Outcome::Completed(completed)) if completed.exit_code == Some(2)));
    assert!(entries(directory.path()).is_empty());
    let mut call = command("script", &["-c", "echo half; sleep 60"]);
    call.timeout_ms = Some(500);
    assert!(matches!(run.client.run(call, None, target()).await, Err(Error::TimedOut(500))));
    assert!(entries(directory.path()).is_empty());
    let outcome = run.client.run(command("script", &["-c", "head -c 5000000 /dev/zero"]), None, target()).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    let made = std::fs::metadata(directory.path().join("said")).expect("it was made");
    assert_eq!((made.len(), made.mode() & 0o7), (5_000_000, 0));
}

#[tokio::test]
async fn what_a_killed_host_left_is_taken_away_and_what_is_in_use_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let left = directory.path().join(".hostler-output-1-0");
    std::fs::create_dir_all(left.join("half/a")).expect("directories");
    std::fs::write(left.join("half/a/b"), "x").expect("a file");
    let used = directory.path().join(".hostler-output-1-1");
    std::fs::create_dir(&used).expect("a directory");
    let holder = std::fs::File::open(&used).expect("it is there");
    rustix::fs::flock(&holder, rustix::fs::FlockOperation::NonBlockingLockExclusive).expect("nobody holds it");
    let run = output_bench(Mode::Apply, directory.path(), Confinement::Strict);
    run.completed(making("echo x > $0")).await;
    assert_eq!(entries(directory.path()), [".hostler-output-1-1", "made"]);
}
