//! Memory: what is shared, what each sort may take, and what maintenance takes. The three together are to fit into the
//! machine, on the day when every connection is busy.

use hostler_sdk::machine::{ListeningSocket, Memory, Process};
use hostler_sdk::prelude::*;

use crate::advice::Advice;
use crate::load::Load;
use crate::server::Server;

const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1024.0 * MIB;

/// How much memory the server has, and how that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    pub bytes: f64,
    pub known_from: String,
}

impl Budget {
    pub fn of_machine(memory: &Memory) -> Self {
        let total = memory.total_bytes;
        match memory.limit_bytes {
            Some(limit) if limit < total => Self {
                bytes: limit as f64,
                known_from: format!(
                    "the limit of the control group, {}, of a machine with {}; where the server runs outside of it, set memory at the task",
                    ByteSize(limit),
                    ByteSize(total)
                ),
            },
            _ => Self { bytes: total as f64, known_from: format!("the machine's memory, {}", ByteSize(total)) },
        }
    }

    fn share(&self, part: f64, words: &str) -> String {
        format!("{words} of {} is {}.", self.known_from, ByteSize::from_f64(self.bytes * part))
    }
}

/// Whether the server runs on this machine: a process of its name, and its port open by such a one.
pub fn is_here(server: &Server, sockets: &[ListeningSocket], processes: &[Process]) -> bool {
    let is_server = |name: &str| name == "postgres" || name == "postmaster";
    let port = server.value("port");
    let runs = processes.iter().any(|process| is_server(&process.name));
    let listens =
        sockets.iter().any(|socket| f64::from(socket.port) == port && socket.process.as_deref().is_none_or(is_server));
    runs && (listens || server.text("listen_addresses").is_empty())
}

/// Connections that anyone may take, and what they may start beside themselves.
fn processes(server: &Server) -> (f64, f64) {
    let connections = server.value("max_connections");
    let each = server.value("max_parallel_workers_per_gather").max(0.0);
    (connections, server.value("max_parallel_workers").max(0.0).min(connections * each))
}

/// What all connections may take for one sort each.
pub fn worst_sorts(server: &Server) -> f64 {
    server.value("max_connections") * server.value("work_mem")
}

pub fn advise(server: &Server, budget: &Budget, load: Option<&Load>, factor: f64) -> Vec<Advice> {
    let shared = Advice::around(
        "shared_buffers",
        budget.bytes / 4.0,
        factor,
        budget.share(0.25, "A quarter")
            + " The rest is the kernel's cache, which has what shared_buffers does not; beyond 8 GiB more of it gains little.",
    )
    .enough(8.0 * GIB)
    .at_most(budget.bytes / 2.0);
    let cache = Advice::around(
        "effective_cache_size",
        budget.bytes * 0.75,
        factor,
        budget.share(0.75, "Three quarters")
            + " Nothing is taken by it: it is what the planner believes to be cached, and too small a figure makes it read tables whole instead of by index.",
    )
    .at_most(budget.bytes);
    let mut advice = vec![shared, cache, sorts(server, budget, load, factor)];
    advice.extend(maintenance(server, budget, factor));
    advice
}

fn sorts(server: &Server, budget: &Budget, load: Option<&Load>, factor: f64) -> Advice {
    let (connections, workers) = processes(server);
    let (work, multiplier) = (server.value("work_mem"), server.value("hash_mem_multiplier").max(1.0));
    let taken = server.value("shared_buffers") + maintenance_total(server);
    let left = (budget.bytes - taken).max(budget.bytes / 10.0);
    let fits = left / ((connections + workers) * multiplier);
    let size = |bytes: f64| ByteSize::from_f64(bytes);
    let spilled = load.map_or(0.0, |load| load.spilled);
    let why = format!(
        "{connections} connections × {} = {} for one sort each; hash_mem_multiplier makes it {} for one hash join each, and {workers} parallel workers have as much each. \
         Of {} there is {} left beside shared_buffers and maintenance: {} a process, {} with the multiplier. A query may sort several times at once; so this is what fits, not what is safe. \
         Since the last run {} went to temporary files.",
        size(work),
        size(connections * work),
        size(connections * work * multiplier),
        budget.known_from,
        size(left),
        size(left / (connections + workers)),
        size(fits),
        size(spilled),
    );
    let advice = Advice::around("work_mem", fits.max(64.0 * 1024.0), factor, why);
    // What never spills needs no more.
    if spilled > 0.0 { advice } else { advice.only_high() }
}

/// What autovacuum's workers may take together.
fn maintenance_total(server: &Server) -> f64 {
    server.value("autovacuum_max_workers").max(1.0) * server.value_or("autovacuum_work_mem", "maintenance_work_mem")
}

fn maintenance(server: &Server, budget: &Budget, factor: f64) -> Vec<Advice> {
    let workers = server.value("autovacuum_max_workers").max(1.0);
    let ideal = (budget.bytes / 8.0 / workers).clamp(MIB, GIB);
    let why = |of: &str| {
        format!(
            "{} of {} are for maintenance, and each of {workers} autovacuum workers may take {of}: {} each, and {} together as it is set. VACUUM used no more than 1 GiB before PostgreSQL 17; building an index uses what it gets.",
            ByteSize::from_f64(budget.bytes / 8.0),
            budget.known_from,
            ByteSize::from_f64(ideal),
            ByteSize::from_f64(maintenance_total(server)),
        )
    };
    let own = server.value("autovacuum_work_mem") >= 0.0;
    let of = if own { "autovacuum_work_mem" } else { "maintenance_work_mem, since autovacuum_work_mem is -1" };
    let mut advice = vec![Advice::around("maintenance_work_mem", ideal, factor, why(of))];
    if own {
        advice.push(Advice::around("autovacuum_work_mem", ideal, factor, why(of)).enough(64.0 * MIB));
    }
    advice
}
