//! A path below a prefix, which no server reads as one beside it.

use super::EndpointRefusal;

/// The endpoint's prefix with a plugin's path and query below it: what is sent as the request's target.
///
/// # Errors
/// Where a server could read it as something outside the prefix, or it is no path.
pub fn join_path(prefix: &str, path: &str) -> Result<String, EndpointRefusal> {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let below = path.strip_prefix('/').unwrap_or(path);
    check(below)?;
    let mut target = if path.is_empty() {
        prefix.to_owned()
    } else {
        format!("{}/{below}", prefix.strip_suffix('/').unwrap_or(prefix))
    };
    if target.is_empty() {
        target.push('/');
    }
    if let Some(query) = query {
        if !query.bytes().all(visible) || query.contains('#') {
            return Err(EndpointRefusal::Path { problem: "has a query with characters that have to be escaped" });
        }
        target.push('?');
        target.push_str(query);
    }
    if target.len() > 16 * 1024 {
        return Err(EndpointRefusal::Path { problem: "is longer than 16 KiB" });
    }
    Ok(target)
}

/// Checks an operator's prefix by the same rules.
pub(super) fn check_prefix(prefix: &str) -> Result<String, EndpointRefusal> {
    check(prefix.strip_prefix('/').unwrap_or(prefix))?;
    Ok(prefix.to_owned())
}

fn visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

fn check(path: &str) -> Result<(), EndpointRefusal> {
    let wrong = |problem| Err(EndpointRefusal::Path { problem });
    if !path.bytes().all(visible) || path.contains(['#', '\\', '?']) {
        return wrong("has characters that have to be escaped");
    }
    let segments: Vec<&str> = path.split('/').collect();
    for (index, segment) in segments.iter().enumerate() {
        if segment.is_empty() && index + 1 < segments.len() {
            return wrong("has an empty segment");
        }
        let mut bytes = segment.as_bytes().to_vec();
        loop {
            if bytes.iter().any(|byte| matches!(byte, b'/' | b'\\') || byte.is_ascii_control()) {
                return wrong("has an escaped slash, backslash or control character");
            }
            // What follows `;` is a parameter that some servers take off before they resolve dots.
            let name = bytes.split(|byte| *byte == b';').next().unwrap_or_default();
            if name == b"." || name == b".." || (name.is_empty() && !bytes.is_empty()) {
                return wrong("has a dot segment");
            }
            match decode(&bytes) {
                Some(decoded) if decoded == bytes => break,
                Some(decoded) => bytes = decoded,
                // Only the text itself has to be well escaped; what it decodes to may have a percent sign.
                None if bytes == segment.as_bytes() => return wrong("has a broken escape"),
                None => break,
            }
        }
    }
    Ok(())
}

/// Decodes once; nothing where an escape is broken.
fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, behind)) = rest.split_first() {
        if first != b'%' {
            decoded.push(first);
            rest = behind;
            continue;
        }
        let digit = |place: usize| behind.get(place).and_then(|byte| char::from(*byte).to_digit(16));
        decoded.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        rest = &behind[2..];
    }
    Some(decoded)
}
