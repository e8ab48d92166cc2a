//! Where a resource leads: its connection string, service file and password files, read as libpq reads them.
//!
//! A keyword that cannot be honoured is refused by its name, because one that is silently left out (a revocation list,
//! a wanted authentication method) would make the operator believe in a wall that is not there.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use hostler_configuration::PostgresResource;
use tokio_postgres::config::ChannelBinding;

use crate::{
    dsn,
    environment::Environment,
    password::{self, Found},
    service,
    tls::{Mode, Roots, Wanted},
};

/// How long opening a connection may take where the resource does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the server's socket is where no host is named, as Debian's and the PGDG's libpq have it.
const SOCKETS: &str = "/var/run/postgresql";

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

/// One server that the connection string names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// A host name, an address, or the directory of a socket.
    pub host: String,
    /// The address to connect to in place of resolving the name.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

impl Place {
    /// Whether it is a socket of this machine.
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/') || self.host.starts_with('@')
    }
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
    /// libpq's password file.
    password_file: Option<PathBuf>,
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
    /// What is wrong and what to do, without any value of the resource's.
    pub fn read(
        resource: &PostgresResource,
        database: Option<&str>,
        environment: &Environment,
    ) -> Result<Self, String> {
        let mut words = Words(dsn::parse(&resource.dsn).map_err(|error| error.to_string())?);
        if let Some(name) = words.take("service") {
            words.extend(service(resource, environment, &name)?);
        }
        let user = match words.take("user").or_else(|| environment.user.clone()) {
            Some(user) => user,
            None => return Err("it names no user, and this process has none that could be taken".into()),
        };
        let named = words.take("dbname").unwrap_or_else(|| user.clone());
        let password = match &resource.password_file {
            Some(file) => Some(password::own(file)?),
            None => words.take("password"),
        };
        let destination = Self {
            places: places(&mut words)?,
            password,
            password_file: words
                .take("passfile")
                .map(PathBuf::from)
                .or_else(|| environment.password_file.clone())
                .or_else(|| environment.at_home(".pgpass")),
            options: words.take("options").unwrap_or_default(),
            tls: tls(&mut words, environment)?,
            timeout: match words.number("connect_timeout")? {
                None | Some(0) => CONNECT_TIMEOUT,
                Some(seconds) => Duration::from_secs(seconds),
            },
            role: match words.take("target_session_attrs").as_deref() {
                None | Some("any") => Role::Any,
                Some("read-write" | "primary") => Role::Primary,
                Some("read-only" | "standby") => Role::Standby,
                Some("prefer-standby") => Role::PreferStandby,
                Some(_) => return Err(values("target_session_attrs", "any, primary, standby, prefer-standby, …")),
            },
            binding: match words.take("channel_binding").as_deref() {
                Some("disable") => ChannelBinding::Disable,
                None | Some("prefer") => ChannelBinding::Prefer,
                Some("require") => ChannelBinding::Require,
                Some(_) => return Err(values("channel_binding", "disable, prefer or require")),
            },
            keepalives: (
                words.number("keepalives")? != Some(0),
                words.number("keepalives_idle")?.filter(|idle| *idle > 0).map(Duration::from_secs),
            ),
            database: database.map_or(named, Into::into),
            user,
        };
        words.finish()?;
        Ok(destination)
    }

    /// The password for one of the servers.
    pub fn password(&self, place: &Place) -> Found {
        if let Some(password) = &self.password {
            return Found::Password(password.clone());
        }
        let Some(file) = &self.password_file else { return Found::Nothing };
        let host = if place.host == SOCKETS { "localhost" } else { &place.host };
        password::lookup(file, [host, &place.port.to_string(), &self.database, &self.user])
    }

    /// What must never stand in a text that leaves the host.
    pub fn secrets(&self) -> Vec<String> {
        let hosts = self.places.iter().filter(|place| !place.is_socket()).flat_map(|place| {
            [Some(place.host.clone()), place.address.map(|address| address.to_string())].into_iter().flatten()
        });
        hosts.chain(self.password.clone()).filter(|word| !word.is_empty()).collect()
    }
}

/// The keywords that have not been looked at yet.
struct Words(Vec<(String, String)>);

