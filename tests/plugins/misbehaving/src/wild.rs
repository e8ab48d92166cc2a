//! Traps, and what has no end.

use std::hint::black_box;

use hostler_sdk::prelude::*;

/// The trap as such.
pub fn unreachable() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}

/// Reads far beyond the memory.
#[expect(unsafe_code, reason = "that is what is tried: in a sandbox it is a trap, and nothing else")]
pub fn out_of_bounds() {
    let beyond = black_box(0xffff_fff0_usize) as *const u8;
    // SAFETY: none; the sandbox has to end this.
    black_box(unsafe { beyond.read_volatile() });
}

/// Deeper and deeper, each call with something that cannot be optimised away.
pub fn recurse(depth: u64) -> u64 {
    let room = black_box([depth; 16]);
    if black_box(depth) == u64::MAX { 0 } else { recurse(depth + 1) + room[3] }
}

/// No call, no allocation, no end.
pub fn endless() {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

/// Calls of the host that answer at once.
pub fn call_without_end(context: &Context) {
    loop {
        black_box(context.info());
    }
}

/// Calls of the host that have to be waited for, each durable.
pub async fn await_without_end(context: &Context) -> Result<(), TaskError> {
    let mut number = 0_u64;
    loop {
        context.state().set("number", &number).await?;
        number += 1;
    }
}

/// Memory, each page of it touched.
pub fn allocate() {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// All the memory that is to be had, and then as if nothing had been.
pub fn allocate_what_there_is() -> usize {
    let mut all: Vec<Vec<u8>> = Vec::with_capacity(4096);
    loop {
        let mut more = Vec::new();
        if more.try_reserve_exact(1 << 20).is_err() {
            return black_box(all).len();
        }
        more.resize(1 << 20, 1);
        all.push(black_box(more));
    }
}

/// Lines on every way that there is.
pub fn flood_log(lines: usize) {
    for number in 0..lines {
        hostler_sdk::log::warn(&format!("line {number}"));
        println!("line {number} on standard output");
        eprintln!("line {number} on standard error");
    }
}

/// Findings and metrics that are all in order, and too many.
pub fn flood_findings(count: usize) {
    for number in 0..count {
        finding!(Severity::Ok, "fine", format!("part {number}"), "fine").report();
        Metric::gauge("flood_parts", number as f64).label("part", number.to_string()).report();
    }
}
