//! system-temp-files over a million files, a thousand of which are old, beside `find -printf` of the same fields.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use hostler_tests::Hostler;

use crate::{
    measure::{medians, process, ratio, shown},
    table::{Goal, Line},
};

const FILES: usize = 1_000_000;
const IN_A_DIRECTORY: usize = 1000;

pub(crate) fn compare() -> anyhow::Result<Vec<Line>> {
    let host = Hostler::new(
        "[directory.temporary]\npath = \"{directory}/temporary\"\n[tasks.files]\nplugin = \"system-temp-files\"\n\
         bind = { directories = [\"directory.temporary\"], machine = \"machine\" }\n",
    );
    host.install(&["system-temp-files"]);
    let directory = host.path().join("temporary");
    fill(&directory)?;
    let [ours, find] = medians(
        3,
        [&mut || process(&mut host.command(&["plan", "files"]), &[0]), &mut || {
            // Without the names of owners (%u %g), which find looks up anew for each file.
            let fields = "%p %y %D %i %n %s %T@ %A@ %C@ %U %G %m\\n";
            // What it prints is thrown away, and not gathered.
            let mut command = Command::new("sh");
            command.args(["-c", "exec find \"$1\" -xdev -printf \"$2\" > /dev/null", "sh"]);
            process(command.arg(&directory).arg(fields).stderr(Stdio::inherit()), &[0])
        }],
    )?;
    Ok(vec![Line::ratio(
        "system-temp-files over a million files, 1,000 of them old",
        shown(ours),
        format!("find -printf of the same fields {}", shown(find)),
        ratio(ours, find),
        Goal::AtMost(1.5),
    )])
}

fn fill(directory: &Path) -> anyhow::Result<()> {
    let old = SystemTime::now() - Duration::from_secs(30 * 86_400);
    let times = fs::FileTimes::new().set_modified(old).set_accessed(old);
    for number in 0..FILES {
        let below = directory.join((number / IN_A_DIRECTORY).to_string());
        if number % IN_A_DIRECTORY == 0 {
            fs::create_dir_all(&below)?;
        }
        let file = fs::File::create(below.join(format!("{number}.tmp")))?;
        if number % IN_A_DIRECTORY == 7 {
            file.set_times(times)?;
        }
    }
    Ok(())
}
