//! Who connects to which database, as far as a connection string says: for the role that `hostler roles` prints.

use crate::redact::keywords;

/// The user and the database of a connection string; nothing where it says nothing, or leaves it to a service file.
pub fn user_and_database(dsn: &str) -> (Option<String>, Option<String>) {
    let (user, database) = match dsn.split_once("://") {
        Some((_, rest)) => of_url(rest),
        None => {
            let pairs = keywords(dsn).unwrap_or_default();
            let last = |key: &str| pairs.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.clone());
            if last("service").is_some() {
                // The service file has the rest.
                return (last("user"), last("dbname"));
            }
            (last("user"), last("dbname"))
        }
    };
    // Where it names none, a database is called as its user is.
    let database = database.or_else(|| user.clone());
    (user, database)
}

fn of_url(rest: &str) -> (Option<String>, Option<String>) {
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (user, place) = address.rsplit_once('@').map_or((None, address), |(user, place)| (Some(user), place));
    let user = user.map(|user| user.split_once(':').map_or(user, |(user, _)| user));
    let database = place.split_once('/').map(|(_, database)| database);
    let asked = |key: &str| query.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == key);
    let user = asked("user").map(|(_, value)| value).or(user).and_then(decoded);
    (user, asked("dbname").map(|(_, value)| value).or(database).and_then(decoded))
}

/// Text of a URL, with its `%XX` read; nothing where it is empty, or no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        for (dsn, user, database) in [
            ("host=db1 dbname=shop user=hostler password='a b'", Some("hostler"), Some("shop")),
            ("host=db1 user=hostler", Some("hostler"), Some("hostler")),
            ("service=shop", None, None),
            ("postgres://hostler:pa@ss@db1:5432/shop?sslmode=require", Some("hostler"), Some("shop")),
            ("postgresql://db1/shop?user=a%20b", Some("a b"), Some("shop")),
            ("postgres://db1", None, None),
            ("postgres://x%zz@db1/", None, None),
        ] {
            let expected = (user.map(str::to_owned), database.map(str::to_owned));
            assert_eq!(user_and_database(dsn), expected, "{dsn}");
        }
    }
}
