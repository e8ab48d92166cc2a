//! A server's replies, and its command table, which a policy then judges by.
//!
//! The sources are the host's own, with the reply's type beside them, so that no engine is built for it.
#![no_main]
#![allow(dead_code)]

extern crate self as hostler_world;

/// The contract's reply, as its bindings have it.
pub mod redis {
    #[derive(Debug, Clone, PartialEq)]
    pub enum Node {
        Nil,
        Boolean(bool),
        Int64(i64),
        Float64(f64),
        Text(Vec<u8>),
        Failure(String),
        Array(u32),
        Pairs(u32),
    }
}

#[path = "../../host/policy/tests/properties/checks/redis.rs"]
mod checks;
#[path = "../../host/redis/src/resp.rs"]
mod resp;
#[path = "../../host/redis/src/table.rs"]
mod table;
#[path = "../../host/redis/src/tree.rs"]
mod tree;

use hostler_policy::redis::RedisGrant;

/// All replies, fed in pieces of a size.
fn read(data: &[u8], piece: usize) -> Vec<Result<Vec<redis::Node>, resp::Unreadable>> {
    let mut decoder = resp::Decoder::default();
    let mut allowance = resp::Allowance { bytes: 1 << 20, nodes: 1 << 16 };
    let mut replies = Vec::new();
    for piece in data.chunks(piece) {
        decoder.feed(piece);
        loop {
            match decoder.next(&mut allowance) {
                Ok(Some(reply)) => replies.push(Ok(reply)),
                Ok(None) => break,
                Err(error) => {
                    replies.push(Err(error));
                    return replies;
                }
            }
        }
    }
    replies
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let whole = read(data, usize::MAX);
    // A number that is none is not itself, so that the words are compared.
    assert_eq!(format!("{whole:?}"), format!("{:?}", read(data, 3)), "replies do not depend on how they arrive");
    let words = ["+@all", "+get", "~cache:*", "%R~log:*"].map(str::to_owned);
    let grant = RedisGrant::parse(&words).expect("the words are good");
    for table in whole.iter().flatten().filter_map(|reply| table::read(reply)) {
        let names: Vec<String> = table.entries().map(|entry| entry.name.clone()).collect();
        for name in names {
            let mut command: Vec<Vec<u8>> = name.split('|').map(|part| part.as_bytes().to_vec()).collect();
            for argument in ["cache:1", "other", "1", "log:x"] {
                checks::judged(&table, &grant, &command);
                checks::judged(&table, &grant.reading_only(), &command);
                command.push(argument.into());
            }
        }
    }
});
