//! A Redis server as variables: redis-cli's own for the password, and plain ones for scripts.

use std::path::PathBuf;

use hostler_configuration::{FileError, RedisResource, percent_decoded as decode};

use super::{Connection, PrivateFile, password};

pub(super) fn connection(resource: &RedisResource) -> Result<Connection, String> {
    let mut made = Connection::default();
    let (scheme, rest) = resource.url.split_once("://").ok_or("its url has no scheme")?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (credential, rest) = rest.rsplit_once('@').map_or((None, rest), |(credential, rest)| (Some(credential), rest));
    let wrong = || "its url is none".to_owned();
    let (mut user, mut secret) = (None, None);
    if let Some(credential) = credential {
        let (name, word) = credential.split_once(':').unwrap_or((credential, ""));
        user = Some(decode(name).ok_or_else(wrong)?).filter(|user| !user.is_empty());
        secret = Some(decode(word).ok_or_else(wrong)?).filter(|secret| !secret.is_empty());
    }
    let database = match scheme {
        "redis" | "rediss" => {
            let (address, database) = rest.split_once('/').unwrap_or((rest, ""));
            if address.contains(',') {
                return Err("its url names several servers, and a program is handed one".into());
            }
            let (host, port) = match address.strip_prefix('[') {
                Some(inside) => {
                    let (host, port) = inside.split_once(']').ok_or_else(wrong)?;
                    (host, port.strip_prefix(':').unwrap_or_default())
                }
                None => address.split_once(':').unwrap_or((address, "")),
            };
            made.network = true;
            made.addresses.push(host.into());
            made.variables.push(("REDIS_HOST", host.into()));
            made.variables.push(("REDIS_PORT", if port.is_empty() { "6379".into() } else { port.into() }));
            database
        }
        "redis+unix" | "unix" => {
            let path = decode(rest).ok_or_else(wrong)?;
            made.addresses.push(path.clone());
            made.variables.push(("REDIS_SOCKET", path.clone()));
            made.sockets.push(PathBuf::from(path));
            query.split('&').find_map(|pair| pair.strip_prefix("db=")).unwrap_or_default()
        }
        _ => return Err("its url has a scheme that no program can be handed".into()),
    };
    if scheme == "rediss" {
        made.variables.push(("REDIS_TLS", "1".into()));
    }
    if !database.is_empty() {
        made.variables.push(("REDIS_DATABASE", database.into()));
    }
    if let Some(file) = &resource.password_file {
        secret = Some(password(file)?);
    }
    if let Some(user) = resource.user.clone().or(user) {
        made.variables.push(("REDIS_USER", user));
    }
    if let Some(secret) = secret {
        made.passwords.push(secret.clone());
        made.variables.push(("REDISCLI_AUTH", secret));
    }
    if let Some(roots) = &resource.root_certificates {
        let contents =
            std::fs::read(roots).map_err(|error| FileError::of("root_certificates", roots, &error).without_path())?;
        made.files.push(PrivateFile { variable: "REDIS_CACERT", name: "redis-root.crt", contents });
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_variables() {
        let of = |url: &str| connection(&RedisResource { url: url.into(), ..RedisResource::default() });
        let made = of("rediss://app:s%3Acret@cache1:6380/2").expect("it is right");
        for pair in [
            ("REDIS_HOST", "cache1"),
            ("REDIS_PORT", "6380"),
            ("REDIS_USER", "app"),
            ("REDISCLI_AUTH", "s:cret"),
            ("REDIS_DATABASE", "2"),
            ("REDIS_TLS", "1"),
        ] {
            assert!(made.variables.contains(&(pair.0, pair.1.into())), "{pair:?}");
        }
        let made = of("redis+unix:///run/redis.sock?db=3").expect("it is right");
        assert!(!made.network);
        assert_eq!(made.sockets, [PathBuf::from("/run/redis.sock")]);
        assert!(of("redis://a,b").is_err() && of("http://a").is_err());
    }
}
