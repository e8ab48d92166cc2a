use std::path::Path;

use hostler_capability::{Error, Mode};
use hostler_configuration::{Confinement, ProgramResource};
use hostler_manifest::{Access, Effect};
use hostler_world::shell::{Argument, Outcome};

use super::support::{Bench, command, program};

#[tokio::test]
async fn a_program_sees_the_system_and_nothing_of_the_hosts() {
    let (directory, file) = (Path::new("/usr/share"), Path::new("/usr/lib/os-release"));
    assert!(std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) && file.is_file());
    let run = Bench::new(Mode::Apply)
        .hidden(directory)
        .hidden(file)
        .hidden(Path::new("/no/such/path"))
        .script(Confinement::Strict, Effect::Changes)
        .run();
    assert_eq!(run.script("test -r /etc/passwd && test -x /usr/bin/env && echo yes").await, "yes\n");
    let said = run.script("ls -A /usr/share; cat /usr/lib/os-release /etc/shadow").await;
    assert!(said.is_empty() || said.lines().all(|line| line.contains("ermission denied")), "{said}");
    let said = run.script("for d in /root /home /var/lib /var/log /sys; do ls -A $d; done; ls -A /run /var").await;
    assert_eq!(said.matches("No such file").count(), 5, "{said}");
    assert!(said.contains("/run:\n\n/var:\n"), "{said}");
    assert!(run.notes().is_empty(), "{:?}", run.notes());
}

#[tokio::test]
async fn a_program_writes_nowhere_but_into_its_own_scratch() {
    for mode in [Mode::Check, Mode::Apply] {
        let shown = tempfile::tempdir().expect("a directory");
        std::fs::write(shown.path().join("a"), "as it was").expect("a file");
        let run = Bench::new(mode)
            .directory("data", shown.path(), Access::Write, false)
            .script(Confinement::Strict, Effect::Reads)
            .run();
        let mut call = command("script", &[]);
        call.arguments = vec![
            Argument::Text("-c".into()),
            Argument::Text(r#"for place in "$0/x" "$0/a" /x /etc/x /usr/x /run/x /var/x; do echo no > $place && echo wrote $place; done; rm -f $0/a; echo yes > /tmp/x && cat /tmp/x"#.into()),
            Argument::Path("/data".into()),
        ];
        let completed = run.completed(call).await;
        assert_eq!(
            String::from_utf8_lossy(&completed.stdout),
            "yes\n",
            "{}",
            String::from_utf8_lossy(&completed.stderr)
        );
        assert_eq!(std::fs::read(shown.path().join("a")).expect("it is there"), b"as it was");
        assert_eq!(std::fs::read_dir(shown.path()).expect("it is there").count(), 1);
        assert!(
            !String::from_utf8_lossy(&completed.stderr).contains(shown.path().to_str().expect("UTF-8")),
            "no path of the machine"
        );
    }
}

#[tokio::test]
async fn a_program_has_no_network_unless_it_is_granted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected");
    let bash = |network| ProgramResource { network, ..program("/bin/bash", &[&["-c", "{text}"]], Effect::Reads) };
    for (network, said) in [(false, ""), (true, "connected\n")] {
        let run = Bench::new(Mode::Check).program("bash", bash(network)).run();
        let completed = run.completed(command("bash", &["-c", &script])).await;
        assert_eq!(String::from_utf8_lossy(&completed.stdout), said, "{}", String::from_utf8_lossy(&completed.stderr));
    }
}

#[tokio::test]
async fn a_program_sees_no_process_of_the_hosts() {
    let run = Bench::new(Mode::Apply).script(Confinement::Strict, Effect::Changes).run();
    let said = run.script("for p in /proc/[0-9]*; do echo ${p#/proc/}; done").await;
    let numbers: Vec<i32> = said.lines().map(|line| line.parse().expect("a number")).collect();
    assert!(numbers.len() <= 3 && numbers.iter().all(|number| *number < 10), "{numbers:?}");
    let said = run.script(&format!("kill -9 {}; echo $?", std::process::id())).await;
    assert!(said.contains("No such process"), "{said}");
}

