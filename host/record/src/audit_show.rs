//! Reading the audit's lines, for people.

use std::io::{BufReader, Read as _};

use serde::Deserialize;

use crate::{
    AuditFile, RecordError,
    audit::Part,
    audit_verify::{Read, next},
};

/// A line of the audit.
#[derive(Debug, Clone, Deserialize)]
pub struct AuditLine {
    /// Its number.
    pub sequence: u64,
    /// RFC 3339, UTC.
    pub time: String,
    /// The run.
    pub run: String,
    /// The call's number within the run; 0 where it was refused before it began.
    pub call: u64,
    /// The request.
    pub request: String,
    /// What was asked, redacted.
    pub operation: String,
    /// `allowed`, `denied`, `planned`, `done`, `failed`, `cancelled`.
    pub decision: String,
    /// The rule.
    pub rule: String,
    /// How long it took, at its end.
    pub duration_us: Option<u64>,
    /// Rows, keys or entries, at its end.
    pub rows: Option<u64>,
    /// Bytes, at its end.
    pub bytes: Option<u64>,
}

impl AuditFile {
    /// Hands over each line, with its text as it stands, the oldest first; what a kill cut short is passed over.
    ///
    /// # Errors
    /// Where the audit cannot be read, or what `each` returns.
    pub fn each_line<E: From<RecordError>>(
        &self,
        mut each: impl FnMut(AuditLine, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut bytes = Vec::new();
        let (_, files) = self.files().map_err(RecordError::file(&self.path))?;
        for Part { path, file, length } in files {
            let mut reader = BufReader::with_capacity(1 << 16, file.take(length));
            while next(&mut reader, &mut bytes).map_err(RecordError::file(&path))? != Read::None {
                if let Ok(text) = std::str::from_utf8(&bytes)
                    && let Ok(line) = serde_json::from_str(text)
                {
                    each(line, text)?;
                }
            }
        }
        Ok(())
    }
}
