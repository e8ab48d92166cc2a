//! The operating system, its kernel, and whether it waits for a reboot.

use std::path::Path;

use hostler_world::machine::OperatingSystem;

use crate::{Problem, errors::read};

/// Where distributions say that a reboot is due: Debian and its kin, and SUSE.
const REBOOT: [&str; 3] = ["/run/reboot-required", "/var/run/reboot-required", "/run/reboot-needed"];

/// # Errors
/// Where /proc cannot be read. A machine without os-release has no fields.
pub(crate) fn operating_system() -> Result<OperatingSystem, Problem> {
    let release = read("/etc/os-release").or_else(|_| read("/usr/lib/os-release")).unwrap_or_default();
    Ok(OperatingSystem {
        fields: fields(&release),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        booted_at: booted_at(&read("/proc/stat")?)?,
        reboot_required: REBOOT.iter().any(|file| Path::new(file).exists()),
    })
}

/// Milliseconds since the Unix epoch.
pub(crate) fn booted_at(text: &str) -> Result<u64, Problem> {
    let seconds = text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<u64>().ok());
    seconds
        .and_then(|seconds| seconds.checked_mul(1000))
        .ok_or(Problem::Untold { file: "/proc/stat", what: "the boot time" })
}

/// Assignments as a shell reads them, without expansions.
pub(crate) fn fields(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let (name, value) = line.trim().split_once('=')?;
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (plain && !name.is_empty()).then(|| (name.to_owned(), unquote(value)))
    };
    text.lines().filter_map(line).collect()
}

fn unquote(value: &str) -> String {
    let single = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    if let Some(literal) = single {
        return literal.to_owned();
    }
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let mut letters = inner.chars();
    let mut plain = String::with_capacity(inner.len());
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_is_read_as_a_shell_reads_it() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n# a comment=1\nID=debian\nODD=\"a \\\"b\\\" \\$c\"\nLITERAL='x \\ y'\n\nnot a field\n";
        let expected = [
            ("PRETTY_NAME", "Debian GNU/Linux 12 (bookworm)"),
            ("ID", "debian"),
            ("ODD", "a \"b\" $c"),
            ("LITERAL", "x \\ y"),
        ];
        assert_eq!(fields(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn this_machine_was_booted_in_the_past() {
        let system = operating_system().expect("every Linux tells");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after it").as_millis();
        assert!(system.booted_at > 0 && u128::from(system.booted_at) <= now + 1000, "{system:?}");
        assert!(!system.kernel.is_empty());
        assert!(booted_at("cpu 1 2 3\n").is_err());
    }
}