#[tokio::test]
async fn a_program_holds_no_handle_privilege_or_namespace_beyond_its_own() {
    let run = Bench::new(Mode::Apply).script(Confinement::Strict, Effect::Changes).run();
    let said = run.script("ls /proc/self/fd | tr '\n' ' '").await;
    assert!(["0 1 2 3 ", "0 1 2 "].contains(&said.as_str()), "ls's own directory at most: {said:?}");
    let said = run.script("grep -E 'CapEff|NoNewPrivs' /proc/self/status").await;
    assert_eq!(said, "CapEff:\t0000000000000000\nNoNewPrivs:\t1\n");
    let said = run.script("unshare --user --map-root-user id -u; mount -t tmpfs none /tmp; echo done").await;
    assert!(!said.starts_with('0') && said.contains("mount:"), "{said}");
    let said = run.script("ulimit -c; ulimit -n").await;
    assert_eq!(said, "0\n8192\n");
}

#[tokio::test]
async fn what_is_hidden_is_shown_to_no_program_even_where_it_is_bound() {
    let state = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(state.path().join("runs")).expect("a directory");
    std::fs::write(state.path().join("runs/secret"), "secret").expect("a file");
    let run = Bench::new(Mode::Check)
        .hidden(&state.path().join("runs"))
        .directory("state", state.path(), Access::Read, false)
        .program("ls", program("/bin/ls", &[&["-A", "{path}"]], Effect::Reads))
        .run();
    let ls = |path: &str| {
        let mut call = command("ls", &["-A"]);
        call.arguments.push(Argument::Path(path.into()));
        run.call(call)
    };
    let Ok(Outcome::Completed(completed)) = ls("/state").await else { panic!("it is there") };
    assert_eq!(completed.stdout, b"runs\n");
    assert!(matches!(ls("/state/runs").await, Err(Error::Denied(_))));
    assert!(matches!(ls("/state/runs/secret").await, Err(Error::Denied(_))));
}

#[tokio::test]
async fn without_bubblewrap_strict_is_refused_and_says_what_to_do() {
    let run = Bench::new(Mode::Apply).without_bubblewrap().script(Confinement::Strict, Effect::Changes).run();
    let error = run.call(command("script", &["-c", "true"])).await.expect_err("a wall is missing");
    let Error::Unavailable(words) = error else { panic!("{error:?}") };
    assert!(words.contains("install bubblewrap") && words.contains("confine = \"best-effort\""), "{words}");
}

#[tokio::test]
async fn best_effort_has_the_walls_there_are_and_notes_the_others() {
    let shown = tempfile::tempdir().expect("a directory");
    std::fs::write(shown.path().join("a"), "shown").expect("a file");
    let run = Bench::new(Mode::Apply)
        .without_bubblewrap()
        .hidden(Path::new("/usr/lib/os-release"))
        .directory("data", shown.path(), Access::Read, false)
        .script(Confinement::BestEffort, Effect::Changes)
        .run();
    assert_eq!(run.script("test -r /etc/passwd && echo yes").await, "yes\n");
    let said = run.script("cat /usr/lib/os-release; cat /etc/shadow; ls /root; echo x > /tmp/x-of-hostler-shell").await;
    assert_eq!(said.matches("ermission denied").count(), 4, "{said}");
    assert_eq!(run.script("echo x > $TMPDIR/x && cat $TMPDIR/x; test -r /proc/meminfo && echo yes").await, "x\nyes\n");
    let said = run.script(&format!("cat /proc/{}/environ; kill -9 {0}", std::process::id())).await;
    assert!(said.contains("ermission denied") && said.contains("not permitted") && !said.contains("PATH="), "{said}");
    let notes = run.notes();
    assert!(notes.iter().any(|note| note.contains("program.script runs without the walls of bubblewrap")), "{notes:?}");
    let mut call = command("script", &["-c", "cat $0/a"]);
    call.arguments.push(Argument::Path("/data".into()));
    assert_eq!(run.completed(call).await.stdout, b"shown");
}

#[tokio::test]
async fn off_is_noted() {
    let run = Bench::new(Mode::Apply).script(Confinement::Off, Effect::Changes).run();
    assert_eq!(run.script("test -d /proc/$PPID && ls -d /root").await, "/root\n");
    assert_eq!(run.notes(), ["program.script runs without confinement (confine = \"off\")"]);
}
