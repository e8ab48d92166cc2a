//! A plugin that is compiled and linked, ready to be instantiated.

use hostler_capability::{Capability, RunState};
use hostler_manifest::Manifest;
use hostler_world::PluginPre;
use std::sync::Arc;
use wasmtime::{
    Engine,
    component::{Component, Linker},
};

use crate::RuntimeError;

/// Interfaces that every plugin may import, whatever it requests.
const BASE: &[&str] = &["run-context", "plan", "report", "log", "settings", "state"];

/// A plugin ready to run. Instantiating it costs microseconds.
pub struct Prepared {
    pub(crate) instance: PluginPre<RunState>,
    pub(crate) capabilities: Vec<Arc<dyn Capability>>,
}

impl Prepared {
    /// Links WASI (closed), the base interfaces, and those that the manifest requests. An import beyond those does
    /// not resolve, which is an error here and no trap later.
    pub(crate) fn link(
        engine: &Engine,
        all: &[Arc<dyn Capability>],
        manifest: &Manifest,
        component: &Component,
    ) -> Result<Self, RuntimeError> {
        let wrong = |error: wasmtime::Error| RuntimeError::Link(format!("{error:#}"));
        let mut linker = Linker::<RunState>::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(wrong)?;
        let requested = |interface| manifest.requests.values().any(|request| request.interface() == interface);
        let mut capabilities = Vec::new();
        for capability in all {
            let interface = capability.interface();
            if BASE.contains(&interface) || requested(interface) {
                capability.link(&mut linker).map_err(wrong)?;
                capabilities.push(capability.clone());
            }
        }
        let instance = linker.instantiate_pre(component).and_then(PluginPre::new).map_err(wrong)?;
        Ok(Self { instance, capabilities })
    }
}
