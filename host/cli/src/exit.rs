//! Exit codes: 0 to 3 are a verdict, 64 and up that there is none.

/// Usage: the command line cannot be carried out as given (EX_USAGE of sysexits).
pub const USAGE: u8 = 64;
/// What was asked for is not there, or was refused (EX_UNAVAILABLE).
pub const UNAVAILABLE: u8 = 69;
/// The configuration is wrong (EX_CONFIG).
pub const CONFIGURATION: u8 = 78;
/// Ended by SIGINT.
pub const INTERRUPTED: u8 = 130;
/// Ended by SIGTERM.
pub const TERMINATED: u8 = 143;

/// An error that ends the command with its own code.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What is said on standard error.
    pub message: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// An error with its exit code, for `?`.
pub fn failure(code: u8, message: impl Into<String>) -> anyhow::Error {
    Failure { code, message: message.into() }.into()
}
