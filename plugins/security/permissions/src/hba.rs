//! pg_hba.conf as the server reads it. Options of a rule may hold a password of LDAP or RADIUS, so they are never asked
//! for, and neither is the text of an error, which repeats the line.
//!
//! The view is a superuser's unless granted, and a task's only where its binding names it. Where it cannot be read the
//! doors are unknown, which is not locked.

use hostler_sdk::postgres::Database;
use hostler_sdk::prelude::*;

use crate::right::Found;

const RULES: &str = "
    SELECT line_number::int8 AS line, type AS kind, array_to_string(database, ',') AS databases,
        array_to_string(user_name, ',') AS users, address, auth_method AS method, error IS NOT NULL AS wrong
    FROM pg_hba_file_rules ORDER BY 1";

const ROLE: &str = "SELECT quote_ident(current_user) AS role";

pub(crate) async fn look(database: &Database, found: &mut Found) -> Result<(), TaskError> {
    let rules = match database.query(RULES, &[]).await {
        Ok(rules) => rules.rows().await,
        Err(error) => Err(error),
    };
    match rules {
        Ok(rules) => judge(database.name(), &rules, found),
        Err(error) if error.ends_the_run() => Err(error),
        Err(error) => {
            let role: String = database.query(ROLE, &[]).await?.one().await?.get("role")?;
            unseen(&error, database.name(), &role).report();
            Ok(())
        }
    }
}

/// Why the rules cannot be seen, and what would show them.
pub(crate) fn unseen(error: &TaskError, subject: &str, role: &str) -> Finding {
    if error.is("42501") {
        return finding!(
            Severity::Unknown,
            "privilege-missing",
            subject,
            "who is let in without a password is unknown: the role {role} may not read pg_hba_file_rules"
        )
        .remedy(format!(
            "GRANT SELECT ON pg_catalog.pg_hba_file_rules TO {role}; \
             GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO {role};    -- in the database that is bound"
        ));
    }
    if error.is_denied() {
        return finding!(
            Severity::Unknown,
            "grant-missing",
            subject,
            "who is let in without a password is unknown: the task's binding leaves pg_hba_file_rules out"
        )
        .remedy("let bind.database have read = [\"pg_catalog.pg_hba_file_rules\"]");
    }
    error.clone().during("reading pg_hba_file_rules").finding("server-not-looked-at", subject)
}

pub(crate) fn judge(subject: &str, rules: &Rows, found: &mut Found) -> Result<(), TaskError> {
    for row in rules.iter() {
        let line: i64 = row.get("line")?;
        if row.get("wrong")? {
            let finding = finding!(
                Severity::Warning,
                "hba-line-wrong",
                format!("{subject} line {line}"),
                "the server cannot read line {line} of pg_hba.conf, so that no change of the file takes effect"
            )
            .remedy("correct it, look at SELECT line_number, error FROM pg_hba_file_rules as a superuser, then SELECT pg_reload_conf();");
            found.fault(format!("postgres hba-line {line}"), finding);
            continue;
        }
        let text = |name: &str| row.get::<Option<String>>(name).map(Option::unwrap_or_default);
        let (kind, method, address) = (text("kind")?, text("method")?, text("address")?);
        let rule = [kind.as_str(), &text("databases")?, &text("users")?, &address, &method]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        let from = if kind == "local" {
            "this machine's own users".to_owned()
        } else if is_loopback(&address) {
            "this machine".to_owned()
        } else {
            address.clone()
        };
        let far = kind != "local" && !is_loopback(&address);
        let judged = match method.as_str() {
            "trust" if far => Some((Severity::Critical, "trust", "without any password")),
            "trust" => Some((Severity::Warning, "trust", "without any password")),
            "password" => Some((Severity::Warning, "weak-method", "by a password in plain text")),
            "md5" => Some((Severity::Warning, "weak-method", "by md5, which is broken and on its way out")),
            "ident" if far => Some((Severity::Warning, "weak-method", "by what their own machine says they are")),
            _ => None,
        };
        let Some((severity, code, how)) = judged else { continue };
        let finding = finding!(
            severity,
            code,
            format!("{subject} line {line}"),
            "line {line} of pg_hba.conf lets clients from {from} in {how}: {rule}"
        )
        .remedy(format!(
            "write scram-sha-256 in place of {method} in that line{}, then SELECT pg_reload_conf();",
            if method == "md5" { ", once every password is stored as SCRAM (password_encryption)" } else { "" }
        ));
        found.fault(format!("postgres hba {rule}"), finding);
    }
    Ok(())
}

fn is_loopback(address: &str) -> bool {
    ["127.", "::1"].iter().any(|own| address.starts_with(own)) || matches!(address, "localhost" | "samehost")
}