impl Words {
    fn take(&mut self, keyword: &str) -> Option<String> {
        let mut found = None;
        self.0.retain(|(name, value)| {
            let wanted = name == keyword;
            if wanted {
                found = Some(value.clone());
            }
            !wanted
        });
        found.filter(|value| !value.is_empty())
    }

    fn number(&mut self, keyword: &str) -> Result<Option<u64>, String> {
        let read = |value: String| value.trim().parse().map_err(|_| values(keyword, "a number of seconds"));
        self.take(keyword).map(read).transpose()
    }

    /// What a service says holds where the connection string does not.
    fn extend(&mut self, pairs: Vec<(String, String)>) {
        for (keyword, value) in pairs {
            if !self.0.iter().any(|(name, _)| *name == keyword) {
                self.0.push((keyword, value));
            }
        }
    }

    /// Leaves out what changes nothing here, and refuses the rest by name.
    fn finish(mut self) -> Result<(), String> {
        // The host names its sessions itself, and the kernel's own figures serve for keep-alive.
        for keyword in [
            "application_name",
            "fallback_application_name",
            "keepalives_interval",
            "keepalives_count",
            "tcp_user_timeout",
            "sslcompression",
        ] {
            self.take(keyword);
        }
        let harmless = [
            ("client_encoding", &["auto", "UTF8", "utf8", "UTF-8"][..]),
            ("gssencmode", &["disable", "prefer"]),
            ("load_balance_hosts", &["disable"]),
        ];
        for (keyword, taken) in harmless {
            if let Some(value) = self.take(keyword)
                && !taken.contains(&value.as_str())
            {
                return Err(values(keyword, &taken.join(" or ")));
            }
        }
        match self.0.first() {
            Some((keyword, _)) => Err(format!("the keyword {keyword} of its connection string is not supported")),
            None => Ok(()),
        }
    }
}

fn values(keyword: &str, wanted: &str) -> String {
    format!("its {keyword} is not supported: it takes {wanted}")
}

fn service(
    resource: &PostgresResource,
    environment: &Environment,
    name: &str,
) -> Result<Vec<(String, String)>, String> {
    let files =
        [resource.service_file.clone(), environment.service_file.clone(), environment.at_home(".pg_service.conf")];
    // Only the first that is named is looked at, as libpq does it.
    match files.into_iter().flatten().next() {
        Some(file) => service::find(&file, name)?.ok_or_else(|| "its service is in no connection service file".into()),
        None => Err("its service is in no connection service file: name one with service_file".into()),
    }
}

fn places(words: &mut Words) -> Result<Vec<Place>, String> {
    let list = |value: Option<String>| -> Vec<String> {
        value.map(|value| value.split(',').map(|part| part.trim().to_owned()).collect()).unwrap_or_default()
    };
    let (hosts, addresses, ports) = (list(words.take("host")), list(words.take("hostaddr")), list(words.take("port")));
    let count = hosts.len().max(addresses.len()).max(1);
    let fits = |length: usize| length == 0 || length == count;
    if !fits(hosts.len()) || !fits(addresses.len()) || !(fits(ports.len()) || ports.len() == 1) {
        return Err("its host, hostaddr and port are lists of different lengths".into());
    }
    (0..count)
        .map(|index| {
            let address = match addresses.get(index).filter(|address| !address.is_empty()) {
                Some(address) => Some(address.parse::<IpAddr>().map_err(|_| values("hostaddr", "IP addresses"))?),
                None => None,
            };
            let host = match (hosts.get(index).filter(|host| !host.is_empty()), address) {
                (Some(host), _) => host.clone(),
                (None, Some(address)) => address.to_string(),
                (None, None) => SOCKETS.into(),
            };
            let port = match ports.get(index).or_else(|| ports.first()).filter(|port| !port.is_empty()) {
                Some(port) => port.parse().map_err(|_| values("port", "numbers from 1 to 65535"))?,
                None => 5432,
            };
            Ok(Place { host, address, port })
        })
        .collect()
}

