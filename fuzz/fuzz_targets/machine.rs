//! The kernel's texts: memory, load, sockets, processes.
//!
//! The sources are the host's own, with the contract's records beside them, so that no engine is built for it.
#![no_main]
#![allow(dead_code)]

extern crate self as hostler_capability;
extern crate self as hostler_world;

/// The contract's records, as its bindings have them.
pub mod machine {
    #[derive(Debug)]
    pub struct Memory {
        pub total_bytes: u64,
        pub available_bytes: u64,
        pub swap_total_bytes: u64,
        pub swap_used_bytes: u64,
        pub limit_bytes: Option<u64>,
    }
    #[derive(Debug)]
    pub struct Load {
        pub cores: u32,
        pub load_1m: f64,
        pub load_5m: f64,
        pub load_15m: f64,
        pub pressure_cpu: Option<f64>,
        pub pressure_memory: Option<f64>,
        pub pressure_io: Option<f64>,
        pub open_files: u64,
        pub open_files_limit: u64,
    }
    #[derive(Debug)]
    pub struct ListeningSocket {
        pub protocol: String,
        pub address: String,
        pub port: u16,
        pub process: Option<String>,
    }
    #[derive(Debug)]
    pub struct OperatingSystem {
        pub fields: Vec<(String, String)>,
        pub kernel: String,
        pub booted_at: u64,
        pub reboot_required: bool,
    }
    #[derive(Debug)]
    pub struct Process {
        pub id: u32,
        pub name: String,
        pub user: String,
        pub unit: Option<String>,
        pub deleted_code: bool,
    }
}

/// What a capability call ends with, as far as these sources name it.
pub enum Error {
    Unavailable(String),
    Failed(String),
}

pub fn failed(_: &str, message: String) -> Error {
    Error::Failed(message)
}

pub fn escape_name(name: &[u8]) -> String {
    guest::escape_name(name)
}

#[path = "../../host/machine/src/checks.rs"]
mod checks;
#[path = "../../host/machine/src/errors.rs"]
mod errors;
#[path = "../../host/capability/src/guest_path.rs"]
mod guest;
#[path = "../../host/machine/src/load.rs"]
mod load;
#[path = "../../host/machine/src/memory.rs"]
mod memory;
#[path = "../../host/machine/src/operating_system.rs"]
mod operating_system;
#[path = "../../host/machine/src/processes.rs"]
mod processes;
#[path = "../../host/machine/src/sockets.rs"]
mod sockets;

pub use errors::Problem;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::kernel_text(data));
