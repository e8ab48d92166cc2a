//! A PostgreSQL connection string as keywords and values, in either of libpq's forms.
//!
//! No text here quotes the string: it may hold a password.

use std::collections::BTreeMap;

pub(super) type Keywords = BTreeMap<String, String>;

pub(super) fn parse(text: &str) -> Result<Keywords, String> {
    let text = text.trim();
    let rest = text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"));
    let parsed = match rest {
        Some(rest) => uri(rest),
        None => keywords(text),
    };
    parsed.ok_or_else(|| "its connection string is none".into())
}

/// One service of a connection service file.
pub(super) fn service(file: &str, name: &str) -> Option<Keywords> {
    let mut found = None;
    let mut inside = false;
    for line in file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = section == name && found.is_none();
            if inside {
                found = Some(Keywords::new());
            }
        } else if let (true, Some(keywords), Some((key, value))) = (inside, &mut found, line.split_once('=')) {
            keywords.insert(key.trim().into(), value.trim().into());
        }
    }
    found
}

fn keywords(text: &str) -> Option<Keywords> {
    let mut pairs = Keywords::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, behind) = rest.split_once('=')?;
        let key = key.trim();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return None;
        }
        let behind = behind.trim_start();
        let (quoted, mut letters) = match behind.strip_prefix('\'') {
            Some(inside) => (true, inside.chars()),
            None => (false, behind.chars()),
        };
        let mut value = String::new();
        loop {
            match letters.next() {
                Some('\\') => value.push(letters.next()?),
                Some('\'') if quoted => break,
                Some(letter) if !quoted && letter.is_whitespace() => break,
                Some(letter) => value.push(letter),
                None if quoted => return None,
                None => break,
            }
        }
        pairs.insert(key.into(), value);
        rest = letters.as_str().trim_start();
    }
    Some(pairs)
}

fn uri(rest: &str) -> Option<Keywords> {
    let mut pairs = Keywords::new();
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let hosts = match authority.rsplit_once('@') {
        None => authority,
        Some((user, hosts)) => {
            let (user, password) = user.split_once(':').map_or((user, None), |(user, password)| (user, Some(password)));
            pairs.insert("user".into(), decode(user)?);
            if let Some(password) = password {
                pairs.insert("password".into(), decode(password)?);
            }
            hosts
        }
    };
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',').filter(|host| !host.is_empty()) {
        // A colon inside brackets belongs to the address.
        let (name, port) = match host.strip_prefix('[') {
            Some(inside) => {
                inside.split_once(']').map(|(name, port)| (name, port.strip_prefix(':').unwrap_or_default()))?
            }
            None => host.split_once(':').unwrap_or((host, "")),
        };
        names.push(decode(name)?);
        ports.push(port);
    }
    if !names.is_empty() {
        pairs.insert("host".into(), names.join(","));
        if ports.iter().any(|port| !port.is_empty()) {
            let ports: Vec<&str> = ports.iter().map(|port| if port.is_empty() { "5432" } else { port }).collect();
            pairs.insert("port".into(), ports.join(","));
        }
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if let Some(database) = path.strip_prefix('/').filter(|database| !database.is_empty()) {
        pairs.insert("dbname".into(), decode(database)?);
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=')?;
        pairs.insert(decode(key)?, decode(value)?);
    }
    Some(pairs)
}

/// Takes `%XX` back.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, behind) = piece.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(behind.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let pairs = parse(text).expect("a connection string");
        pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(";")
    }

    #[test]
    fn both_forms_are_read() {
        assert_eq!(shown(r"host = db1 password='it\'s' dbname=a\ b"), "dbname=a b;host=db1;password=it's");
        assert_eq!(
            shown("postgresql://a%40b:p%3A@[::1]:5433,db2/shop?sslmode=require"),
            "dbname=shop;host=::1,db2;password=p:;port=5433,5432;sslmode=require;user=a@b"
        );
        assert_eq!(shown("postgres:///x?host=%2Frun%2Fpostgresql"), "dbname=x;host=/run/postgresql");
        for bad in ["host", "host='a", "postgresql://a%zz/", "a b=c"] {
            let error = parse(bad).expect_err("it is none");
            assert!(!error.contains(bad));
        }
    }

    #[test]
    fn a_service_is_found_among_others() {
        let file = "# x\n[one]\nhost=a\n[two]\nhost = b\nport=5\n[one]\nhost=c\n";
        assert_eq!(service(file, "two").map(|two| two["host"].clone()), Some("b".into()));
        assert_eq!(service(file, "one").map(|one| one["host"].clone()), Some("a".into()));
        assert_eq!(service(file, "three"), None);
    }
}
