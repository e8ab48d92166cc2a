//! What of the machine a program sees.

use std::path::{Path, PathBuf};

/// Directories of the system, shown to read.
pub(super) const SYSTEM: &[&str] = &["/usr", "/etc", "/opt", "/nix"];

/// Links into `/usr` on today's systems, directories on older ones.
const MERGED: &[&str] = &["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// Secrets that most machines have: the host may be able to read them, and no program needs to.
pub(super) const SECRETS: &[&str] = &[
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/pki/tls/private",
    "/etc/letsencrypt",
    "/etc/credstore",
    "/etc/credstore.encrypted",
    "/etc/NetworkManager/system-connections",
    "/etc/wireguard",
];

/// Options for bubblewrap that show the system.
pub(super) fn system(program: &Path, network: bool) -> Vec<String> {
    let mut options = Vec::new();
    let mut add = |words: &[&str]| options.extend(words.iter().map(|word| (*word).to_owned()));
    for directory in SYSTEM.iter().filter(|directory| Path::new(directory).is_dir()) {
        add(&["--ro-bind", directory, directory]);
    }
    for directory in MERGED {
        match std::fs::read_link(directory) {
            Ok(target) => add(&["--symlink", &target.to_string_lossy(), directory]),
            Err(_) if Path::new(directory).is_dir() => add(&["--ro-bind", directory, directory]),
            Err(_) => {}
        }
    }
    add(&["--proc", "/proc", "--dev", "/dev"]);
    add(&["--perms", "1777", "--size", "1073741824", "--tmpfs", "/tmp", "--dir", "/run", "--dir", "/var"]);
    if network {
        // Often a link into /run, which is not shown.
        if let Ok(real) = Path::new("/etc/resolv.conf").canonicalize().map(|real| real.to_string_lossy().into_owned())
            && !real.starts_with("/etc/")
        {
            add(&["--ro-bind", &real, &real]);
        }
    }
    // A program outside the system's directories is shown as the one file that it is.
    let real = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    for path in [real.as_path(), program] {
        let covered = SYSTEM.iter().chain(MERGED).any(|directory| path.starts_with(directory));
        if !covered {
            add(&["--ro-bind", &real.to_string_lossy(), &path.to_string_lossy()]);
        }
    }
    options
}

/// Options that cover what is hidden with nothing. To be given after all that is shown.
pub(super) fn masks(hidden: &[PathBuf], shown: &[PathBuf]) -> Vec<String> {
    let mut options = Vec::new();
    let visible = |path: &Path| {
        SYSTEM.iter().chain(MERGED).any(|directory| path.starts_with(directory))
            || shown.iter().any(|shown| path.starts_with(shown))
    };
    let secrets = SECRETS.iter().filter_map(|secret| Path::new(secret).canonicalize().ok());
    for path in hidden.iter().cloned().chain(secrets).filter(|path| visible(path)) {
        let text = path.to_string_lossy().into_owned();
        match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {
                options.extend(["--tmpfs".into(), text.clone(), "--remount-ro".into(), text]);
            }
            Ok(_) => options.extend(["--ro-bind".into(), "/dev/null".into(), text]),
            Err(_) => {}
        }
    }
    options
}
