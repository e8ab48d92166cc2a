//! The real binary, with a directory of its own for configuration, state and registry.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Postgres, Running, root, told::hold_to_manifests};

/// A host to be tested.
pub struct Hostler {
    directory: TempDir,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Its exit code; -1 where a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// The standard output as JSON.
    ///
    /// # Panics
    /// Where it is not.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// What became of a task, in JSON output.
    ///
    /// # Panics
    /// Where there is no such task.
    pub fn task(&self, task: &str) -> Value {
        let tasks = self.json()["tasks"].as_array().cloned().unwrap_or_default();
        let found = tasks.into_iter().find(|outcome| outcome["task"] == task);
        found.unwrap_or_else(|| panic!("no task {task}: {self:?}"))
    }

    /// The findings of a task in JSON output, as `severity code subject`.
    pub fn findings(&self, task: &str) -> Vec<String> {
        let json = self.json();
        let tasks = json["tasks"].as_array().cloned().unwrap_or_default();
        tasks
            .iter()
            .filter(|outcome| outcome["task"] == task)
            .flat_map(|outcome| outcome["reported"]["findings"].as_array().cloned().unwrap_or_default())
            .map(|finding| {
                let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
                format!("{} {} {}", text("severity"), text("code"), text("subject"))
            })
            .collect()
    }
}

impl Hostler {
    /// A host with this configuration. `{directory}` in it is the host's own directory.
    ///
    /// # Panics
    /// Where the directory cannot be made.
    pub fn new(configuration: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("hostler-test-").tempdir().expect("a temporary directory");
        let hostler = Self { directory };
        hostler.configure(configuration);
        hostler
    }

    /// A host whose task `task` runs a plugin on a server's database `postgres`, as this role; `more` stands among the
    /// task's bindings, a line each.
    ///
    /// # Panics
    /// Where the plugin cannot be installed.
    pub fn of_task(server: &Postgres, plugin: &str, role: &str, more: &str, settings: &str) -> Self {
        let host = Self::new(&format!(
            "[postgres.main]\ndsn = {:?}\n[tasks.task]\nplugin = {plugin:?}\nbind.database = \"postgres.main\"\n{more}settings = {{ {settings} }}\n",
            server.dsn(role, "postgres")
        ));
        host.install(&[plugin]);
        host
    }

    /// Writes the configuration anew.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn configure(&self, configuration: &str) {
        let directory = self.path().display().to_string();
        let host = format!("[host]\nstate = \"{directory}/state\"\ncache = \"{}\"\n\n", cache().display());
        let text = if configuration.contains("[host]") { configuration.to_owned() } else { host + configuration };
        fs::write(self.configuration(), text.replace("{directory}", &directory)).expect("a configuration");
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Its configuration file.
    pub fn configuration(&self) -> PathBuf {
        self.path().join("hostler.toml")
    }

    /// Installs plugins of this repository by name.
    ///
    /// # Panics
    /// Where one cannot be installed.
    pub fn install(&self, plugins: &[&str]) -> &Self {
        for plugin in plugins {
            let output = self.run(&["install", &component(plugin).display().to_string(), "--accept"]);
            assert_eq!(output.code, 0, "{output:?}");
        }
        self
    }

    /// Runs a command to its end. What it tells as JSON is held against the plugins' manifests.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().expect("hostler starts");
        let output = Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        hold_to_manifests(&output.stdout);
        output
    }

    /// Starts a command.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, &[])
    }

    /// Starts a command with variables.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        Running::new(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hostler starts"))
    }

    /// The runs that the history lists, the newest first; `filter` as on the command line.
    ///
    /// # Panics
    /// Where it cannot be read.
    pub fn history(&self, filter: &[&str]) -> Vec<Value> {
        let listed = self.run(&[&["history", "--format", "json"], filter].concat());
        assert_eq!(listed.code, 0, "{listed:?}");
        listed.json()["runs"].as_array().cloned().expect("runs")
    }

    /// A run whole, as the history keeps it.
    ///
    /// # Panics
    /// Where it is not kept.
    pub fn kept(&self, run: &str) -> Value {
        let kept = self.run(&["history", run, "--format", "json"]);
        assert_eq!(kept.code, 0, "{kept:?}");
        kept.json()["tasks"][0].clone()
    }

    /// A command with this host's configuration, and none of the test's environment that would change it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.arg("--config").arg(self.configuration()).args(arguments).stdin(Stdio::null());
        command.env("NO_COLOR", "1").current_dir(self.path());
        for name in ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGSERVICE", "TZ", "HOSTLER_CONFIG"] {
            command.env_remove(name);
        }
        command
    }
}

/// A built component of this repository.
pub fn component(plugin: &str) -> PathBuf {
    let file = format!("{}.wasm", plugin.replace('-', "_"));
    let path = root().join("target/wasm32-wasip2/plugin").join(file);
    assert!(path.exists(), "{} is missing: run `make plugins`", path.display());
    path
}

/// The binary under test.
///
/// # Panics
/// Where it is not built.
pub fn binary() -> PathBuf {
    let path = std::env::var_os("HOSTLER").map_or_else(|| root().join("target/debug/hostler"), PathBuf::from);
    assert!(path.exists(), "{} is missing: run `cargo build`", path.display());
    path
}

/// Compiled code is kept between tests: it is the same for all.
pub fn cache() -> PathBuf {
    root().join("target/test-cache")
}
