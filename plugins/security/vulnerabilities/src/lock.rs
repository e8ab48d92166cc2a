//! What a project uses, out of its lock files. A lock file is what is installed; what a manifest asks for is not, so a
//! project without one is not looked at, and said to be.

pub(crate) mod cargo;
pub(crate) mod debian;
pub(crate) mod npm;
pub(crate) mod python;

use std::collections::BTreeSet;

use crate::ecosystem::Ecosystem;

/// A package in one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    pub(crate) ecosystem: Ecosystem,
    /// As it is compared.
    pub(crate) name: String,
    pub(crate) version: String,
}

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Locked {
    pub(crate) packages: BTreeSet<Package>,
    /// Packages from elsewhere than the registry, or with versions that nobody can compare.
    pub(crate) not_comparable: Vec<String>,
    /// Requirements without an exact version.
    pub(crate) not_pinned: Vec<String>,
    /// Files that it includes, as it writes them.
    pub(crate) includes: Vec<String>,
}

impl Locked {
    /// Takes a package in, where its version can be compared.
    pub(crate) fn add(&mut self, ecosystem: Ecosystem, name: &str, version: &str) {
        if ecosystem.is_version(version) {
            let (name, version) = (ecosystem.normalise(name), version.to_owned());
            self.packages.insert(Package { ecosystem, name, version });
        } else {
            self.not_comparable.push(format!("{name} {version}").trim().to_owned());
        }
    }
}
