//! A connection string, as libpq reads it: `host=db1 dbname=shop`, or `postgresql://db1/shop`.
//!
//! tokio-postgres reads both forms too, but refuses what it does not know (`service`, `sslrootcert`, `passfile`), and
//! its errors quote the string. So the string becomes keywords and values here, and no error ever quotes a value.

use thiserror::Error;

/// Why a connection string could not be read. It names the place, never what stands there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DsnError {
    /// Something that is neither a keyword nor a value.
    #[error("the connection string is wrong at byte {0}: write keyword=value, with '…' around a value with spaces")]
    Place(usize),
    /// A quote without its end.
    #[error("a quoted value in the connection string has no end")]
    Unterminated,
    /// A `%` without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the connection URI has a wrong %-escape")]
    Escape,
    /// Something wrong in a URI.
    #[error("the connection URI is wrong: {0}")]
    Uri(&'static str),
}

/// Keywords with their values; of several values of one keyword the last holds.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, DsnError> {
    let text = text.trim();
    match text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://")) {
        Some(rest) => uri(rest),
        None => keywords(text),
    }
}

fn keywords(text: &str) -> Result<Vec<(String, String)>, DsnError> {
    let mut pairs = Vec::new();
    let mut letters = text.char_indices().peekable();
    loop {
        while letters.next_if(|(_, letter)| letter.is_whitespace()).is_some() {}
        let Some(&(place, _)) = letters.peek() else { return Ok(pairs) };
        let mut keyword = String::new();
        while let Some((_, letter)) = letters.next_if(|(_, letter)| !letter.is_whitespace() && *letter != '=') {
            keyword.push(letter);
        }
        while letters.next_if(|(_, letter)| letter.is_whitespace()).is_some() {}
        if keyword.is_empty() || letters.next_if(|(_, letter)| *letter == '=').is_none() {
            return Err(DsnError::Place(place));
        }
        while letters.next_if(|(_, letter)| letter.is_whitespace()).is_some() {}
        let quoted = letters.next_if(|(_, letter)| *letter == '\'').is_some();
        let mut value = String::new();
        loop {
            match letters.next_if(|(_, letter)| quoted || !letter.is_whitespace()) {
                Some((_, '\'')) if quoted => break,
                Some((_, '\\')) => value.extend(letters.next().map(|(_, letter)| letter)),
                Some((_, letter)) => value.push(letter),
                None if quoted => return Err(DsnError::Unterminated),
                None => break,
            }
        }
        pairs.push((keyword, value));
    }
}

fn uri(rest: &str) -> Result<Vec<(String, String)>, DsnError> {
    let mut pairs = Vec::new();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (credentials, places) = match authority.rsplit_once('@') {
        Some((credentials, places)) => (Some(credentials), places),
        None => (None, authority),
    };
    if let Some(credentials) = credentials {
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (credentials, None),
        };
        if !user.is_empty() {
            pairs.push(("user".into(), decode(user)?));
        }
        if let Some(password) = password {
            pairs.push(("password".into(), decode(password)?));
        }
    }
    hosts(places, &mut pairs)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let database = decode(path.strip_prefix('/').unwrap_or(path))?;
    if !database.is_empty() {
        pairs.push(("dbname".into(), database));
    }
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (keyword, value) = parameter.split_once('=').ok_or(DsnError::Uri("a parameter without ="))?;
        let pair = (decode(keyword)?, decode(value)?);
        pairs.push(if pair == ("ssl".into(), "true".into()) { ("sslmode".into(), "require".into()) } else { pair });
    }
    Ok(pairs)
}

/// `host1:5432,[::1],%2Fvar%2Frun` as the lists that the keywords `host` and `port` take.
fn hosts(places: &str, pairs: &mut Vec<(String, String)>) -> Result<(), DsnError> {
    if places.is_empty() {
        return Ok(());
    }
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for place in places.split(',') {
        let (name, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (name, rest) = rest.split_once(']').ok_or(DsnError::Uri("an address in [ without ]"))?;
                let port = if rest.is_empty() { Some("") } else { rest.strip_prefix(':') };
                (name, port.ok_or(DsnError::Uri("something after ]"))?)
            }
            None => place.split_once(':').unwrap_or((place, "")),
        };
        names.push(decode(name)?);
        ports.push(decode(port)?);
    }
    pairs.push(("host".into(), names.join(",")));
    if ports.iter().any(|port| !port.is_empty()) {
        pairs.push(("port".into(), ports.join(",")));
    }
    Ok(())
}

fn decode(text: &str) -> Result<String, DsnError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(DsnError::Escape) };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| DsnError::Escape)?);
    }
    String::from_utf8(bytes).map_err(|_| DsnError::Escape)
}

#[cfg(test)]
mod tests {
    use super::{DsnError, parse};

    fn shown(text: &str) -> String {
        let pairs = parse(text).expect("it is right");
        pairs.iter().map(|(keyword, value)| format!("{keyword}[{value}]")).collect()
    }

    #[test]
    fn keywords_with_quotes_escapes_and_spaces() {
        assert_eq!(
            shown(r"host=a  port = 5433 password='it\'s a \\ secret' user=b\ c"),
            r"host[a]port[5433]password[it's a \ secret]user[b c]"
        );
        assert_eq!(shown("dbname=''"), "dbname[]");
        assert_eq!(shown(""), "");
    }

    #[test]
    fn uris_with_every_part() {
        assert_eq!(
            shown("postgresql://u%40x:p%3Aw@db1:5433,[::1],db3/shop?sslmode=verify-full&connect_timeout=3"),
            "user[u@x]password[p:w]host[db1,::1,db3]port[5433,,]dbname[shop]sslmode[verify-full]connect_timeout[3]"
        );
        assert_eq!(shown("postgres://%2Fvar%2Frun/x"), "host[/var/run]dbname[x]");
        assert_eq!(shown("postgres:///x?ssl=true"), "dbname[x]sslmode[require]");
        assert_eq!(shown("postgresql://"), "");
    }

    #[test]
    fn errors_name_the_place_and_never_the_value() {
        assert_eq!(parse("host=a secret"), Err(DsnError::Place(7)));
        assert_eq!(parse("password='secret"), Err(DsnError::Unterminated));
        assert_eq!(parse("postgresql://a%zz/"), Err(DsnError::Escape));
        assert_eq!(parse("postgresql://[::1"), Err(DsnError::Uri("an address in [ without ]")));
        assert!(parse("postgresql://a?sslmode").is_err());
    }
}
