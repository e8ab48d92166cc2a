//! A PostgreSQL server as libpq's variables.

use std::path::{Path, PathBuf};

use hostler_configuration::{ConnectionString, FileError, PostgresResource, ServiceFile, check_alone, password_in};

use super::{Connection, PrivateFile, password};

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

/// Where Debian's servers have their socket.
const SOCKETS: &str = "/run/postgresql";

/// Where distributions keep the roots of the machine.
const BUNDLES: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

pub(super) fn connection(resource: &PostgresResource, reads: bool) -> Result<Connection, String> {
    let mut words = ConnectionString::parse(&resource.dsn).map_err(|error| error.to_string())?;
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(name) = words.take("service") {
        let file = ServiceFile {
            own: resource.service_file.clone(),
            of_environment: variable("PGSERVICEFILE"),
            at_home: std::env::home_dir().map(|home| home.join(".pg_service.conf")),
        };
        words.extend(file.find(&name).map_err(|error| error.without_path())?);
    }
    let mut made = Connection::default();
    if words.value("sslmode").is_some_and(|mode| mode.starts_with("verify")) && words.value("sslrootcert").is_none() {
        let bundle = BUNDLES.iter().find(|path| Path::new(path).is_file());
        made.variables.push(("PGSSLROOTCERT", (*bundle.ok_or("the machine has no root certificates")?).into()));
    }
    let file = match (words.take("password"), &resource.password_file, words.take("passfile")) {
        (_, Some(file), _) => {
            made.passwords.push(password(file)?);
            None
        }
        (Some(secret), None, _) => {
            made.passwords.push(secret);
            None
        }
        (None, None, Some(file)) => Some(whole("passfile", Path::new(&file))?),
        (None, None, None) => variable("PGPASSFILE").map(|file| whole("PGPASSFILE", &file)).transpose()?,
    };
    let mut options = words.take("options").unwrap_or_default();
    if reads {
        // The form is said to read; the server holds it to that.
        options = format!("{options} -c default_transaction_read_only=on").trim_start().to_owned();
    }
    if !options.is_empty() {
        made.variables.push(("PGOPTIONS", options));
    }
    if words.value("host").is_none() && words.value("hostaddr").is_none() {
        words.take("host");
        words.extend(vec![("host".into(), SOCKETS.into())]);
    }
    let list = |keyword| words.value(keyword).unwrap_or_default().split(',').map(str::trim).collect::<Vec<_>>();
    let (hosts, ports) = (list("host"), list("port"));
    if let Some(text) = &file {
        made.passwords.extend(in_file(text, &words, &hosts, &ports));
    }
    if !made.passwords.is_empty() {
        let contents = made.passwords.iter().map(|password| passfile(password)).next().unwrap_or_default();
        made.files.push(PrivateFile { variable: "PGPASSFILE", name: "pgpass", contents: contents.into_bytes() });
    }
    for (index, host) in hosts.iter().enumerate() {
        if host.starts_with('/') {
            let port = ports.get(index).or(ports.first()).filter(|port| !port.is_empty()).unwrap_or(&"5432");
            made.sockets.push(Path::new(host).join(format!(".s.PGSQL.{port}")));
        } else {
            made.network = true;
        }
    }
    made.network |= words.value("hostaddr").is_some();
    for (key, value) in words.iter() {
        if matches!(key, "host" | "hostaddr") {
            made.addresses.extend(value.split(',').map(str::to_owned));
        }
        if let Some((_, variable)) = VARIABLES.iter().find(|(known, _)| *known == key) {
            made.variables.push((variable, value.into()));
        } else if let Some((_, variable, name)) = FILES.iter().find(|(known, ..)| *known == key) {
            if key == "sslrootcert" && value == "system" {
                made.variables.push((variable, value.into()));
                continue;
            }
            let file = Path::new(value);
            let contents = std::fs::read(file).map_err(|error| FileError::of(key, file, &error).without_path())?;
            made.files.push(PrivateFile { variable, name, contents });
        } else if !IGNORED.contains(&key) {
            return Err(format!("its connection string has {key}, which a program cannot be handed"));
        }
    }
    Ok(made)
}

/// A password file as libpq has it. Its path is not repeated: the text reaches a plugin.
fn whole(key: &str, file: &Path) -> Result<String, String> {
    check_alone(key, file).map_err(|error| error.without_path())?;
    std::fs::read_to_string(file).map_err(|error| FileError::of(key, file, &error).without_path())
}

/// The password that a file has for the server: of several, that of the first which has one. What it has for others is
/// not the program's to know.
fn in_file(text: &str, words: &ConnectionString, hosts: &[&str], ports: &[&str]) -> Option<String> {
    let of_machine = std::env::var("USER").unwrap_or_default();
    let user = words.value("user").unwrap_or(&of_machine);
    let database = words.value("dbname").unwrap_or(user);
    hosts.iter().enumerate().find_map(|(index, host)| {
        let host = if *host == SOCKETS { "localhost" } else { host };
        let port = ports.get(index).or(ports.first()).filter(|port| !port.is_empty()).unwrap_or(&"5432");
        password_in(text, [host, port, database, user])
    })
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
    fn a_port_that_is_left_out_is_the_usual_one() {
        let made = of("postgresql://u@%2Frun%2Fa:5433,%2Frun%2Fb/shop").expect("it is right");
        assert_eq!(made.sockets, [PathBuf::from("/run/a/.s.PGSQL.5433"), PathBuf::from("/run/b/.s.PGSQL.5432")]);
        assert!(made.variables.contains(&("PGPORT", "5433,".into())), "libpq reads it so, too");
    }

    #[test]
    fn a_file_that_is_not_there_is_named_by_its_key_and_not_by_its_path() {
        let password_file = Some(PathBuf::from("/nowhere/db1"));
        let resource = PostgresResource { dsn: "host=a".into(), password_file, ..PostgresResource::default() };
        let absent = connection(&resource, false).expect_err("it is not there");
        assert!(absent.starts_with("its password_file does not exist: "), "{absent}");
        for dsn in ["host=a passfile=/nowhere/db1", "host=a sslrootcert=/nowhere/db1", "host=a sslkey=/nowhere/db1"] {
            let absent = of(dsn).expect_err("it is not there");
            assert!(absent.contains("does not exist: ") && !absent.contains("/nowhere"), "{absent}");
        }
    }

    #[test]
    fn what_cannot_be_handed_on_is_said() {
        let error = of("host=a frobnicate=secret").expect_err("there is no such keyword");
        assert!(error.contains("frobnicate") && !error.contains("secret"), "{error}");
    }
}
