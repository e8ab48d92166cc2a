//! security-access-logs on three million lines of 900,000 different URLs, beside mawk, which counts one field of them, and
//! beside goaccess on the first tenth of them, since that alone takes it long enough; and on the same lines packed by
//! gzip, beside gzip unpacking them.

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

const LINES: u64 = 3_000_000;
const TENTH: u64 = LINES / 10;
const URLS: u64 = 900_000;

pub(crate) fn compare() -> anyhow::Result<Vec<Line>> {
    let host = Hostler::new(
        "[directory.whole]\npath = \"{directory}/whole\"\n[directory.tenth]\npath = \"{directory}/tenth\"\n\
         [directory.packed]\npath = \"{directory}/packed\"\n\
         [tasks.packed]\nplugin = \"security-access-logs\"\nbind.logs = [\"directory.packed\"]\nlimits = { cpu_seconds = 300 }\n\
         [tasks.whole]\nplugin = \"security-access-logs\"\nbind.logs = [\"directory.whole\"]\nlimits = { cpu_seconds = 300 }\n\
         [tasks.tenth]\nplugin = \"security-access-logs\"\nbind.logs = [\"directory.tenth\"]\n",
    );
    host.install(&["security-access-logs"]);
    let (whole, tenth) = (host.path().join("whole/access.log"), host.path().join("tenth/access.log"));
    write(&whole, LINES)?;
    write(&tenth, TENTH)?;
    let mut most = 0;
    let [ours, mawk] = medians(
        3,
        [
            &mut || {
                let (taken, memory) = process_and_memory(&mut host.command(&["plan", "whole"]), &[0])?;
                most = most.max(memory);
                Ok(taken)
            },
            &mut || {
                process(Command::new("mawk").arg("{ c[$9]++ } END { for (k in c) print k, c[k] }").arg(&whole), &[0])
            },
        ],
    )?;
    let what = "security-access-logs of 3 million lines, 900,000 URLs";
    let mut lines = vec![
        Line::ratio(
            what,
            shown(ours),
            format!("mawk, which counts one field {}", shown(mawk)),
            ratio(ours, mawk),
            Goal::AtMost(2.0),
        ),
        Line::figure("its peak memory", String::new(), most as f64 / 1e6, "MB", Goal::AtMost(64.0)),
    ];
    lines.push(packed(&host, &whole)?);
    let page = host.path().join("goaccess.html");
    let beside = medians(
        1,
        [&mut || process(&mut host.command(&["plan", "tenth"]), &[0]), &mut || {
            process(
                Command::new("goaccess").arg(&tenth).args(["--log-format=COMBINED", "--no-progress", "-o"]).arg(&page),
                &[0],
            )
        }],
    );
    lines.push(match beside {
        Ok([ours, goaccess]) => {
            let beside = format!("goaccess {}", shown(goaccess));
            Line::ratio("the first tenth of them", shown(ours), beside, ratio(ours, goaccess), Goal::AtMost(0.1))
        }
        Err(error) => Line::missing("the first tenth of them beside goaccess", &format!("{error:#}")),
    });
    Ok(lines)
}

/// A log that rotation packed, and an empty one in its place.
fn packed(host: &Hostler, whole: &Path) -> anyhow::Result<Line> {
    let (log, packed) = (host.path().join("packed/access.log"), host.path().join("packed/access.log.1.gz"));
    fs::create_dir_all(host.path().join("packed"))?;
    // The task has read the log up to its beginning; then it is rotated.
    fs::write(&log, "")?;
    process(&mut host.command(&["run", "packed"]), &[0, 3])?;
    process(Command::new("sh").args(["-c", "gzip -c \"$1\" > \"$2\"", "sh"]).arg(whole).arg(&packed), &[0])?;
    // Another file, and not one that takes over the old one's number.
    fs::write(log.with_extension("new"), "")?;
    fs::rename(log.with_extension("new"), &log)?;
    let read = host.run(&["plan", "packed"]);
    anyhow::ensure!(read.stdout.contains("3000000 requests"), "{read:?}");
    let [ours, gzip] = medians(
        3,
        [&mut || process(&mut host.command(&["plan", "packed"]), &[0, 1, 3]), &mut || {
            process(Command::new("sh").args(["-c", "gzip -dc \"$1\" > /dev/null", "sh"]).arg(&packed), &[0])
        }],
    )?;
    let beside = format!("gzip -dc {}", shown(gzip));
    Ok(Line::ratio("the same lines packed by gzip", shown(ours), beside, ratio(ours, gzip), Goal::AtMost(1.1)))
}

/// Lines of a generator with a fixed seed: a few URLs often, most of them seldom.
fn write(path: &Path, lines: u64) -> anyhow::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let mut file = BufWriter::with_capacity(1 << 20, fs::File::create(path)?);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for line in 0..lines {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let share = (state % 1_000_000) as f64 / 1e6;
        let url = (share * share * URLS as f64) as u64;
        let status = if state >> 40 & 63 == 0 { 404 } else { 200 };
        let (hour, minute, second) = (line / 3_600_000 % 24, line / 60_000 % 60, line / 1000 % 60);
        writeln!(
            file,
            "10.{}.{}.{} - - [21/Jan/2025:{hour:02}:{minute:02}:{second:02} +0000] \"GET /shop/product/{url}/details?ref={} HTTP/1.1\" {status} {} \"https://shop.example/start\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36\"",
            state >> 8 & 7,
            state >> 16 & 255,
            state >> 24 & 255,
            url * 7,
            state >> 50 & 8191,
        )?;
    }
    Ok(file.flush()?)
}
