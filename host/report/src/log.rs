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
            let fields = fields.iter().take(16).map(|(name, value)| (clean::short(name, 64), clean::short(value, 256)));
            reported.log.push(LogLine {
                level: level.into(),
                message: clean::line(&message),
                fields: fields.collect(),
            });
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hostler_capability::Limits;
    use hostler_world::log::Host as _;

    use super::*;
    use crate::tests::Task;

    #[test]
    fn lines_are_cleaned_and_beyond_the_limit_counted() {
        let task = Task::limited(Limits { log_lines: 3, ..Limits::default() });
        let slot = LogCapability.prepare(&[], &task.run).expect("prepared");
        let mut log = *slot.downcast::<LogRun>().expect("its own part");
        for number in 0..10 {
            let field = ("table-name".to_owned(), "orders\x1b[1m\n".repeat(200));
            log.emit(wit::Level::Warn, format!("line\r {number}"), vec![field; 100]).expect("taken");
        }
        let kept = task.run.reported(|reported| reported.clone());
        assert_eq!((kept.log.len(), kept.log_dropped), (3, 7));
        let line = &kept.log[0];
        assert_eq!((line.level.as_str(), line.message.as_str(), line.fields.len()), ("warn", "line  0", 16));
        let (name, value) = &line.fields[0];
        assert!(name == "table-name" && value.starts_with("orders orders ") && value.chars().count() == 256, "{value}");
    }
}
