//! The bindings generated from `wit/`, and nothing else.
//!
//! They stand in a crate of their own because generating and compiling them takes longer than any capability does:
//! a change in a capability never compiles them again. Resources are left unmapped on purpose: each capability keeps
//! its own bounded table, and a `Resource<T>` here is only a number.
#![allow(missing_docs, reason = "generated; the documentation is in wit/")]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "plugin",
    imports: { default: trappable },
    exports: { default: async },
});

pub use hostler::plugin::*;
