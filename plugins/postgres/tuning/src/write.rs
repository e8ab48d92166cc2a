//! WAL and checkpoints. A checkpoint that WAL forces before its time writes pages anew that were written a minute ago, and
//! the first change of each page after it goes into the WAL whole: more checkpoints make more WAL, and that more
//! checkpoints.

use hostler_sdk::prelude::*;

use crate::advice::Advice;
use crate::load::Load;
use crate::server::Server;

const MIB: f64 = 1_048_576.0;
/// A CHECKPOINT by hand and a base backup count as requested too.
const FEW: f64 = 3.0;
/// Seconds: what the guide sets.
const USUAL_TIMEOUT: f64 = 900.0;

pub fn advise(server: &Server, load: Option<&Load>, requested: Percent, factor: f64) -> Vec<Advice> {
    let mut advice = vec![buffers(server, load, factor), completion(factor)];
    if let Some(load) = load {
        advice.push(timeout(server, load, factor));
        advice.push(wal_size(server, load, requested, factor));
    }
    advice
}

fn buffers(server: &Server, load: Option<&Load>, factor: f64) -> Advice {
    let shared = server.value("shared_buffers");
    let segment = server.value("wal_segment_size");
    let usual = (shared / 32.0).clamp(64.0 * 1024.0, if segment > 0.0 { segment } else { 16.0 * MIB });
    let full = load.map_or(0.0, |load| load.buffers_full);
    let set = server.value("wal_buffers");
    let ideal = if full > 1.0 { (set * 4.0).clamp(usual, 256.0 * MIB) } else { usual };
    let why = format!(
        "-1 would make it {}, a 32nd of shared_buffers up to one WAL segment. Since the last run the buffers were full {full:.1} times a second, and whoever found them so waited for a write.",
        ByteSize::from_f64(usual)
    );
    Advice::around("wal_buffers", ideal, factor, why).harmless(64.0 * MIB)
}

fn completion(factor: f64) -> Advice {
    let why = "A checkpoint is spread over this part of the time until the next one. Below 0.9 the same writes come in less time, and queries wait for the disk.";
    Advice::around("checkpoint_completion_target", 0.9, factor, why).only_low()
}

fn timeout(server: &Server, load: &Load, factor: f64) -> Advice {
    let written = load.wal * server.value("checkpoint_timeout");
    let why = format!(
        "At {} of WAL a second, {} are written between two checkpoints. After each, the first change of every page goes into the WAL whole: 15 minutes write less than 5. After a crash the server replays about as much as lies between two checkpoints before it accepts connections.",
        ByteSize::from_f64(load.wal),
        ByteSize::from_f64(written)
    );
    let advice = Advice::around("checkpoint_timeout", USUAL_TIMEOUT, factor, why).harmless(3600.0);
    // A server that hardly writes has nothing to gain.
    if load.wal * USUAL_TIMEOUT > 1024.0 * MIB { advice } else { advice.only_high() }
}

fn wal_size(server: &Server, load: &Load, requested: Percent, factor: f64) -> Advice {
    let set = server.value("max_wal_size");
    let between = load.wal * server.value("checkpoint_timeout");
    // A checkpoint begins when this part of max_wal_size is written, so that it ends before all of it is.
    let spread = 1.0 + server.value("checkpoint_completion_target");
    let measured = between * spread * 1.5;
    let share = load.requested_share().unwrap_or_default();
    let forced = load.requested >= FEW && share.0 > requested.0;
    let ideal = if forced { measured.max(set * factor.max(2.0) * 1.01) } else { measured };
    let why = format!(
        "Since the last run {} by time and {} by WAL: {share} were forced, and at most {requested} should be. At {} of WAL a second, checkpoint_timeout and checkpoint_completion_target call for {}; bursts need more. pg_wal needs room for it.",
        counted(load.timed, "checkpoint"),
        load.requested,
        ByteSize::from_f64(load.wal),
        ByteSize::from_f64(measured)
    );
    let advice = Advice::around("max_wal_size", ideal, factor, why).only_low();
    if forced { advice } else { advice.enough(0.0) }
}
