//! What an operator does about a connection that cannot be opened.

use crate::{errors::ConnectError, problem::Problem};

impl ConnectError {
    /// What was found, without what to do and without the resource's name before it.
    #[must_use]
    pub fn finding(&self) -> String {
        match self {
            Self::Configuration { problem: Problem::File(error), .. } => error.finding(),
            other => other.to_string(),
        }
    }

    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Configuration { problem: Problem::File(error), .. } => error.remedy(),
            Self::Configuration { resource, .. } => format!("correct [{resource}] in the configuration"),
            Self::Refused { hint, .. } => (*hint).into(),
            Self::Unreachable { resource, problem } if is_of_tls(problem) => format!(
                "look at sslmode and sslrootcert in {resource}.dsn, and at ssl_cert_file and ssl_key_file of the server"
            ),
            Self::Unreachable { resource, .. } | Self::Silent { resource, .. } => format!(
                "see whether the server runs, listens where {resource}.dsn says (listen_addresses, port), and is not behind a firewall"
            ),
        }
    }
}

fn is_of_tls(problem: &str) -> bool {
    ["certificate", "TLS", "handshake"].iter().any(|word| problem.contains(word))
}

#[cfg(test)]
mod tests {
    use hostler_configuration::FileProblem;

    use super::*;

    #[test]
    fn a_certificate_is_not_mended_by_starting_the_server() {
        let unreachable = |problem: &str| {
            ConnectError::Unreachable { resource: "postgres.a".into(), problem: problem.into() }.remedy()
        };
        assert!(unreachable("the server's certificate has expired").contains("sslrootcert"));
        assert!(unreachable("nothing listens there").contains("listens where postgres.a.dsn says"));
    }

    #[test]
    fn a_file_is_named_once_with_what_to_do_beside_it() {
        let file = FileProblem::Missing.of("password_file", std::path::Path::new("/etc/x"));
        let error = ConnectError::Configuration { resource: "postgres.a".into(), problem: file.into() };
        assert_eq!(error.finding(), "its password_file /etc/x does not exist");
        assert_eq!(error.remedy(), "create /etc/x, or correct password_file");
    }
}
