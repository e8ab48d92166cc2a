//! Where a resource leads: its connection string, service file and password files, read as libpq reads them.

use std::{path::PathBuf, time::Duration};

use hostler_configuration::{
    ConnectionString, FileError, PasswordFound, PostgresResource, ServiceFile, check_alone, check_readable,
    look_up_password, read_secret,
};
use tokio_postgres::config::ChannelBinding;

use crate::{
    environment::Environment,
    places::{Place, SOCKETS, places},
    problem::Problem,
    wanted::Wanted,
    words::{finish, seconds, values},
};

/// How long opening a connection may take where the resource does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which of several servers will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Any.
    #[default]
    Any,
    /// One that takes writes.
    Primary,
    /// One in recovery.
    Standby,
    /// One in recovery, or any where there is none.
    PreferStandby,
}

/// All that is needed to connect.
#[derive(Clone)]
pub struct Destination {
    /// In order of preference.
    pub places: Vec<Place>,
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
    /// The password that the resource itself has.
    password: Option<String>,
    /// libpq's password file, and what names it.
    password_file: Option<(&'static str, PathBuf)>,
    /// Startup options of the operator's own.
    pub options: String,
    /// TLS.
    pub tls: Wanted,
    /// How long opening a connection may take.
    pub timeout: Duration,
    /// Which server will do.
    pub role: Role,
    /// Whether the password exchange is bound to the TLS session.
    pub binding: ChannelBinding,
    /// Whether the kernel looks after idle connections, and after how long.
    pub keepalives: (bool, Option<Duration>),
}

impl Destination {
    /// Reads a resource. `database` replaces the one that it names.
    ///
    /// # Errors
    /// What is wrong and what to do, without any value of the resource's but a path.
    pub fn read(
        resource: &PostgresResource,
        database: Option<&str>,
        environment: &Environment,
    ) -> Result<Self, Problem> {
        let mut words = ConnectionString::parse(&resource.dsn)?;
        if let Some(name) = words.take("service") {
            let file = ServiceFile {
                own: resource.service_file.clone(),
                of_environment: environment.service_file.clone(),
                at_home: environment.at_home(".pg_service.conf"),
            };
            words.extend(file.find(&name)?);
        }
        let user = match words.take("user").or_else(|| environment.user.clone()) {
            Some(user) => user,
            None => return Err("it names no user, and this process has none that could be taken".into()),
        };
        let named = words.take("dbname").unwrap_or_else(|| user.clone());
        let password = match &resource.password_file {
            Some(file) => Some(read_secret("password_file", file)?),
            None => words.value("password").map(str::to_owned),
        };
        words.take("password");
        let destination = Self {
            places: places(&mut words)?,
            password,
            password_file: words
                .take("passfile")
                .map(|file| ("passfile", PathBuf::from(file)))
                .or_else(|| environment.password_file.clone().map(|file| ("PGPASSFILE", file)))
                .or_else(|| environment.at_home(".pgpass").map(|file| ("~/.pgpass", file))),
            options: words.take("options").unwrap_or_default(),
            tls: Wanted::take(&mut words, environment)?,
            timeout: match seconds(&mut words, "connect_timeout")? {
                None | Some(0) => CONNECT_TIMEOUT,
                Some(seconds) => Duration::from_secs(seconds),
            },
            role: match words.take("target_session_attrs").as_deref() {
                None | Some("any") => Role::Any,
                Some("read-write" | "primary") => Role::Primary,
                Some("read-only" | "standby") => Role::Standby,
                Some("prefer-standby") => Role::PreferStandby,
                Some(_) => {
                    return Err(values("target_session_attrs", "any, primary, standby, prefer-standby, …").into());
                }
            },
            binding: match words.take("channel_binding").as_deref() {
                Some("disable") => ChannelBinding::Disable,
                None | Some("prefer") => ChannelBinding::Prefer,
                Some("require") => ChannelBinding::Require,
                Some(_) => return Err(values("channel_binding", "disable, prefer or require").into()),
            },
            keepalives: (
                seconds(&mut words, "keepalives")? != Some(0),
                seconds(&mut words, "keepalives_idle")?.filter(|idle| *idle > 0).map(Duration::from_secs),
            ),
            database: database.map_or(named, Into::into),
            user,
        };
        finish(words)?;
        Ok(destination)
    }

