//! backup-files of 2 GB, half small text files, half incompressible, beside tar, zstd and sha256sum.

use std::{
    fs,
    io::{BufWriter, Write},
    path::Path,
    process::Command,
};

use hostler_tests::Hostler;

use crate::{
    measure::{medians, process, process_and_memory, ratio, shown},
    table::{Goal, Line},
};

const HALF: usize = 1 << 30;
const SMALL: usize = 8 << 10;
const LARGE: usize = 64 << 20;

pub(crate) fn compare() -> anyhow::Result<Vec<Line>> {
    let host = Hostler::new(
        "[directory.source]\npath = \"{directory}/source\"\n[directory.backups]\npath = \"{directory}/backups\"\n\
         [tasks.files]\nplugin = \"backup-files\"\nsettings = { keep = 1 }\n\
         bind = { source = [\"directory.source\"], destination = \"directory.backups\" }\n",
    );
    host.install(&["backup-files"]);
    let (source, theirs) = (host.path().join("source"), host.path().join("theirs.tar.zst"));
    fs::create_dir(host.path().join("backups"))?;
    fill(&source)?;
    let mut most = 0;
    let script =
        "tar -C \"$1\" -cf - . | zstd -q -f -T0 -3 -o \"$2\" && sync \"$2\" && sha256sum \"$2\" > \"$2.sha256\"";
    let [host_time, time] = medians(
        3,
        [
            &mut || {
                let (taken, memory) = process_and_memory(&mut host.command(&["run", "files"]), &[0])?;
                most = most.max(memory);
                Ok(taken)
            },
            &mut || process(Command::new("sh").args(["-c", script, "sh"]).arg(&source).arg(&theirs), &[0]),
        ],
    )?;
    let what = "backup-files of 2 GB, half small text files, half incompressible";
    let beside = format!("tar, zstd -T0 -3, sync, sha256sum {}", shown(time));
    Ok(vec![
        Line::ratio(what, shown(host_time), beside, ratio(host_time, time), Goal::AtMost(0.8)),
        Line::figure("its peak memory", String::new(), most as f64 / 1e6, "MB", Goal::AtMost(150.0)),
    ])
}

/// Files of a generator with a fixed seed, so that every machine packs the same.
fn fill(source: &Path) -> anyhow::Result<()> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    const WORDS: [&str; 16] = [
        "order",
        "customer",
        "the",
        "price",
        "of",
        "item",
        "shipped",
        "and",
        "paid",
        "return",
        "stock",
        "by",
        "warehouse",
        "to",
        "invoice",
        "was",
    ];
    for number in 0..HALF / SMALL {
        let directory = source.join(format!("text/{}", number / 500));
        fs::create_dir_all(&directory)?;
        let mut text = String::with_capacity(SMALL + 32);
        while text.len() < SMALL {
            let draw = next();
            text.push_str(WORDS[(draw % 16) as usize]);
            text.push(if draw & 0x700 == 0 { '\n' } else { ' ' });
            if draw & 0x3000 == 0 {
                text.push_str(&(draw >> 40).to_string());
            }
        }
        fs::write(directory.join(format!("{number}.txt")), &text[..SMALL])?;
    }
    for number in 0..HALF / LARGE {
        fs::create_dir_all(source.join("images"))?;
        let mut file = BufWriter::new(fs::File::create(source.join(format!("images/{number}.bin")))?);
        for _ in 0..LARGE / 8 {
            file.write_all(&next().to_le_bytes())?;
        }
        file.flush()?;
    }
    Ok(())
}
