//! Where packages come from, how their versions are ordered, and what a person types to install a fixed one.

use std::cmp::Ordering;

use semver::Version as Semver;

use crate::{dpkg, pep440};

/// A registry of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Ecosystem {
    Npm,
    Crates,
    Python,
    Debian,
}

impl Ecosystem {
    /// As OSV calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Crates => "crates.io",
            Self::Python => "PyPI",
            Self::Debian => "Debian",
        }
    }

    /// An advisory's word for it, with the release behind a colon.
    pub(crate) fn of(word: &str) -> Option<(Self, Option<&str>)> {
        let (name, release) = word.split_once(':').map_or((word, None), |(name, release)| (name, Some(release)));
        let all = [Self::Npm, Self::Crates, Self::Python, Self::Debian];
        all.into_iter().find(|one| one.name() == name).map(|one| (one, release))
    }

    /// A name as it is compared.
    pub(crate) fn normalise(self, name: &str) -> String {
        if self == Self::Python { pep440::name(name) } else { name.to_owned() }
    }

    /// Whether a text is a version that can be compared.
    pub(crate) fn is_version(self, text: &str) -> bool {
        match self {
            Self::Npm | Self::Crates => Semver::parse(text).is_ok(),
            Self::Python => pep440::Version::parse(text).is_some(),
            Self::Debian => dpkg::is_version(text),
        }
    }

    /// The order of two versions; nothing where one of them is none.
    pub(crate) fn compare(self, one: &str, other: &str) -> Option<Ordering> {
        match self {
            Self::Npm | Self::Crates => Some(Semver::parse(one).ok()?.cmp_precedence(&Semver::parse(other).ok()?)),
            Self::Python => Some(pep440::Version::parse(one)?.cmp(&pep440::Version::parse(other)?)),
            Self::Debian => (dpkg::is_version(one) && dpkg::is_version(other)).then(|| dpkg::compare(one, other)),
        }
    }

    /// How the fixed version is installed.
    pub(crate) fn remedy(self, name: &str, fixed: &str) -> String {
        match self {
            Self::Npm => {
                format!("npm audit fix    -- or npm install {name}@{fixed} where it is a dependency of its own")
            }
            Self::Crates => format!("cargo update -p {name} --precise {fixed}"),
            Self::Python => format!("pip install '{name}=={fixed}'    -- and write it into the requirements"),
            Self::Debian => format!("apt-get install --only-upgrade {name}    -- to {fixed} or later"),
        }
    }
}
