//! Components that no compiler would build: memories of many instances, tables that grow, and a start function that does not end.

use std::time::Instant;

use hostler_tests::{Hostler, Output, core_module, manifest, with_instances};

fn module(text: &str) -> Vec<u8> {
    core_module(text, &manifest("test-made", "1.0.0", ""))
}

/// Runs a component made of this module's text, whose function `$run` is the task.
fn run(text: &str, limits: &str) -> Output {
    run_made(&module(text), limits)
}

fn run_made(component: &[u8], limits: &str) -> Output {
    let host = Hostler::new(&format!("[tasks.made]\nplugin = \"test-made\"\nlimits = {{ {limits} }}\n"));
    let path = host.path().join("made.wasm");
    std::fs::write(&path, component).expect("a file");
    let installed = host.run(&["install", &path.display().to_string(), "--accept"]);
    assert_eq!(installed.code, 0, "{installed:?}");
    host.run(&["run", "made", "--format", "json"])
}

fn why(output: &Output) -> String {
    let task = output.task("made");
    format!("{} {}", task["summary"], task["troubles"])
}

/// Grows its memory page by page for as long as it may, and traps when it may no more.
fn growing(most: u32) -> String {
    format!(
        "(func $run (param i32) (result i32) (local i32)\n(local.set 1 (i32.const {most}))\n\
         (block $end (loop $more\n(br_if $end (i32.eqz (local.get 1)))\n\
         (local.set 1 (i32.sub (local.get 1) (i32.const 1)))\n\
         (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))))\nunreachable)"
    )
}

const TRAP: &str = "(func $run (param i32) (result i32) unreachable)";

#[test]
fn a_memory_that_grows_in_steps_ends_at_the_limit() {
    let plain = run(&growing(10), "memory_bytes = \"16MiB\"");
    assert!(why(&plain).contains("unreachable") && !why(&plain).contains("memory_bytes"), "{}", why(&plain));
    let one = run(&growing(100_000), "memory_bytes = \"16MiB\"");
    assert!(why(&one).contains("memory_bytes"), "{}", why(&one));
}

#[test]
fn memories_of_many_instances_count_together() {
    let limits = "memory_bytes = \"16MiB\"";
    let of_four_mebibytes = |instances| with_instances(&module(TRAP), 64, instances);
    let few = run_made(&of_four_mebibytes(1), limits);
    assert!(why(&few).contains("unreachable") && !why(&few).contains("memory_bytes"), "{}", why(&few));
    let three = run_made(&of_four_mebibytes(3), "memory_bytes = \"10MiB\"");
    assert!(why(&three).contains("memory_bytes"), "{}", why(&three));
    // More instances than anybody needs are not even compiled, however small they are.
    let swarm = run_made(&with_instances(&module(TRAP), 1, 900), limits);
    assert_eq!(swarm.code, 69, "{swarm:?}");
    assert!(swarm.stderr.contains("exceeds the configured maximum"), "{swarm:?}");
}

#[test]
fn a_module_has_one_memory() {
    let two = run(&format!("(memory 1)\n{TRAP}"), "memory_bytes = \"16MiB\"");
    assert_eq!(two.code, 69, "{two:?}");
    assert!(two.stderr.contains("memories"), "{two:?}");
}

#[test]
fn a_table_grows_no_further_than_its_bound() {
    // Whoever gets ten million elements goes on for ever; whoever does not traps.
    let body = "(table $t 1 funcref)\n(func $run (param i32) (result i32) (local i32)\n(local.set 1 (i32.const 10000))\n\
         (block $refused (loop $more\n(br_if $refused (i32.eq (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))\n\
         (local.set 1 (i32.sub (local.get 1) (i32.const 1)))\n(br_if $more (local.get 1))\n\
         (loop $for_ever (br $for_ever))))\nunreachable)";
    let grown = run(body, "memory_bytes = \"16MiB\", cpu_seconds = 5");
    assert!(why(&grown).contains("unreachable"), "{}", why(&grown));
}

#[test]
fn a_memory_that_begins_too_large_is_not_given() {
    let large = run_made(&with_instances(&module(TRAP), 16_384, 1), "memory_bytes = \"16MiB\"");
    assert!(why(&large).contains("memory_bytes"), "{}", why(&large));
}

#[test]
fn a_start_function_without_end_is_ended_too() {
    let started = Instant::now();
    let endless = run(
        "(func $begin (loop $again (br $again)))\n(start $begin)\n(func $run (param i32) (result i32) unreachable)",
        "cpu_seconds = 1, wall_seconds = 10",
    );
    assert!(why(&endless).contains("(limits.cpu_seconds)"), "{}", why(&endless));
    assert!(started.elapsed().as_secs() < 30);
}

#[test]
fn recursion_without_end_is_ended() {
    let deep = run(
        "(func $down (param i32) (result i32) (i32.add (call $down (local.get 0)) (i32.const 1)))\n\
         (func $run (param i32) (result i32) (call $down (i32.const 0)))",
        "cpu_seconds = 5",
    );
    assert!(why(&deep).contains("stack"), "{}", why(&deep));
}
