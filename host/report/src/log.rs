//! The interface `log`: lines kept with the run, up to a limit; beyond it they are counted.

use std::sync::Arc;

use hostler_capability::{Binding, Capability, CapabilityError, LogLine, RunContext, RunState, Slot};
use hostler_world::log as wit;
use wasmtime::component::{HasData, Linker};

use crate::clean;

/// Links `log`.
pub struct LogCapability;

/// Its part of one run.
pub struct LogRun(Arc<RunContext>);

impl HasData for LogCapability {
    type Data<'a> = &'a mut LogRun;
}

impl Capability for LogCapability {
    fn interface(&self) -> &'static str {
        "log"
    }

    fn link(&self, linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
        wit::add_to_linker::<_, Self>(linker, |state| state.slot::<LogRun>())
    }

    fn prepare(&self, _: &[Binding], context: &Arc<RunContext>) -> Result<Slot, CapabilityError> {
        Ok(Box::new(LogRun(context.clone())))
    }
}

impl wit::Host for LogRun {
    fn emit(&mut self, level: wit::Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        let level = match level {
            wit::Level::Trace => "trace",
            wit::Level::Debug => "debug",
            wit::Level::Info => "info",
            wit::Level::Warn => "warn",
            wit::Level::Error => "error",
        };
        let most = self.0.limits.log_lines;
        self.0.reported(|reported| {
            if reported.log.len() as u64 >= most {
                reported.log_dropped += 1;
                return;
            }
            let fields = fields.iter().take(32).map(|(name, value)| (clean::name(name), clean::line(value))).collect();
            reported.log.push(LogLine { level: level.into(), message: clean::line(&message), fields });
        });
        Ok(())
    }
}
