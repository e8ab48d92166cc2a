//! The fields of PostgreSQL's csvlog, which has its columns in a fixed order and no header.

use memchr::memchr_iter;

/// Columns of csvlog: who asked, from where, how bad it was, the SQLSTATE and the message.
pub mod column {
    /// `2025-01-21 20:34:00.123 UTC`.
    pub const TIME: usize = 0;
    /// The role.
    pub const USER: usize = 1;
    /// `127.0.0.1:5432`, or `[local]`.
    pub const FROM: usize = 4;
    /// Such as `FATAL`.
    pub const SEVERITY: usize = 11;
    /// The SQLSTATE.
    pub const STATE: usize = 12;
    /// The message.
    pub const MESSAGE: usize = 13;
}

/// The fields of a line up to the message, some of them in quotation marks, which are doubled inside; nothing where they
/// are not csvlog's.
#[must_use]
pub fn csvlog(text: &str) -> Option<Vec<String>> {
    if memchr_iter(b',', text.as_bytes()).take(column::MESSAGE).count() < column::MESSAGE {
        return None;
    }
    let (mut fields, mut field, mut quoted) = (vec![], String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                field.push('"');
                letters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => {
                fields.push(std::mem::take(&mut field));
                if fields.len() > column::MESSAGE {
                    break;
                }
            }
            letter => field.push(letter),
        }
    }
    if fields.len() <= column::MESSAGE {
        fields.push(field);
    }
    (fields.get(column::STATE)?.len() == 5 && fields.len() > column::MESSAGE).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_with_their_quotation_marks_and_other_lines_are_none() {
        let line = "2025-01-21 20:34:00.1 UTC,\"app\",\"shop\",9,\"10.0.0.1:7\",1,2,\"a,b\",\"x\",3/4,0,ERROR,42P01,\"relation \"\"a,b\"\" does not exist\",,,,";
        let fields = csvlog(line).expect("it is csvlog's");
        assert_eq!(fields[column::MESSAGE], "relation \"a,b\" does not exist");
        assert_eq!((fields[column::USER].as_str(), fields[column::FROM].as_str()), ("app", "10.0.0.1:7"));
        // A message that goes on in the next line ends with its first one.
        let begun = "t,\"app\",\"shop\",9,\"[local]\",1,2,\"a\",\"x\",3/4,0,ERROR,42P01,\"first line";
        assert_eq!(csvlog(begun).expect("it is csvlog's")[column::MESSAGE], "first line");
        for line in ["", "a,b,c", "Jan 21 20:34:00 db sshd[9]: Failed password", &",".repeat(20)] {
            assert_eq!(csvlog(line), None, "{line}");
        }
    }
}
