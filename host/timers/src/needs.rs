//! What a procedure touches of the machine, so that its service is allowed that and little else.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use hostler_configuration::{Configuration, Confinement, ProcedureConfiguration, Resource};

/// What a procedure touches of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Directories that it writes.
    pub written: BTreeSet<PathBuf>,
    /// Whether it works in one of the machine's temporary directories, which a private one would hide.
    pub temporary: bool,
    /// Programs that run without all of the host's walls, because they change the machine itself.
    pub unconfined: BTreeSet<String>,
    /// Secrets that systemd hands over, by name.
    pub credentials: BTreeSet<String>,
}

/// What a procedure's tasks are bound to. `writes` says whether a plugin writes the directories of a request.
pub fn needs(
    configuration: &Configuration,
    procedure: &ProcedureConfiguration,
    writes: &dyn Fn(&str, &str) -> bool,
) -> Needs {
    let host = &configuration.host;
    let mut needs = Needs::default();
    needs.write(&host.state);
    needs.write(&host.cache);
    let tasks = procedure.tasks.iter().filter_map(|name| configuration.tasks.get(name)).filter(|task| task.enabled);
    for task in tasks {
        for (request, bound) in &task.bindings {
            for target in &bound.targets {
                add(&mut needs, &target.resource, &target.name, &|| writes(&task.plugin, request));
            }
        }
    }
    needs
}

fn add(needs: &mut Needs, resource: &Resource, name: &str, writes: &dyn Fn() -> bool) {
    match resource {
        Resource::Directory(directory) => {
            needs.temporary |= is_temporary(&directory.path);
            if writes() {
                needs.write(&directory.path);
            }
        }
        Resource::Program(program) if program.confine != Confinement::Strict => {
            needs.unconfined.insert(name.to_owned());
        }
        Resource::Postgres(postgres) => needs.credential(postgres.password_file.as_deref()),
        Resource::Redis(redis) => needs.credential(redis.password_file.as_deref()),
        Resource::Endpoint(endpoint) => needs.credential(endpoint.header_file.as_deref()),
        _ => {}
    }
}

fn is_temporary(path: &Path) -> bool {
    ["/tmp", "/var/tmp"].iter().any(|temporary| path.starts_with(temporary))
}

impl Needs {
    fn write(&mut self, path: &Path) {
        self.temporary |= is_temporary(path);
        self.written.insert(path.to_owned());
    }

    fn credential(&mut self, file: Option<&Path>) {
        self.credentials.extend(file.and_then(hostler_configuration::credential_of));
    }
}
