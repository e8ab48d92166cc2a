//! An npm registry on this machine: what npm asks for are files, so that a real nginx serves them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use hostler_tests::Nginx;
use serde_json::{Map, Value, json};

/// Packages in versions.
pub struct Registry {
    nginx: Nginx,
}

impl Registry {
    /// A registry without packages, which knows these advisories: package to a list as npm's bulk endpoint has it.
    pub fn start(advisories: &Value) -> Self {
        let server = format!(
            "default_type application/json; location = /-/npm/v1/security/advisories/bulk {{ return 200 '{advisories}'; }}"
        );
        let nginx = Nginx::start("", &server);
        fs::create_dir(nginx.path().join("site/tarballs")).expect("a directory");
        Self { nginx }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.nginx.port)
    }

    /// Publishes a version with these files: name, content, and whether it can be executed.
    pub fn publish(&self, package: &Value, files: &[(&str, Content<'_>)]) {
        let (name, version) =
            (package["name"].as_str().expect("a name"), package["version"].as_str().expect("a version"));
        let work = tempfile::tempdir().expect("a directory");
        let put = |name: &str| {
            let path = work.path().join("package").join(name);
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            path
        };
        fs::write(put("package.json"), package.to_string()).expect("a file");
        for (name, content) in files {
            let path = put(name);
            match content {
                Content::Text(text) => fs::write(&path, text).expect("a file"),
                Content::Program(text) => executable(&path, text),
                Content::Copy(from) => drop(fs::copy(from, &path).expect("a copy")),
            }
        }
        let tarball = self.site().join("tarballs").join(format!("{name}-{version}.tgz"));
        let packed = Command::new("tar")
            .args(["--use-compress-program", "gzip -1", "-cf"])
            .arg(&tarball)
            .arg("-C")
            .arg(work.path())
            .arg("package")
            .status();
        assert!(packed.expect("tar").success());
        let sum = Command::new("sha1sum").arg(&tarball).output().expect("sha1sum");
        let sum = String::from_utf8_lossy(&sum.stdout).split(' ').next().expect("a sum").to_owned();
        let mut whole = package.clone();
        whole["dist"] = json!({"tarball": format!("{}tarballs/{name}-{version}.tgz", self.url()), "shasum": sum});
        let document = self.site().join(name);
        let mut known = fs::read(&document).map_or_else(
            |_| json!({"name": name, "dist-tags": {}, "versions": Map::new()}),
            |bytes| serde_json::from_slice(&bytes).expect("JSON"),
        );
        known["versions"][version] = whole;
        known["dist-tags"]["latest"] = json!(version);
        fs::write(document, known.to_string()).expect("a document");
    }

    fn site(&self) -> PathBuf {
        self.nginx.path().join("site")
    }
}

/// What is in a file.
pub enum Content<'c> {
    Text(&'c str),
    Program(&'c str),
    Copy(&'c Path),
}

/// A program of a few lines.
pub fn executable(path: &Path, text: &str) {
    fs::write(path, text).expect("a program");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
}

/// Where the real node and npm are.
pub fn real(program: &str) -> PathBuf {
    let places = ["/usr/bin", "/usr/local/bin", "/bin"].map(|directory| Path::new(directory).join(program));
    places.into_iter().find(|path| path.exists()).expect("node and npm are installed: `make test` does it")
}

/// What node prints of an expression.
pub fn node(expression: &str) -> String {
    let output = Command::new(real("node")).args(["-p", expression]).output().expect("node");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