    /// The password for one of the servers.
    pub fn password(&self, place: &Place) -> PasswordFound {
        if let Some(password) = &self.password {
            return PasswordFound::Password(password.clone());
        }
        let Some((_, file)) = &self.password_file else { return PasswordFound::Nothing };
        let host = if place.host == SOCKETS { "localhost" } else { &place.host };
        look_up_password(file, [host, &place.port.to_string(), &self.database, &self.user])
    }

    /// What is wrong with libpq's password file, which is left out then; nothing where no password is looked for in it.
    ///
    /// libpq says nothing of a file that is not there, or of one that is left out while the server wants no password.
    pub fn left_out(&self) -> Option<FileError> {
        let (key, file) = self.password_file.as_ref().filter(|_| self.password.is_none())?;
        let named = *key != "~/.pgpass";
        let readable = if named || file.exists() { check_readable(key, file) } else { Ok(()) };
        readable.and_then(|()| check_alone(key, file)).err()
    }

    /// What must never stand in a text that leaves the host.
    pub fn secrets(&self) -> Vec<String> {
        let hosts = self.places.iter().filter(|place| !place.is_socket()).flat_map(|place| {
            [Some(place.host.clone()), place.address.map(|address| address.to_string())].into_iter().flatten()
        });
        hosts.chain(self.password.clone()).filter(|word| !word.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use hostler_configuration::FileProblem;

    use super::*;
    use crate::wanted::Mode;

    fn read(dsn: &str) -> Result<Destination, Problem> {
        let environment = Environment { user: Some("me".into()), ..Environment::default() };
        Destination::read(&PostgresResource { dsn: dsn.into(), ..Default::default() }, None, &environment)
    }

    fn problem(dsn: &str) -> String {
        read(dsn).err().expect("it is refused").to_string()
    }

    #[test]
    fn what_is_not_said_is_as_libpq_has_it() {
        let destination = read("").expect("nothing is wrong");
        assert_eq!(destination.places, [Place { host: SOCKETS.into(), address: None, port: 5432 }]);
        assert_eq!((destination.user.as_str(), destination.database.as_str()), ("me", "me"));
        assert_eq!((destination.tls.mode, destination.timeout), (Mode::Prefer, Duration::from_secs(5)));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name_and_without_its_value() {
        for (dsn, word) in [
            ("sslcrl=/secret/x", "sslcrl"),
            ("require_auth=secret", "require_auth"),
            ("sslmode=secret", "sslmode"),
            ("port=secret", "port"),
            ("hostaddr=secret", "hostaddr"),
            ("gssencmode=require", "gssencmode"),
            ("sslcert=secret", "sslkey"),
            ("replication=true", "replication"),
            ("sslmode=require sslrootcert=system", "verify-full"),
            ("service=secret", "service_file"),
        ] {
            let problem = problem(dsn);
            assert!(problem.contains(word) && !problem.contains("secret"), "{dsn}: {problem}");
        }
    }

    #[test]
    fn a_password_file_that_cannot_be_used_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("db1.password");
        let read = |dsn: &str, file: Option<&Path>| {
            let password_file = file.map(Path::to_owned);
            let resource = PostgresResource { dsn: dsn.into(), password_file, ..Default::default() };
            Destination::read(&resource, None, &Environment::default())
        };
        let problem = |file: &Path| read("user=u", Some(file)).err().expect("it is refused");
        let words = format!("its password_file {} ", file.display());
        let absent = problem(&file);
        assert!(absent.to_string().starts_with(&(words.clone() + "does not exist: create /")), "{absent}");
        assert!(!absent.without_path().contains("db1"), "{}", absent.without_path());
        fs::write(&file, "hunter2").expect("it is written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("its mode is set");
        let loose = problem(&file).to_string();
        assert!(loose.starts_with(&words) && loose.contains("chmod 600") && !loose.contains("hunter2"), "{loose}");
        // One of libpq's is no error, as with libpq, and is told.
        let left_out = |dsn: &str| read(dsn, None).expect("it is right").left_out();
        let dsn = format!("user=u passfile={}", file.display());
        assert!(
            left_out(&dsn).is_some_and(|error| error.key == "passfile" && error.problem == FileProblem::Loose(0o644))
        );
        assert_eq!(left_out(&format!("{dsn} password=x")), None);
        assert!(left_out(&format!("{dsn}.old")).is_some_and(|error| error.problem == FileProblem::Missing));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its mode is set");
        assert_eq!(left_out(&dsn), None);
        assert_eq!(left_out("user=u"), None);
    }
}
