//! A PostgreSQL server as libpq's variables.

use std::path::{Path, PathBuf};

use hostler_configuration::PostgresResource;

use super::{Connection, PrivateFile, dsn, password, secret_file};

/// Keywords that have a variable and whose value is handed on as it is.
const VARIABLES: &[(&str, &str)] = &[
    ("application_name", "PGAPPNAME"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("client_encoding", "PGCLIENTENCODING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("dbname", "PGDATABASE"),
    ("gssencmode", "PGGSSENCMODE"),
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("port", "PGPORT"),
    ("require_auth", "PGREQUIREAUTH"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("sslmode", "PGSSLMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslsni", "PGSSLSNI"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("user", "PGUSER"),
];

/// Keywords that name a file, which the program gets a copy of.
const FILES: &[(&str, &str, &str)] = &[
    ("sslrootcert", "PGSSLROOTCERT", "root.crt"),
    ("sslcert", "PGSSLCERT", "client.crt"),
    ("sslkey", "PGSSLKEY", "client.key"),
    ("sslcrl", "PGSSLCRL", "root.crl"),
];

/// Keywords that change nothing about where or as whom a session runs, and have no variable.
const IGNORED: &[&str] = &[
    "fallback_application_name",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "tcp_user_timeout",
];

/// Where distributions keep the roots of the machine.
const BUNDLES: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

pub(super) fn connection(resource: &PostgresResource, reads: bool) -> Result<Connection, String> {
    let mut keywords = dsn::parse(&resource.dsn)?;
    if let Some(name) = keywords.remove("service") {
        let file = resource.service_file.clone().or_else(|| std::env::var_os("PGSERVICEFILE").map(PathBuf::from));
        let file = file.ok_or("it names a service, and there is no service_file")?;
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("its service file cannot be read: {}", error.kind()))?;
        let mut service = dsn::service(&text, &name).ok_or("its service file has no such service")?;
        service.extend(keywords);
        keywords = service;
    }
    let mut made = Connection::default();
    let sslmode = keywords.get("sslmode").cloned().unwrap_or_default();
    if sslmode.starts_with("verify") && !keywords.contains_key("sslrootcert") {
        let bundle = BUNDLES.iter().find(|path| Path::new(path).is_file());
        made.variables.push(("PGSSLROOTCERT", (*bundle.ok_or("the machine has no root certificates")?).into()));
    }
    let secret = match (keywords.remove("password"), &resource.password_file, keywords.remove("passfile")) {
        (_, Some(file), _) => Some(passfile(&password(file)?)),
        (Some(secret), None, _) => Some(passfile(&secret)),
        (None, None, Some(file)) => Some(secret_file(Path::new(&file), "its passfile")?),
        (None, None, None) => match std::env::var_os("PGPASSFILE") {
            Some(file) => Some(secret_file(Path::new(&file), "PGPASSFILE")?),
            None => None,
        },
    };
    if let Some(contents) = secret {
        made.files.push(PrivateFile { variable: "PGPASSFILE", name: "pgpass", contents: contents.into_bytes() });
    }
    let mut options = keywords.remove("options").unwrap_or_default();
    if reads {
        // The form is said to read; the server holds it to that.
        options = format!("{options} -c default_transaction_read_only=on").trim_start().to_owned();
    }
    if !options.is_empty() {
        made.variables.push(("PGOPTIONS", options));
    }
    let port = keywords.get("port").cloned().unwrap_or_else(|| "5432".into());
    let host = keywords.entry("host".into()).or_insert_with(|| "/run/postgresql".into()).clone();
    let hosts: Vec<&str> = host.split(',').collect();
    for (index, host) in hosts.iter().enumerate() {
        if host.starts_with('/') {
            let port = port.split(',').nth(index).or(port.split(',').next()).unwrap_or("5432");
            made.sockets.push(Path::new(host).join(format!(".s.PGSQL.{port}")));
        } else {
            made.network = true;
        }
    }
    made.network |= keywords.contains_key("hostaddr");
    for (key, value) in keywords {
        if matches!(key.as_str(), "host" | "hostaddr") {
            made.secrets.extend(value.split(',').map(str::to_owned));
        }
        if let Some((_, variable)) = VARIABLES.iter().find(|(known, _)| *known == key) {
            made.variables.push((variable, value));
        } else if let Some((_, variable, name)) = FILES.iter().find(|(known, ..)| *known == key) {
            if key == "sslrootcert" && value == "system" {
                made.variables.push((variable, value));
                continue;
            }
            let contents =
                std::fs::read(&value).map_err(|error| format!("its {key} cannot be read: {}", error.kind()))?;
            made.files.push(PrivateFile { variable, name, contents });
        } else if !IGNORED.contains(&key.as_str()) {
            return Err(format!("its connection string has {key}, which a program cannot be handed"));
        }
    }
    Ok(made)
}

/// One line for any server: the file is read by one program that is told one server.
fn passfile(secret: &str) -> String {
    format!("*:*:*:*:{}\n", secret.replace('\\', "\\\\").replace(':', "\\:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dsn: &str) -> Result<Connection, String> {
        connection(&PostgresResource { dsn: dsn.into(), ..PostgresResource::default() }, false)
    }

    #[test]
    fn the_password_stands_in_a_file_and_in_no_variable() {
        let made = of("host=db1 user=u password='a:b\\\\c' sslmode=require").expect("it is right");
        assert_eq!(made.files[0].contents, b"*:*:*:*:a\\:b\\\\c\n");
        assert!(made.network && made.sockets.is_empty());
        assert!(
            made.variables.contains(&("PGHOST", "db1".into()))
                && made.variables.contains(&("PGSSLMODE", "require".into()))
        );
        assert!(!format!("{:?}", made.variables).contains("b\\"));
    }

    #[test]
    fn a_socket_is_no_network() {
        let made = of("host=/run/postgresql port=5433").expect("it is right");
        assert!(!made.network);
        assert_eq!(made.sockets, [PathBuf::from("/run/postgresql/.s.PGSQL.5433")]);
    }

    #[test]
    fn what_cannot_be_handed_on_is_said() {
        let error = of("host=a frobnicate=secret").expect_err("there is no such keyword");
        assert!(error.contains("frobnicate") && !error.contains("secret"), "{error}");
    }
}
