//! backup-verify of 2 GB in four files with their checksums, beside `openssl dgst -sha256` of the same files.

use std::{
    fs,
    io::{BufWriter, Write},
    path::Path,
    process::Command,
};

use hostler_tests::Hostler;

use crate::{
    measure::{medians, process, ratio, shown},
    table::{Goal, Line},
};

const FILES: usize = 4;
const SIZE: usize = 512 << 20;

pub(crate) fn compare() -> anyhow::Result<Vec<Line>> {
    let host = Hostler::new(
        "[directory.backups]\npath = \"{directory}/backups\"\n[tasks.verify]\nplugin = \"backup-verify\"\n\
         bind.backups = [\"directory.backups\"]\nsettings.every = \"0s\"\n",
    );
    host.install(&["backup-verify"]);
    let directory = host.path().join("backups");
    fs::create_dir(&directory)?;
    let names: Vec<String> = (0..FILES).map(|number| format!("shop-{number}.bin")).collect();
    for name in &names {
        fill(&directory.join(name), name.len() as u64 + u64::from(name.as_bytes()[5]))?;
        let script = "cd \"$1\" && sha256sum \"$2\" > \"$2.sha256\"";
        process(Command::new("sh").args(["-c", script, "sh"]).arg(&directory).arg(name), &[0])?;
    }
    let [ours, openssl] = medians(
        5,
        [&mut || process(&mut host.command(&["run", "verify"]), &[0]), &mut || {
            process(Command::new("openssl").args(["dgst", "-sha256"]).args(&names).current_dir(&directory), &[0])
        }],
    )?;
    // At least 0.8 times its speed.
    Ok(vec![Line::ratio(
        "backup-verify of 2 GB in four files",
        shown(ours),
        format!("openssl dgst -sha256 {}", shown(openssl)),
        ratio(ours, openssl),
        Goal::AtMost(1.25),
    )])
}

/// Bytes of a generator with a fixed seed.
fn fill(path: &Path, seed: u64) -> anyhow::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, fs::File::create(path)?);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed;
    for _ in 0..SIZE / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes())?;
    }
    Ok(file.flush()?)
}
