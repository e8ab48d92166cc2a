//! An optional request that is not bound is left out, as its operator wants it. One that is bound and refused is told:
//! else a slip in a binding would be healthy for ever.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use hostler_tests::Hostler;

#[test]
fn a_program_that_is_refused_is_unknown_and_one_that_is_not_bound_is_left_out() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it has one").port();
    let host = |bound: &str| {
        // The operator wrote another form than the plugin calls.
        let host = Hostler::new(&format!(
            "[program.systemctl]\npath = \"{{directory}}/systemctl\"\n\
             allow = [{{ arguments = [\"show\", \"*\"], effect = \"reads\" }}]\n\
             [endpoint.shop]\nurl = \"tcp://127.0.0.1:{port}\"\n\
             [tasks.task]\nplugin = \"system-services\"\nbind = {{ endpoints = [\"endpoint.shop\"]{bound} }}\n"
        ));
        let program = host.path().join("systemctl");
        fs::write(&program, "#!/bin/sh\nexit 0\n").expect("a script");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("permissions");
        host.install(&["system-services"]);
        host.run(&["run", "task", "--format", "json"])
    };
    let unbound = host("");
    assert_eq!((unbound.code, unbound.findings("task")), (0, vec![]), "{unbound:?}");
    assert_eq!(unbound.task("task")["summary"], "1 of 1 endpoint answers");
    let refused = host(", systemctl = \"program.systemctl\"");
    assert_eq!((refused.code, refused.findings("task")), (3, vec!["unknown units-unseen systemctl".to_owned()]));
    assert!(refused.stdout.contains("was refused on the request `systemctl`"), "{refused:?}");
}
