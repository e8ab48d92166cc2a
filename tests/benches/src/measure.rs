//! How long something takes, and how much memory it has at most.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;

/// Something to be measured: does it once, and says how long it took.
pub(crate) type Contender<'a> = &'a mut dyn FnMut() -> anyhow::Result<Duration>;

/// The medians of contenders that take turns. The first round is not counted: it fills caches.
pub(crate) fn medians<const N: usize>(
    rounds: usize,
    mut contenders: [Contender<'_>; N],
) -> anyhow::Result<[Duration; N]> {
    let mut taken: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    for round in 0..=rounds {
        for (contender, taken) in contenders.iter_mut().zip(&mut taken) {
            let duration = contender()?;
            if round > 0 {
                taken.push(duration);
            }
        }
    }
    Ok(taken.map(|mut durations| {
        durations.sort();
        durations[durations.len() / 2]
    }))
}

/// A whole process, from its start to its end. Any of these exit codes is good: 1 to 3 are a monitoring verdict.
pub(crate) fn process(command: &mut Command, good: &[i32]) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let taken = started.elapsed();
    let code = output.status.code().unwrap_or(-1);
    anyhow::ensure!(
        good.contains(&code),
        "{command:?} ended with {code}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(taken)
}

/// A whole process, and the most memory that it had resident, in bytes: as the kernel counts it, asked until the end.
pub(crate) fn process_and_memory(command: &mut Command, good: &[i32]) -> anyhow::Result<(Duration, u64)> {
    let started = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().with_context(|| format!("{command:?}"))?;
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        most = most.max(high_water_mark(&fs::read_to_string(&status).unwrap_or_default()));
        if let Some(ended) = child.try_wait()? {
            let code = ended.code().unwrap_or(-1);
            anyhow::ensure!(good.contains(&code), "{command:?} ended with {code}");
            return Ok((started.elapsed(), most));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn high_water_mark(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

/// A ratio of durations.
pub(crate) fn ratio(host: Duration, peer: Duration) -> f64 {
    host.as_secs_f64() / peer.as_secs_f64()
}

/// A duration in the unit that suits it.
pub(crate) fn shown(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds if seconds >= 1e-3 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{:.1} µs", seconds * 1e6),
    }
}
