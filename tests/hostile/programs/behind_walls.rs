//! What a program reaches from behind the walls, and that it is there without them.

use std::{fs, net::TcpListener, os::unix::net::UnixListener};

use hostler_tests::processes_with;

use super::{said, script, shell, unconfined};
use crate::{files::tree, puppet::run_with};

#[test]
fn nothing_of_the_hosts_is_there_to_be_read() {
    let host = shell("");
    said(&host, &["true"]);
    let home = host.path().display().to_string();
    let secret = format!("{home}/outside/secret");
    let paths =
        format!("{home} {home}/hostler.toml {home}/state {home}/state/registry {secret} /etc/shadow /root/.ssh");
    let look = format!(
        "for path in {paths}; do head -c 1 $path >/dev/null 2>&1 && echo $path; ls -A $path/ 2>/dev/null; done; true"
    );
    assert!(unconfined(&look).contains(&secret), "without the walls it is there");
    let found = said(
        &host,
        &[&look, "cat /etc/hostname >/dev/null && echo read", "ls -A /home /root /var/lib /run 2>/dev/null"],
    );
    assert_eq!(found[0], "", "the host's own files");
    assert_eq!(found[1], "read\n", "the system's own files are there");
    assert!(!found[2].contains(&*home), "{}", found[2]);
}

#[test]
fn nothing_is_written_but_what_a_call_makes() {
    let host = shell("");
    let places = format!(
        "{0}/data {0}/looked {0}/outside {0}/state /etc /usr/bin /var/tmp /dev/shm /root . /proc/sys/kernel",
        host.path().display()
    );
    let before: Vec<_> = ["data", "looked", "outside"].iter().flat_map(|part| tree(&host.path().join(part))).collect();
    let attempt = format!("for place in {places}; do echo x 2>/dev/null >$place/planted && echo $place; done; true");
    let found = said(&host, &[&attempt, "echo x > /tmp/mine && cat /tmp/mine"]);
    assert!(!found[0].contains(&*host.path().to_string_lossy()), "{}", found[0]);
    for place in ["/etc", "/usr/bin", "/root", "/proc/sys/kernel"] {
        assert!(!found[0].lines().any(|line| line == place), "{place}: {}", found[0]);
    }
    assert_eq!(found[1], "x\n", "a scratch of its own is there");
    let after: Vec<_> = ["data", "looked", "outside"].iter().flat_map(|part| tree(&host.path().join(part))).collect();
    assert_eq!(before, after);
    for place in ["/etc", "/usr/bin", "/var/tmp", "/dev/shm", "/tmp"] {
        assert!(
            !std::path::Path::new(place).join("planted").exists() && !std::path::Path::new(place).join("mine").exists()
        );
    }
}

#[test]
fn the_environment_is_made_and_not_handed_down() {
    let host = shell("environment = [\"GREETING\"]");
    let variables = [
        ("PGPASSWORD", "sesame"),
        ("AWS_SECRET_ACCESS_KEY", "sesame"),
        ("BASH_ENV", "/tmp/sesame"),
        ("GIT_SSH_COMMAND", "sesame"),
        ("HTTPS_PROXY", "http://sesame"),
        ("CREDENTIALS_DIRECTORY", "/run/sesame"),
    ];
    let mut greeting = script("echo $GREETING; env");
    greeting["environment"] = serde_json::json!({ "GREETING": "hello" });
    let (_, outcomes) = run_with(&host, "run", &[greeting], &variables);
    let text = outcomes[0]["allowed"]["stdout"].as_str().expect("it ran");
    assert!(text.starts_with("hello\n"), "{text}");
    assert!(!text.contains("sesame") && !text.contains("CREDENTIALS"), "{text}");
    let names: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    let known = ["GREETING", "PATH", "LANG", "HOME", "TMPDIR", "PWD", "SHLVL", "_", "OLDPWD"];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
}

