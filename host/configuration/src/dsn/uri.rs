//! The URI form: `postgresql://user@host1:5432,host2/shop?sslmode=require`.

use super::DsnError;

/// What stands behind `postgresql://`, as keywords and values.
pub(super) fn pairs(rest: &str) -> Result<Vec<(String, String)>, DsnError> {
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
            pairs.push(("user".into(), decoded(user)?));
        }
        if let Some(password) = password {
            pairs.push(("password".into(), decoded(password)?));
        }
    }
    hosts(places, &mut pairs)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let database = decoded(path.strip_prefix('/').unwrap_or(path))?;
    if !database.is_empty() {
        pairs.push(("dbname".into(), database));
    }
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (keyword, value) = parameter.split_once('=').ok_or(DsnError::Uri("a parameter without ="))?;
        let pair = (decoded(keyword)?, decoded(value)?);
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
        names.push(decoded(name)?);
        ports.push(decoded(port)?);
    }
    pairs.push(("host".into(), names.join(",")));
    if ports.iter().any(|port| !port.is_empty()) {
        pairs.push(("port".into(), ports.join(",")));
    }
    Ok(())
}

fn decoded(text: &str) -> Result<String, DsnError> {
    percent_decoded(text).ok_or(DsnError::Escape)
}

/// Text of a URI, with its `%XX` read; nothing where one is wrong, or what comes out is no text.
pub fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok().filter(|byte| *byte != 0)?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn uris_with_every_part() {
        let shown = |text| {
            let pairs = pairs(text).expect("it is right");
            pairs.iter().map(|(keyword, value)| format!("{keyword}[{value}]")).collect::<String>()
        };
        assert_eq!(
            shown("u%40x:p%3Aw@db1:5433,[::1],db3/shop?sslmode=verify-full&connect_timeout=3"),
            "user[u@x]password[p:w]host[db1,::1,db3]port[5433,,]dbname[shop]sslmode[verify-full]connect_timeout[3]"
        );
        assert_eq!(shown("%2Fvar%2Frun/x"), "host[/var/run]dbname[x]");
        assert_eq!(shown("/x?host=%2Frun%2Fpostgresql"), "dbname[x]host[/run/postgresql]");
        assert_eq!(shown("/x?ssl=true"), "dbname[x]sslmode[require]");
        assert_eq!(shown(""), "");
    }
}
