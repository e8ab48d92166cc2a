use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use hostler_capability::{Capability, CapabilityError, Grant, Mode, Resource, RunState, Target};
use hostler_configuration::{Confinement, ProgramResource};
use hostler_manifest::Effect;
use wasmtime::{Engine, component::Linker};

use super::support::{Lines, context, program};
use crate::{Hidden, ShellCapability, ShellRun, examine};

fn binding(resource: ProgramResource) -> hostler_capability::Binding {
    let targets = vec![Target { name: "tool".into(), resource: Resource::Program(resource) }];
    hostler_capability::Binding {
        request: "tool".into(),
        many: false,
        targets,
        grant: Grant::Program { changes: false },
    }
}

#[test]
fn it_links_and_prepares_and_names_a_wrong_pattern() {
    let mut configuration = wasmtime::Config::new();
    configuration.wasm_component_model_async(true);
    let mut linker = Linker::<RunState>::new(&Engine::new(&configuration).expect("an engine"));
    let shell = ShellCapability::new(Hidden::default());
    shell.link(&mut linker).expect("it links");
    let context = context(Mode::Check, &Arc::new(Lines::default()));
    let slot = shell.prepare(&[binding(program("/bin/true", &[&["{text}", "..."]], Effect::Reads))], &context);
    assert!(slot.expect("it is right").is::<ShellRun>());
    let wrong = shell.prepare(&[binding(program("/bin/true", &[&["ok"], &["{txt}"]], Effect::Reads))], &context);
    let Err(CapabilityError::Resource { resource, problem }) = wrong.map(drop) else { panic!("it is wrong") };
    assert!(resource == "program.tool" && problem.starts_with("allow[1]: {txt}"), "{resource} {problem}");
}

#[tokio::test]
async fn doctor_is_told_what_is_wrong_and_what_to_do() {
    let shell = ShellCapability::new(Hidden::default());
    let problem = async |resource| {
        let found = examine(&shell, &resource).await;
        found.problem.map(|problem| format!("{problem}: {}", found.remedy.unwrap_or_default()))
    };
    let good = || program("/bin/true", &[&[]], Effect::Reads);
    assert_eq!(problem(good()).await, None);
    let gone = ProgramResource { path: "/usr/bin/no-such-program".into(), ..good() };
    assert_eq!(
        problem(gone).await.as_deref(),
        Some("/usr/bin/no-such-program is not there: install it, or correct path")
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600)).expect("ours");
    let plain = ProgramResource { path: file.path().into(), ..good() };
    assert!(problem(plain).await.is_some_and(|words| words.contains("not executable: chmod +x")));
    assert!(problem(program("/bin/true", &[], Effect::Reads)).await.is_some_and(|words| words.contains("allow = ")));

    let bare = ShellCapability::with_bubblewrap(Hidden::default(), vec![]);
    let strict = examine(&bare, &good()).await;
    assert!(strict.problem.is_some_and(|words| words.contains("install bubblewrap")));
    let effort = examine(&bare, &ProgramResource { confine: Confinement::BestEffort, ..good() }).await;
    assert!(effort.problem.is_none() && effort.notes[0].contains("bubblewrap is not installed"));
    let off = examine(&bare, &ProgramResource { confine: Confinement::Off, ..good() }).await;
    assert!(off.problem.is_none() && off.notes[0].contains("without confinement"));
    assert!(!Path::new("/bin/true").is_dir());
}

#[tokio::test]
async fn a_bubblewrap_that_is_none_is_said_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let put = |text: &str| {
        let path = directory.path().join("bwrap");
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("ours");
        ShellCapability::with_bubblewrap(Hidden::default(), vec![path])
    };
    let missing = put("#!/bin/sh\necho usage\n").missing_walls().await;
    assert!(missing[0].contains("bubblewrap is too old: it has no --ro-bind-fd"), "{missing:?}");
    let options = "--ro-bind-fd --json-status-fd --perms --size --clearenv";
    let refusing = format!(
        "#!/bin/sh\n[ \"$1\" = --help ] && echo {options} && exit\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n"
    );
    let missing = put(&refusing).missing_walls().await;
    assert!(missing[0].contains("No permissions to create new namespace: install bubblewrap"), "{missing:?}");
}
