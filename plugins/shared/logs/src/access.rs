//! A line of a web server's access log: the combined format of nginx and Apache, with or without a time at its end, and
//! JSON of one object a line.
//!
//! Nothing is allocated for the combined format: millions of lines are read.

use std::borrow::Cow;

use memchr::{memchr, memmem, memrchr};
use serde::Deserialize;

use crate::{month, seconds_of};

/// What a line tells of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request<'l> {
    /// Who asked.
    pub client: Cow<'l, [u8]>,
    /// The path with its query, as it was sent.
    pub target: Cow<'l, [u8]>,
    /// Such as 200.
    pub status: u16,
    /// Of the answer.
    pub bytes: u64,
    /// How long it took, where the log says so.
    pub seconds: Option<f64>,
    /// Seconds since the Unix epoch, in the log's own zone; only differences mean anything.
    pub at: Option<i64>,
}

impl Request<'_> {
    /// The path without its query.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        let end = memchr(b'?', &self.target).unwrap_or(self.target.len());
        &self.target[..end]
    }
}

/// Reads a line; nothing where it is of neither format.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Request<'_>> {
    if line.first() == Some(&b'{') { json(line) } else { combined(line) }
}

fn combined(line: &[u8]) -> Option<Request<'_>> {
    let client = &line[..memchr(b' ', line)?];
    let opened = memchr(b'[', line)?;
    let rest = &line[opened + 1..];
    let closed = memchr(b']', rest)?;
    let at = time(&rest[..closed]);
    let rest = rest.get(closed + 1..)?.strip_prefix(b" \"")?;
    // A quotation mark inside is escaped: the first one with a space and a number behind it ends the request.
    let end = memmem::find_iter(rest, b"\" ").find(|end| rest.get(end + 2).is_some_and(u8::is_ascii_digit))?;
    let (request, rest) = (&rest[..end], &rest[end + 2..]);
    let status = number(rest.get(..3)?)?;
    let rest = rest.get(3..)?.strip_prefix(b" ")?;
    let length = memchr(b' ', rest).unwrap_or(rest.len());
    let bytes = number(&rest[..length]).unwrap_or_default();
    // METHOD TARGET PROTOCOL; what is not HTTP at all is a target as a whole.
    let target = match (memchr(b' ', request), memrchr(b' ', request)) {
        (Some(first), Some(last)) if first < last => &request[first + 1..last],
        _ => request,
    };
    let last = memrchr(b' ', line).map(|place| &line[place + 1..]);
    let seconds = last.filter(|word| word.first().is_some_and(u8::is_ascii_digit) && word.contains(&b'.'));
    Some(Request {
        client: Cow::Borrowed(client),
        target: Cow::Borrowed(target),
        status: u16::try_from(status).ok()?,
        bytes,
        seconds: seconds.and_then(|word| std::str::from_utf8(word).ok()?.parse().ok()),
        at,
    })
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        digit.is_ascii_digit().then(|| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    })
}

/// `21/Jan/2025:20:34:00 +0000`, without its zone.
fn time(text: &[u8]) -> Option<i64> {
    let part = |from: usize, to: usize| number(text.get(from..to)?).and_then(|value| i64::try_from(value).ok());
    let date = (part(7, 11)?, month(text.get(3..6)?)?, part(0, 2)?);
    Some(seconds_of(date, (part(12, 14)?, part(15, 17)?, part(18, 20)?)))
}

/// The names under which servers are told to log, nginx's variables first.
#[derive(Deserialize)]
struct Fields {
    #[serde(alias = "remote_ip", alias = "client_ip", alias = "clientip", alias = "client")]
    remote_addr: Option<String>,
    #[serde(alias = "uri", alias = "path", alias = "url")]
    request_uri: Option<String>,
    request: Option<String>,
    #[serde(alias = "status_code", alias = "response")]
    status: Option<serde_json::Value>,
    #[serde(alias = "bytes_sent", alias = "bytes", alias = "size")]
    body_bytes_sent: Option<serde_json::Value>,
    #[serde(alias = "duration", alias = "response_time")]
    request_time: Option<serde_json::Value>,
}

fn json(line: &[u8]) -> Option<Request<'_>> {
    let fields: Fields = serde_json::from_slice(line).ok()?;
    // Numbers are written as such, or as text.
    let figure = |value: &serde_json::Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    let status = figure(fields.status.as_ref()?).filter(|status| (100.0..1000.0).contains(status))?;
    let target = fields.request_uri.or_else(|| {
        let request = fields.request?;
        request.split(' ').nth(1).map(str::to_owned).or(Some(request))
    })?;
    Some(Request {
        client: Cow::Owned(fields.remote_addr?.into_bytes()),
        target: Cow::Owned(target.into_bytes()),
        status: status as u16,
        bytes: fields.body_bytes_sent.as_ref().and_then(figure).unwrap_or_default() as u64,
        seconds: fields.request_time.as_ref().and_then(figure),
        at: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Option<(String, String, u16, u64, Option<f64>)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        parse(line.as_bytes()).map(|one| (text(&one.client), text(&one.target), one.status, one.bytes, one.seconds))
    }

    #[test]
    fn the_formats_of_nginx_and_apache_are_read() {
        let expected = |target: &str, status, bytes, seconds| {
            Some(("10.0.0.7".to_owned(), target.to_owned(), status, bytes, seconds))
        };
        for (line, result) in [
            (
                r#"10.0.0.7 - - [21/Jan/2025:20:34:00 +0000] "GET /a?b=c HTTP/1.1" 200 512 "-" "curl/8""#,
                expected("/a?b=c", 200, 512, None),
            ),
            (
                r#"10.0.0.7 - bob [21/Jan/2025:20:34:00 +0000] "POST /x HTTP/2.0" 502 - "-" "a \"b\" 3" 0.250"#,
                expected("/x", 502, 0, Some(0.25)),
            ),
            (
                r#"10.0.0.7 - - [21/Jan/2025:20:34:00 +0000] "\x16\x03" 400 157 "-" "-""#,
                expected("\\x16\\x03", 400, 157, None),
            ),
            (
                r#"{"remote_addr":"10.0.0.7","request":"GET /j HTTP/1.1","status":"500","body_bytes_sent":7,"request_time":"1.5"}"#,
                expected("/j", 500, 7, Some(1.5)),
            ),
            (r#"{"client":"10.0.0.7","uri":"/k","status":200}"#, expected("/k", 200, 0, None)),
            ("", None),
            ("2025/01/21 20:34:00 [error] 1#1: open() failed", None),
            (r#"{"status":200}"#, None),
            (r#"10.0.0.7 - - [x"#, None),
        ] {
            assert_eq!(told(line), result, "{line}");
        }
        let line = br#"1.2.3.4 - - [21/Jan/2025:20:34:00 +0000] "GET /a HTTP/1.1" 200 5"#;
        assert_eq!(parse(line).and_then(|one| one.at), Some(1_737_491_640));
        assert_eq!(parse(line).expect("a request").path(), b"/a");
    }
}
