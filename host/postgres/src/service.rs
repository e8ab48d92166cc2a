//! Connection service files, as libpq has them: sections of keywords and values.

use std::path::Path;

/// The keywords of one service. `None` where the file has no such section.
///
/// # Errors
/// What is wrong, without the file's path or any value.
pub fn find(file: &Path, service: &str) -> Result<Option<Vec<(String, String)>>, String> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("the connection service file cannot be read: {}", error.kind())),
    };
    read(&text, service)
}

fn read(text: &str, service: &str) -> Result<Option<Vec<(String, String)>>, String> {
    let mut found: Option<Vec<(String, String)>> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            let section = section.split(']').next().unwrap_or_default();
            found = (section == service).then(Vec::new);
            continue;
        }
        let Some(pairs) = &mut found else { continue };
        if line.starts_with("ldap") {
            return Err(format!("line {number} of the connection service file asks LDAP, which is not supported"));
        }
        match line.split_once('=') {
            Some((keyword, _)) if keyword.trim() == "service" => {
                return Err(format!("line {number} of the connection service file names another service"));
            }
            Some((keyword, value)) => pairs.push((keyword.trim().into(), value.trim().into())),
            None => return Err(format!("line {number} of the connection service file is not keyword=value")),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::read;

    const FILE: &str = "# ours\n[one]\nhost=a\n\n[two]\nhost = b\nport=5433\n# end\n[three]\nbroken\n";

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let two = read(FILE, "two").expect("it is right").expect("it is there");
        assert_eq!(two, [("host".into(), "b".into()), ("port".into(), "5433".into())]);
        assert_eq!(read(FILE, "four"), Ok(None));
        assert_eq!(read(FILE, "three"), Err("line 10 of the connection service file is not keyword=value".into()));
    }
}