#[test]
fn no_handle_process_or_socket_of_the_hosts_is_within_reach() {
    let host = shell("");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let socket = host.path().join("data/socket");
    let _unix = UnixListener::bind(&socket).expect("a socket");
    let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected; true");
    assert_eq!(unconfined(&connect), "connected\n", "without the walls it is there");
    let python = |text: &str| format!("python3 -c 'import socket\n{text}' 2>/dev/null; true");
    let by_unix = python(&format!(
        "s = socket.socket(socket.AF_UNIX); s.connect(\"{}\"); print(\"connected\")",
        socket.display()
    ));
    assert_eq!(unconfined(&by_unix), "connected\n", "without the walls it is there");
    let name = format!("hostler-{}", std::process::id());
    let _abstract = {
        use std::os::linux::net::SocketAddrExt;
        UnixListener::bind_addr(&std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name"))
            .expect("a socket")
    };
    let by_name = python(&format!("s = socket.socket(socket.AF_UNIX); s.connect(\"\\0{name}\"); print(\"connected\")"));
    assert_eq!(unconfined(&by_name), "connected\n", "without the walls it is there");
    let found = said(
        &host,
        &[
            &connect,
            &by_unix,
            &by_name,
            "ls /proc/self/fd | wc -l",
            "for p in /proc/[0-9]*; do echo ${p#/proc/}; done | sort -n | tail -1",
            &format!("kill -0 {} 2>/dev/null && echo reached; true", std::process::id()),
            "grep -c . /proc/net/tcp; cat /proc/net/tcp | wc -l",
            "grep -E '^(CapEff|NoNewPrivs)' /proc/self/status",
        ],
    );
    assert_eq!(found[..3], ["", "", ""], "no network, no socket");
    assert!(found[3].trim().parse::<u32>().expect("a count") <= 4, "handles: {}", found[3]);
    assert!(found[4].trim().parse::<u32>().expect("a number") < 20, "processes: {}", found[4]);
    assert_eq!(found[5], "");
    assert_eq!(found[7], "CapEff:\t0000000000000000\nNoNewPrivs:\t1\n");
    // Granted by the operator, the network is there, and the rest is not.
    let open = said(&shell("network = true"), &[&connect, &by_unix, &by_name]);
    assert_eq!(open[0], "connected\n");
    assert_eq!(open[1], "");
}

#[test]
fn what_leaves_its_process_group_ends_with_its_call() {
    let host = shell("");
    let mark = format!("99{}", std::process::id());
    let daemon =
        format!("setsid nohup sleep {mark} >/dev/null 2>&1 </dev/null & disown; (sleep {mark} &) ; echo started");
    assert_eq!(said(&host, &[&daemon]), ["started\n"]);
    assert!(processes_with(&mark).is_empty(), "its daemons are gone");
    let mut ignoring = script(&format!("trap '' TERM INT HUP; sleep {mark}; sleep {mark}"));
    ignoring["timeout_ms"] = 500.into();
    let started = std::time::Instant::now();
    let outcomes = crate::puppet::run(&host, &[ignoring, script("echo well")]);
    assert!(outcomes[0].get("timed-out").is_some(), "{outcomes:?}");
    assert_eq!(outcomes[1]["allowed"]["stdout"], "well\n");
    assert!(started.elapsed().as_secs() < 60 && processes_with(&mark).is_empty());
}

#[test]
fn a_missing_wall_refuses_or_is_repeated() {
    let off = shell("confine = \"off\"");
    let secret = format!("cat {}/outside/secret", off.path().display());
    let (output, outcomes) = crate::puppet::run_in(&off, "run", &[script(&secret)]);
    assert_eq!(outcomes[0]["allowed"]["stdout"], "sesame", "the wall was what hid it");
    let notes = output.task("puppet")["notes"].to_string();
    assert!(notes.contains("confine = \\\"off\\\""), "{notes}");
    let text = off.run(&["run", "puppet", "--all"]);
    assert!(format!("{}{}", text.stdout, text.stderr).contains("without confinement"), "{text:?}");
    // Bubblewrap is taken away in a mount namespace, where nothing can be mounted by others than root.
    let without = |more: &str| {
        let host = shell(more);
        crate::puppet::write(&host, &[script("echo ran")]);
        let hide =
            "for b in /usr/bin/bwrap /bin/bwrap /usr/local/bin/bwrap; do test -e $b && mount --bind /dev/null $b; done";
        let command = format!(
            "{hide}; exec {} --config {} run puppet --format json",
            hostler_tests::binary().display(),
            host.configuration().display()
        );
        let mut unshare = std::process::Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            unshare.args(["-r"]);
        }
        let output = unshare.args(["-m", "sh", "-c", &command]).output().expect("unshare");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let strict = without("");
    assert!(strict.contains("install bubblewrap") || !strict.contains(&hexadecimal("ran\\n")), "{strict}");
    assert!(!strict.contains(&hexadecimal("ran\\n")), "{strict}");
    let effort = without("confine = \"best-effort\"");
    assert!(effort.contains(&hexadecimal("ran\\n")), "{effort}");
    assert!(effort.contains("runs without the walls of bubblewrap"), "{effort}");
    assert_eq!(fs::read_to_string(off.path().join("outside/secret")).expect("it is there"), "sesame");
}

/// As a JSON document writes an attachment's text.
fn hexadecimal(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
