//! The bindings generated from `wit/`: one world for each interface that needs a request.
//!
//! A component imports what its code calls, and a stream or future counts as a call of the interface whose world made
//! its type. With one world for everything, two interfaces that both carry `stream<u8>` share one implementation, and a
//! plugin that reads a file would import the database. So each interface is generated alone, and only the vocabulary
//! (`types`, and `report` for the history's ranges) is shared.
#![allow(missing_docs, reason = "generated; the documentation is in wit/")]
#![allow(unsafe_code, reason = "generated: the component model's calling convention")]
#![allow(unused_qualifications, clippy::all, reason = "generated")]

/// What every plugin has, and the task that it exports.
pub mod base {
    wit_bindgen::generate!({
        path: "../wit",
        world: "hostler:plugin/base",
        pub_export_macro: true,
        export_macro_name: "export_task",
        default_bindings_module: "hostler_sdk::bindings::base",
    });
}

/// PostgreSQL.
pub mod postgres {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package hostler:sdk; world postgres-only { import hostler:plugin/postgres@0.1.0; }",
        world: "hostler:sdk/postgres-only",
        generate_all,
        with: { "hostler:plugin/types@0.1.0": crate::bindings::base::hostler::plugin::types },
    });
}

/// Redis.
pub mod redis {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package hostler:sdk; world redis-only { import hostler:plugin/redis@0.1.0; }",
        world: "hostler:sdk/redis-only",
        generate_all,
        with: { "hostler:plugin/types@0.1.0": crate::bindings::base::hostler::plugin::types },
    });
}

/// Directories.
pub mod files {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package hostler:sdk; world files-only { import hostler:plugin/files@0.1.0; }",
        world: "hostler:sdk/files-only",
        generate_all,
        with: { "hostler:plugin/types@0.1.0": crate::bindings::base::hostler::plugin::types },
    });
}

/// Programs.
pub mod shell {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package hostler:sdk; world shell-only { import hostler:plugin/shell@0.1.0; }",
        world: "hostler:sdk/shell-only",
        generate_all,
        with: { "hostler:plugin/types@0.1.0": crate::bindings::base::hostler::plugin::types },
    });
}

/// Endpoints.
pub mod network {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package hostler:sdk; world network-only { import hostler:plugin/network@0.1.0; }",
        world: "hostler:sdk/network-only",
        generate_all,
        with: { "hostler:plugin/types@0.1.0": crate::bindings::base::hostler::plugin::types },
    });
}

/// The machine's figures.
pub mod machine {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package hostler:sdk; world machine-only { import hostler:plugin/machine@0.1.0; }",
        world: "hostler:sdk/machine-only",
        generate_all,
        with: { "hostler:plugin/types@0.1.0": crate::bindings::base::hostler::plugin::types },
    });
}

/// What earlier runs left.
pub mod history {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package hostler:sdk; world history-only { import hostler:plugin/history@0.1.0; }",
        world: "hostler:sdk/history-only",
        generate_all,
        with: {
            "hostler:plugin/types@0.1.0": crate::bindings::base::hostler::plugin::types,
            "hostler:plugin/report@0.1.0": crate::bindings::base::hostler::plugin::report,
        },
    });
}
