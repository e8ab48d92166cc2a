//! What holds for every audit, whatever is in its files: for the tests here, and for the fuzz target `audit`.

use std::fs;

use hostler_capability::{AuditEntry, AuditLog, Decision};

use crate::{AuditFile, RecordError};

/// An audit whose files hold these bytes is read, verified and gone on with; a zero byte begins the next file: the
/// earlier one, the current one, and where it begins.
pub(crate) fn any_audit(data: &[u8]) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("audit.jsonl");
    let mut parts = data.splitn(3, |byte| *byte == 0);
    for name in ["audit.jsonl", "audit-1.jsonl", "begins.json"] {
        if let Some(part) = parts.next() {
            fs::write(directory.path().join(name), part).expect("a file");
        }
    }
    let Ok(audit) = AuditFile::open(&path, u64::MAX) else { return };
    let before = audit.verify(&[]);
    let mut lines = 0_u64;
    let shown: Result<(), RecordError> = audit.each_line(|line, text| {
        lines += 1;
        assert!(text.contains(&line.sequence.to_string()));
        Ok(())
    });
    assert!(shown.is_err() || before.as_ref().is_ok_and(|found| found.lines >= lines) || before.is_err());
    let entry = AuditEntry {
        run: "run",
        plugin: "digest",
        call: 1,
        request: "database",
        operation: "query",
        decision: Decision::Allowed,
        rule: "read",
        duration_us: None,
        rows: None,
        bytes: None,
    };
    let appended = audit.append(&entry);
    if let (Ok(before), Ok(())) = (&before, &appended) {
        let after = audit.verify(&[]).expect("what was whole is whole with a line more");
        assert_eq!(after.lines, before.lines + 1);
    }
    // Another host finds the same end.
    if appended.is_ok()
        && let Ok(next) = AuditFile::open(&path, u64::MAX)
        && let (Ok(own), Ok(other)) = (audit.head(), next.head())
    {
        assert_eq!(own.0, other.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    use crate::replay::replay;

    #[test]
    fn kept_inputs_are_fine() {
        replay("audit", any_audit);
    }

    /// Some lines as the host writes them.
    fn written(count: usize) -> Vec<u8> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("audit.jsonl");
        let audit = AuditFile::open(&path, u64::MAX).expect("a file");
        for call in 0..count {
            audit.append(&crate::audit_verify::tests::entry(call as u64, "query")).expect("it is written");
        }
        fs::read(&path).expect("it is there")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_bytes_end_the_host(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            any_audit(&data);
        }

        #[test]
        fn nor_does_an_audit_that_was_cut_and_changed(
            count in 0..6_usize,
            cut in 0..400_usize,
            place in 0..2000_usize,
            byte in any::<u8>(),
            more in "(\\{\"sequence\":[0-9]{1,20},\"previous\":\"[0-9a-f]{0,4}\"\\}|\n|x|\0){0,6}",
        ) {
            let mut data = written(count);
            data.truncate(data.len().saturating_sub(cut));
            let length = data.len();
            if let Some(changed) = data.get_mut(place % length.max(1)) {
                *changed = byte;
            }
            data.extend(more.bytes());
            any_audit(&data);
        }
    }
}
