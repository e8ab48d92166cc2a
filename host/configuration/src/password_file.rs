//! A password file as libpq reads it (`~/.pgpass`).
//!
//! A file that others may read is no secret: it is left out, as libpq does, and where the server then asks for a
//! password the error says why there was none. The resource's own file is refused in that case.

use std::{os::unix::fs::PermissionsExt, path::Path};

/// What a libpq password file has for one server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PasswordFound {
    /// A password.
    Password(String),
    /// No line that fits, or no file.
    #[default]
    Nothing,
    /// The file may be read by others, so it was left out.
    Loose,
}

/// Looks a server up in a libpq password file: host, port, database, user. A socket directory that is the default one is
/// called `localhost`.
pub fn look_up_password(file: &Path, wanted: [&str; 4]) -> PasswordFound {
    let Ok(metadata) = file.metadata() else { return PasswordFound::Nothing };
    if !metadata.is_file() {
        return PasswordFound::Nothing;
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return PasswordFound::Loose;
    }
    let text = std::fs::read_to_string(file).unwrap_or_default();
    password_in(&text, wanted).map_or(PasswordFound::Nothing, PasswordFound::Password)
}

/// The password that the text of such a file has for a server: the first line that fits holds.
pub fn password_in(text: &str, wanted: [&str; 4]) -> Option<String> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#')).map(fields);
    let fits = |fields: &[String]| {
        fields.len() >= 5 && wanted.iter().zip(fields).all(|(wanted, field)| field == "*" || field == wanted)
    };
    lines.find(|fields| fits(fields)).map(|mut fields| fields.split_off(4).join(":"))
}

/// `host:port:database:user:password`, in which a backslash keeps the next letter as it is.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = line.trim_end_matches('\r').chars();
    while let Some(letter) = letters.next() {
        match (letter, fields.len()) {
            ('\\', _) => {
                let next = letters.next().unwrap_or('\\');
                fields.last_mut().into_iter().for_each(|field| field.push(next));
            }
            (':', 1..=4) => fields.push(String::new()),
            _ => fields.last_mut().into_iter().for_each(|field| field.push(letter)),
        }
    }
    // `\*` means a star and `*` anything; a name that is a star alone is nobody's.
    fields
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::{PasswordFound, look_up_password};

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), text).expect("it is written");
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).expect("its mode is set");
        file
    }

    #[test]
    fn the_first_line_that_fits_holds() {
        let file = file("# ours\ndb2:5432:*:me:other\ndb1:*:*:me:a:b\\:c\\\\\n*:*:*:*:last\n", 0o600);
        let find = |wanted| look_up_password(file.path(), wanted);
        assert_eq!(find(["db1", "5432", "shop", "me"]), PasswordFound::Password("a:b:c\\".into()));
        assert_eq!(find(["db9", "1", "x", "y"]), PasswordFound::Password("last".into()));
    }

    #[test]
    fn what_others_may_read_is_left_out() {
        let loose = file("*:*:*:*:secret\n", 0o640);
        assert_eq!(look_up_password(loose.path(), ["a", "1", "b", "c"]), PasswordFound::Loose);
    }
}
