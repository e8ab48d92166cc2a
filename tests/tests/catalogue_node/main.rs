//! The catalogue's plugins for Node.js, with the machine's real node and npm, and a registry of the test's own.

mod dependencies;
mod profile;
mod registry;
mod runtime;

use serde_json::Value;

/// An attachment's text: bytes are hexadecimal digits in JSON.
fn text_of(attachment: &Value) -> String {
    let digits = attachment["content"].as_str().expect("content").as_bytes();
    let bytes = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(pair, 16).expect("digits")
    });
    String::from_utf8(bytes.collect()).expect("text")
}
