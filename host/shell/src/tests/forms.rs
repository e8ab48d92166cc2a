use hostler_capability::{Error, Mode};
use hostler_configuration::ProgramResource;
use hostler_manifest::{Access, Effect};
use hostler_world::shell::{Argument, Outcome, OutputTarget};

use super::support::{Bench, command, program};

fn denial(error: Error) -> (String, String) {
    match error {
        Error::Denied(denial) => (denial.operation, denial.rule),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_granted_form_runs_and_another_is_refused() {
    let run = Bench::new(Mode::Check).program("echo", program("/bin/echo", &[&["-n", "{text}"]], Effect::Reads)).run();
    let completed = run.completed(command("echo", &["-n", "a b  $HOME;`id`"])).await;
    assert_eq!((completed.exit_code, completed.stdout.as_slice()), (Some(0), b"a b  $HOME;`id`".as_slice()));
    let (operation, rule) = denial(run.call(command("echo", &["-n", "-e"])).await.expect_err("an option"));
    assert!(!operation.contains("-e") && rule.contains("{text}"), "{operation} {rule}");
    let (_, rule) = denial(run.call(command("rm", &["x"])).await.expect_err("it is not bound"));
    assert_eq!(rule, "no program is bound to this request");
    let lines = run.lines();
    assert!(
        lines.iter().any(|line| line.starts_with("Allowed echo | echo -n {text} | program.echo allow[0]")),
        "{lines:?}"
    );
    assert!(
        lines.iter().any(|line| line.starts_with("Done echo"))
            && lines.iter().any(|line| line.starts_with("Denied rm"))
    );
    assert!(!lines.concat().contains("$HOME"), "parameters stay out of the record");
}

#[tokio::test]
async fn a_changing_form_is_planned_in_check_mode_and_granted_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    let marker = directory.path().join("marker");
    let touch = || program("/usr/bin/touch", &[&["{text}"]], Effect::Changes);
    let off = || ProgramResource { confine: hostler_configuration::Confinement::Off, ..touch() };
    let call = || command("touch", &[marker.to_str().expect("UTF-8")]);

    let check = Bench::new(Mode::Check).program("touch", off()).run();
    assert!(matches!(check.call(call()).await, Ok(Outcome::Planned)));
    assert!(!marker.exists());
    let plan = check.context.plan();
    let effect = &plan.effects().next().expect("one effect").effect;
    assert_eq!((effect.operation.as_str(), effect.object.as_str()), ("touch {text}", "program.touch"));

    let reading = Bench::new(Mode::Apply)
        .bound(
            "touch",
            hostler_capability::Resource::Program(off()),
            hostler_capability::Grant::Program { changes: false },
        )
        .run();
    assert!(denial(reading.call(call()).await.expect_err("it changes")).1.contains("reading forms alone"));
    assert!(!marker.exists());

    let apply = Bench::new(Mode::Apply).program("touch", off()).run();
    assert_eq!(apply.completed(call()).await.exit_code, Some(0));
    assert!(marker.exists());
    assert_eq!(apply.context.plan().effects().next().expect("one effect").outcome, "applied");
    assert!(apply.client.spawn(call()).await.is_err_and(|error| denial(error).1.contains("spawn is for reading")));
}

#[tokio::test]
async fn stdout_to_a_file_is_a_change_whatever_the_form() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = |mode| {
        Bench::new(mode)
            .directory("out", directory.path(), Access::Write, false)
            .program("echo", program("/bin/echo", &[&["{text}"]], Effect::Reads))
            .run()
    };
    let target = || OutputTarget::File("/out/said".into());
    let outcome = bench(Mode::Check).client.run(command("echo", &["hello"]), None, target()).await;
    assert!(matches!(outcome, Ok(Outcome::Planned)));
    assert!(std::fs::read_dir(directory.path()).expect("it is there").next().is_none());
    let outcome = bench(Mode::Apply).client.run(command("echo", &["hello"]), None, target()).await;
    let Ok(Outcome::Completed(completed)) = outcome else { panic!("{outcome:?}") };
    assert!(completed.stdout.is_empty());
    assert_eq!(std::fs::read(directory.path().join("said")).expect("it was written"), b"hello\n");
    let digest = completed.sha256.expect("it was hashed").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(digest, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
}

#[tokio::test]
async fn paths_are_opened_below_what_is_bound() {
    let directory = tempfile::tempdir().expect("a directory");
    let outside = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("a"), "inside").expect("a file");
    std::fs::write(outside.path().join("b"), "outside").expect("a file");
    std::os::unix::fs::symlink(outside.path().join("b"), directory.path().join("link")).expect("a link");
    std::os::unix::fs::symlink(outside.path(), directory.path().join("way")).expect("a link");
    let run = Bench::new(Mode::Check)
        .directory("data", directory.path(), Access::Read, false)
        .program("cat", program("/bin/cat", &[&["{path}"]], Effect::Reads))
        .run();
    let cat = |path: &str| {
        let mut call = command("cat", &[]);
        call.arguments = vec![Argument::Path(path.into())];
        run.call(call)
    };
    let Ok(Outcome::Completed(completed)) = cat("/data/a").await else { panic!("it is there") };
    assert_eq!(completed.stdout, b"inside");
    for path in ["/data/link", "/data/way/b", "/data/../b", "/other/a", "/etc/passwd", "data/a", "/data/missing"] {
        let refused = cat(path).await.expect_err(path);
        assert!(!format!("{refused:?}").contains(outside.path().to_str().expect("UTF-8")), "{refused:?}");
        assert!(!format!("{refused:?}").contains(directory.path().to_str().expect("UTF-8")), "{refused:?}");
    }
    let text = directory.path().join("a");
    assert!(run.call(command("cat", &[text.to_str().expect("UTF-8")])).await.is_err(), "text is no path");
}

