//! A procedure of twenty tasks that do nothing, beside a playbook of twenty that run /bin/true.

use std::{fmt::Write, process::Command};

use hostler_tests::Hostler;

use crate::{
    measure::{medians, process, ratio, shown},
    table::{Goal, Line},
};

const TASKS: usize = 20;

pub(crate) fn compare() -> anyhow::Result<Vec<Line>> {
    let mut configuration = String::new();
    let names: Vec<String> = (1..=TASKS).map(|number| format!("task-{number}")).collect();
    for name in &names {
        let _ = writeln!(configuration, "[tasks.{name}]\nplugin = \"example-empty\"");
    }
    let _ = writeln!(configuration, "[procedures.all]\ntasks = {names:?}");
    let host = Hostler::new(&configuration);
    host.install(&["example-empty"]);
    let mut ours = || process(&mut host.command(&["run", "all"]), &[0]);
    let mut playbook = String::from("- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n");
    for name in &names {
        let _ = writeln!(playbook, "    - name: {name}\n      ansible.builtin.command: /bin/true");
    }
    let file = host.path().join("playbook.yml");
    std::fs::write(&file, playbook)?;
    let mut theirs = || {
        let mut command = Command::new("ansible-playbook");
        command
            .args(["-i", "localhost,"])
            .arg(&file)
            .env("ANSIBLE_HOME", host.path())
            .env("ANSIBLE_LOCALHOST_WARNING", "0");
        process(&mut command, &[0])
    };
    let what = "a procedure of 20 empty tasks, a whole process";
    let [alone] = medians(20, [&mut ours])?;
    Ok(vec![match medians(3, [&mut ours, &mut theirs]) {
        Ok([host_time, ansible]) => {
            let beside = format!("ansible-playbook, 20 × /bin/true {}", shown(ansible));
            Line::ratio(what, shown(host_time), beside, ratio(host_time, ansible), Goal::AtMost(0.02))
        }
        Err(error) => Line::missing(what, &format!("{} for hostler alone; {error:#}", shown(alone))),
    }])
}
