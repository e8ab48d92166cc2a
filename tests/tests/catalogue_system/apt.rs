//! A machine's packages, of a test's own: a real package database and real repositories below a temporary directory, on
//! which the real apt-get and dpkg work without touching this machine's.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A root directory with packages, and two repositories beside it.
pub(crate) struct Apt {
    directory: TempDir,
}

/// A package to be built.
#[derive(Default)]
pub(crate) struct Package<'a> {
    pub name: &'a str,
    pub version: &'a str,
    /// Further lines of its control file, such as `Depends: other\n`.
    pub fields: &'a str,
    /// Whether it has a configuration file, `/etc/NAME.conf`.
    pub configuration: bool,
    /// Its `preinst`, where it has one.
    pub preinst: &'a str,
    /// How many files of a mebibyte it has, so that it takes its time to be unpacked.
    pub mebibytes: usize,
}

/// A package without anything to it.
pub(crate) fn package<'a>(name: &'a str, version: &'a str) -> Package<'a> {
    Package { name, version, ..Package::default() }
}

fn run(program: &str, arguments: &[&str], directory: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; `scripts/set-up test` installs it"));
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Apt {
    /// A root with these packages installed, and repositories `stable` and `security` without any.
    pub(crate) fn new(installed: &[Package<'_>]) -> Self {
        let apt = Self { directory: tempfile::Builder::new().prefix("hostler-apt-").tempdir().expect("a directory") };
        for below in [
            "root/etc/apt/apt.conf.d",
            "root/etc/apt/preferences.d",
            "root/etc/apt/sources.list.d",
            "root/var/lib/apt/lists/partial",
            "root/var/cache/apt/archives/partial",
            "root/var/lib/dpkg/info",
            "root/var/lib/dpkg/updates",
            "root/var/lib/dpkg/triggers",
            "root/var/log/apt",
            "repository/stable",
            "repository/security",
            "before",
        ] {
            fs::create_dir_all(apt.path(below)).expect("a directory");
        }
        for empty in ["root/var/lib/dpkg/status", "root/var/lib/dpkg/available"] {
            fs::write(apt.path(empty), "").expect("a file");
        }
        let base = apt.path("").display().to_string();
        let base = base.trim_end_matches('/');
        fs::write(
            apt.configuration(),
            format!(
                "Dir \"{base}/root/\";\nDir::State::status \"{base}/root/var/lib/dpkg/status\";\n\
                 Dir::Bin::dpkg \"/usr/bin/dpkg\";\nDir::Bin::methods \"/usr/lib/apt/methods/\";\n\
                 DPkg::Options {{ \"--root={base}/root\"; \"--force-not-root\"; }};\n\
                 APT::Architecture \"amd64\";\nAPT::Sandbox::User \"root\";\n"
            ),
        )
        .expect("a configuration");
        let sources = ["stable", "security"]
            .map(|suite| format!("deb [trusted=yes] file:{base}/repository/{suite} ./\n"))
            .concat();
        fs::write(apt.path("root/etc/apt/sources.list"), sources).expect("sources");
        for package in installed {
            let file = apt.build(package, "before").display().to_string();
            apt.dpkg(&["-i", &file]);
        }
        apt.list("stable");
        apt.publish("security", &[]);
        apt
    }

    /// A path below its directory; the machine's root is `root`.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    /// What APT_CONFIG has to name.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.path("apt.conf")
    }

    fn build(&self, package: &Package<'_>, into: &str) -> PathBuf {
        let Package { name, version, fields, configuration, preinst, mebibytes } = package;
        let tree = self.path(&format!("trees/{name}-{version}"));
        let share = tree.join(format!("usr/share/{name}"));
        fs::create_dir_all(tree.join("DEBIAN")).expect("a directory");
        fs::create_dir_all(&share).expect("a directory");
        fs::write(share.join("version"), version).expect("a file");
        for number in 0..*mebibytes {
            fs::write(share.join(format!("{number}")), vec![b'x'; 1 << 20]).expect("a file");
        }
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\n{fields}Description: for a test\n"
        );
        fs::write(tree.join("DEBIAN/control"), control).expect("a file");
        if *configuration {
            fs::create_dir_all(tree.join("etc")).expect("a directory");
            fs::write(tree.join(format!("etc/{name}.conf")), format!("of = {version}\n")).expect("a file");
            fs::write(tree.join("DEBIAN/conffiles"), format!("/etc/{name}.conf\n")).expect("a file");
        }
        if !preinst.is_empty() {
            use std::os::unix::fs::PermissionsExt;
            let script = tree.join("DEBIAN/preinst");
            fs::write(&script, preinst).expect("a file");
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("permissions");
        }
        let (tree, into) = (tree.display().to_string(), self.path(into));
        run(
            "dpkg-deb",
            &["--root-owner-group", "-Zgzip", "-z1", "-b", &tree, &into.display().to_string()],
            Path::new("/"),
        );
        into.join(format!("{name}_{version}_all.deb"))
    }

    /// Adds packages to a repository, signs nothing, and fetches the lists.
    pub(crate) fn publish(&self, suite: &str, packages: &[Package<'_>]) {
        for package in packages {
            self.build(package, &format!("repository/{suite}"));
        }
        self.list(suite);
        self.get(&["update", "-qq"]);
    }

    fn list(&self, suite: &str) {
        let repository = self.path(&format!("repository/{suite}"));
        let _ = fs::remove_file(repository.join("Release"));
        let listed = run("apt-ftparchive", &["packages", "."], &repository);
        fs::write(repository.join("Packages"), listed).expect("a list");
        let (label, archive) = match suite {
            "security" => ("Debian-Security", "stable-security"),
            _ => ("Debian", "stable"),
        };
        let option = |name: &str, value: &str| format!("APT::FTPArchive::Release::{name}={value}");
        let (label, archive) = (option("Label", label), option("Suite", archive));
        let release = run(
            "apt-ftparchive",
            &["-o", &label, "-o", &archive, "-o", &option("Version", "12"), "release", "."],
            &repository,
        );
        fs::write(repository.join("Release"), release).expect("a release");
    }

    /// Runs the real apt-get on this root.
    pub(crate) fn get(&self, arguments: &[&str]) -> String {
        self.tool("apt-get", arguments)
    }

    /// Runs a tool of apt's on this root.
    pub(crate) fn tool(&self, name: &str, arguments: &[&str]) -> String {
        let output = Command::new(name)
            .args(arguments)
            .env("APT_CONFIG", self.configuration())
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(output.status.success(), "{name} {arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs the real dpkg on this root.
    pub(crate) fn dpkg(&self, arguments: &[&str]) {
        let root = format!("--root={}", self.path("root").display());
        run("dpkg", &[&[root.as_str(), "--force-not-root"], arguments].concat(), Path::new("/"));
    }

    /// The version of a package that is installed, and whether it is whole.
    pub(crate) fn installed(&self, name: &str) -> String {
        let root = format!("--admindir={}", self.path("root/var/lib/dpkg").display());
        let output = Command::new("dpkg-query").args([&root, "-W", "-f=${Version} ${db:Status-Status}", name]).output();
        String::from_utf8_lossy(&output.expect("dpkg-query").stdout).into_owned()
    }

    /// `[program.NAME]` of a configuration, with these forms.
    pub(crate) fn program(&self, name: &str, forms: &str) -> String {
        format!(
            "[program.{name}]\npath = \"/usr/bin/{name}\"\nconfine = \"off\"\nvariables = {{ APT_CONFIG = \"{}\" }}\nallow = [{forms}]\n",
            self.configuration().display()
        )
    }
}