fn tls(words: &mut Words, environment: &Environment) -> Result<Wanted, String> {
    let mut mode = match words.take("sslmode").as_deref() {
        Some("disable") => Mode::Disable,
        None | Some("prefer") => Mode::Prefer,
        Some("require") => Mode::Require,
        Some("verify-ca") => Mode::VerifyCa,
        Some("verify-full") => Mode::VerifyFull,
        Some(_) => return Err(values("sslmode", "disable, prefer, require, verify-ca or verify-full")),
    };
    let standard = || environment.at_home(".postgresql/root.crt").filter(|file| file.exists());
    let roots = match words.take("sslrootcert") {
        Some(word) if word == "system" => Roots::System,
        Some(file) => Roots::File(file.into()),
        None => standard().filter(|_| mode >= Mode::Require).map_or(Roots::Unnamed, Roots::File),
    };
    if roots == Roots::System && mode < Mode::VerifyFull {
        return Err("its sslrootcert=system vouches for any server: it needs sslmode=verify-full".into());
    }
    // As libpq: certificates that are named are used.
    match (mode, &roots) {
        (Mode::Require, Roots::File(_)) => mode = Mode::VerifyCa,
        (Mode::Prefer | Mode::Disable, _) => return finish_tls(words, mode, Roots::Unnamed),
        _ => {}
    }
    finish_tls(words, mode, roots)
}

fn finish_tls(words: &mut Words, mode: Mode, roots: Roots) -> Result<Wanted, String> {
    let identity: Option<(PathBuf, PathBuf)> = match (words.take("sslcert"), words.take("sslkey")) {
        (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
        (None, None) => None,
        _ => return Err("its sslcert and sslkey belong together: one of them is missing".into()),
    };
    if let Some((_, key)) = &identity {
        secret_key(key)?;
    }
    Ok(Wanted {
        mode,
        roots,
        identity,
        newest_only: match words.take("ssl_min_protocol_version").as_deref() {
            None | Some("TLSv1" | "TLSv1.1" | "TLSv1.2") => false,
            Some("TLSv1.3") => true,
            Some(_) => return Err(values("ssl_min_protocol_version", "TLSv1.2 or TLSv1.3")),
        },
        nameless: words.take("sslsni").as_deref() == Some("0"),
        direct: match words.take("sslnegotiation").as_deref() {
            None | Some("postgres") => false,
            Some("direct") if mode >= Mode::Require => true,
            Some(_) => return Err(values("sslnegotiation", "postgres, or direct with sslmode=require and above")),
        },
    })
}

/// A key is its owner's; one of root's may be read by its group too, as libpq has it.
fn secret_key(file: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata().map_err(|error| format!("its sslkey cannot be read: {}", error.kind()))?;
    let loose = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & loose != 0 {
        return Err("its sslkey may be read by others: chmod 0600 it".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dsn: &str) -> Result<Destination, String> {
        let environment = Environment { user: Some("me".into()), ..Environment::default() };
        Destination::read(&PostgresResource { dsn: dsn.into(), ..Default::default() }, None, &environment)
    }

    fn problem(dsn: &str) -> String {
        read(dsn).err().expect("it is refused")
    }

    #[test]
    fn what_is_not_said_is_as_libpq_has_it() {
        let destination = read("").expect("nothing is wrong");
        assert_eq!(destination.places, [Place { host: SOCKETS.into(), address: None, port: 5432 }]);
        assert_eq!((destination.user.as_str(), destination.database.as_str()), ("me", "me"));
        assert_eq!((destination.tls.mode, destination.timeout), (Mode::Prefer, Duration::from_secs(5)));
    }

    #[test]
    fn several_hosts_share_or_split_ports() {
        let ports = |dsn| read(dsn).expect("it is right").places.iter().map(|place| place.port).collect::<Vec<_>>();
        assert_eq!(ports("host=a,b port=1,2"), [1, 2]);
        assert_eq!(ports("host=a,b port=7"), [7, 7]);
        assert_eq!(ports("postgresql://a:1,b/x"), [1, 5432]);
        assert!(problem("host=a,b port=1,2,3").contains("different lengths"));
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
    fn require_with_roots_checks_them() {
        assert_eq!(read("sslmode=require sslrootcert=/x").expect("right").tls.mode, Mode::VerifyCa);
        assert_eq!(read("sslmode=require").expect("right").tls.mode, Mode::Require);
    }
}
