//! The keyword form: `host=db1 password='a b'`.

use super::DsnError;

/// Keywords with their values, as they stand.
pub(crate) fn keywords(text: &str) -> Result<Vec<(String, String)>, DsnError> {
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

#[cfg(test)]
mod tests {
    use super::keywords;

    #[test]
    fn quotes_escapes_and_spaces() {
        let shown = |text| {
            let pairs = keywords(text).expect("it is right");
            pairs.iter().map(|(keyword, value)| format!("{keyword}[{value}]")).collect::<String>()
        };
        assert_eq!(
            shown(r"host=a  port = 5433 password='it\'s a \\ secret' user=b\ c"),
            r"host[a]port[5433]password[it's a \ secret]user[b c]"
        );
        assert_eq!(shown("dbname=''"), "dbname[]");
        assert_eq!(shown(""), "");
    }
}
