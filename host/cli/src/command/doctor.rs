//! `doctor` and `roles`.

use std::{fmt::Write, path::Path};

use hostler_capability::Severity;
use hostler_service::{Examined, Host};

use super::{
    configuration::load,
    print::{out, style},
};
use crate::format::{Style, count, lines, shown};

/// Tries every resource and every bound privilege.
pub(super) async fn doctor(config: &Path, name: Option<&str>) -> anyhow::Result<u8> {
    let host = Host::open(load(config)?)?;
    let examined = host.examine(name).await?;
    out(&page(&examined, style(false)))?;
    Ok(examined.iter().map(|one| one.severity).max().unwrap_or_default().exit_code())
}

fn page(examined: &[Examined], style: Style) -> String {
    if examined.is_empty() {
        return "the configuration has no task and no resource; begin with a section [postgres.NAME]\n".into();
    }
    let mut text = String::new();
    let widest = examined.iter().map(|one| shown(&one.subject).chars().count()).max().unwrap_or(0);
    let indent = 9 + widest + 2;
    for one in examined {
        let (mark, code) = match one.severity {
            Severity::Ok => ("ok", "32"),
            Severity::Warning => ("warning", "33"),
            Severity::Critical | Severity::Unknown => ("problem", "1;31"),
        };
        let pad = " ".repeat(9 - mark.len());
        let mut finding = lines(&one.finding);
        let first = style.wrapped(&finding.next().unwrap_or_default(), indent, indent);
        let _ = writeln!(text, "{}{pad}{:<widest$}  {first}", style.paint(code, mark), shown(&one.subject));
        for line in finding {
            let _ = writeln!(text, "{:indent$}{}", "", style.wrapped(&line, indent, indent));
        }
        for (number, line) in one.remedy.iter().flat_map(|remedy| lines(remedy)).enumerate() {
            let arrow = if number == 0 { "→" } else { " " };
            let _ = writeln!(text, "{:indent$}{arrow} {}", "", style.paint("36", &line));
        }
    }
    let of = |severities: &[Severity]| examined.iter().filter(|one| severities.contains(&one.severity)).count() as u64;
    let problems = of(&[Severity::Critical, Severity::Unknown]);
    let warnings = of(&[Severity::Warning]);
    let _ = match (problems, warnings) {
        (0, 0) => writeln!(text, "\nall is ready"),
        (0, warnings) => writeln!(text, "\n{}", count(warnings, "warning")),
        (problems, 0) => writeln!(text, "\n{}", count(problems, "problem")),
        (problems, warnings) => writeln!(text, "\n{}, {}", count(problems, "problem"), count(warnings, "warning")),
    };
    text
}

/// Prints the least role and user.
pub(super) fn roles(config: &Path, resource: Option<&str>) -> anyhow::Result<u8> {
    let host = Host::open(load(config)?)?;
    out(&host.roles(resource)?)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resource_is_ok_or_a_problem_with_its_remedy() {
        let one = |subject: &str, severity, finding: &str, remedy: Option<&str>| Examined {
            subject: subject.into(),
            severity,
            finding: finding.into(),
            remedy: remedy.map(str::to_owned),
        };
        let examined = [
            one("postgres.main", Severity::Ok, "PostgreSQL 15.14 answers", None),
            one("redis.c", Severity::Critical, "down\x1b[2J", Some("start it\nor correct it")),
            one("tasks.t", Severity::Critical, "line 8: one\nline 9: two", None),
            one("program.x", Severity::Warning, "runs without confinement", None),
        ];
        assert_eq!(
            page(&examined, Style::default()),
            "ok       postgres.main  PostgreSQL 15.14 answers\n\
             problem  redis.c        down [2J\n                        → start it\n                          or correct it\n\
             problem  tasks.t        line 8: one\n                        line 9: two\n\
             warning  program.x      runs without confinement\n\n\
             2 problems, 1 warning\n"
        );
        assert!(page(&examined[..1], Style::default()).ends_with("\nall is ready\n"));
        assert!(page(&[], Style::default()).contains("[postgres.NAME]"));
    }
}