#[tokio::test]
async fn the_environment_is_the_operators_and_what_the_grant_names() {
    let mut env = program("/usr/bin/env", &[&[]], Effect::Reads);
    env.environment = vec!["MODE".into()];
    env.variables.insert("ZONE".into(), "north".into());
    let run = Bench::new(Mode::Check).program("env", env).run();
    let mut call = command("env", &[]);
    call.environment = vec![("MODE".into(), "quick".into())];
    let completed = run.completed(call.clone()).await;
    let mut variables: Vec<String> = String::from_utf8_lossy(&completed.stdout).lines().map(str::to_owned).collect();
    variables.sort();
    assert_eq!(
        variables,
        ["HOME=/tmp", "LANG=C.UTF-8", "MODE=quick", "PATH=/usr/local/bin:/usr/bin:/bin", "PWD=/", "ZONE=north"]
    );
    call.environment = vec![("LD_PRELOAD".into(), "/x".into())];
    assert!(denial(run.call(call).await.expect_err("it is not granted")).1.contains("LD_PRELOAD"));
}

#[tokio::test]
async fn a_directory_that_the_task_writes_is_no_working_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    for (access, trust, allowed) in
        [(Access::Read, false, true), (Access::Write, false, false), (Access::Write, true, true)]
    {
        let run = Bench::new(Mode::Check)
            .directory("work", directory.path(), access, trust)
            .program("pwd", program("/bin/pwd", &[&[]], Effect::Reads))
            .run();
        let mut call = command("pwd", &[]);
        call.working_directory = Some("/work".into());
        match run.call(call).await {
            Ok(Outcome::Completed(completed)) if allowed => assert_eq!(completed.stdout, b"/work\n"),
            Err(error) if !allowed => assert!(denial(error).1.contains("trust_contents = true")),
            other => panic!("{access:?} {trust}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_said_by_its_name() {
    let run = Bench::new(Mode::Check).program("gone", program("/usr/bin/no-such-program", &[&[]], Effect::Reads)).run();
    let error = run.call(command("gone", &[])).await.expect_err("it is not there");
    assert!(
        matches!(&error, Error::Unavailable(words) if words == "program.gone: the program is not there"),
        "{error:?}"
    );
}
