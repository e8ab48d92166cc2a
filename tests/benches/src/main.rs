//! What `make bench` runs: each figure that Hostler promises, beside the tool that a person would use instead.
//!
//! A figure is a ratio within one run: host and peer take turns, so that what slows the machine slows both, and the
//! medians are compared. The table says which goal is reached and which is not; it never fails a build.

mod archive;
mod by_hand;
mod connections;
mod daily;
mod empty;
mod keys;
mod logs;
mod measure;
mod memory;
mod peers;
mod procedure;
mod rows;
mod setting;
mod table;
mod temp_files;
mod vacuum;
mod verify;
mod walls;
mod warm;

use table::Line;

type Comparison = fn() -> anyhow::Result<Vec<Line>>;

const COMPARISONS: [(&str, Comparison); 15] = [
    ("rows", rows::compare),
    ("connections", connections::compare),
    ("warm", warm::compare),
    ("empty", empty::compare),
    ("procedure", procedure::compare),
    ("keys", keys::compare),
    ("archive", archive::compare),
    ("logs", logs::compare),
    ("vacuum", vacuum::compare),
    ("by-hand", by_hand::compare),
    ("verify", verify::compare),
    ("temp-files", temp_files::compare),
    ("daily", daily::compare),
    ("memory", memory::compare),
    ("walls", walls::compare),
];

fn main() -> anyhow::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let known = COMPARISONS.map(|(name, _)| name);
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(&name.as_str())) {
        anyhow::bail!("there is no comparison {unknown}; there are {}", known.join(", "));
    }
    let mut lines = Vec::new();
    for (name, compare) in COMPARISONS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            eprintln!("measuring: {name}");
            match compare() {
                Ok(more) => lines.extend(more),
                Err(error) => lines.push(Line::missing(name, &format!("{error:#}"))),
            }
        }
    }
    let text = table::write(&lines);
    print!("{text}");
    let path = hostler_tests::root().join("target/bench.md");
    std::fs::write(&path, text)?;
    eprintln!("written to target/bench.md");
    Ok(())
}
