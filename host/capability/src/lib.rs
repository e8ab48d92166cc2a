//! What every capability shares: the trait, the run it serves, effects, limits and the audit.
//!
//! A capability is a crate that depends on this one and on no other capability. It implements [`Capability`]: it says
//! which interface it links, and makes its part of one run from the bindings of that run. Its part is stored in
//! [`RunState`] by type, so that adding a capability changes nothing here.
//!
//! Each call of a plugin goes the same way: ask the policy, [`RunContext::begin`] (which counts, audits and refuses
//! where the run is being stopped), do the work, and [`Call::finish`]. A change asks [`RunContext::effect`] first,
//! which answers whether to plan or to apply it.

mod audit;
mod call;
mod completion;
mod context;
mod counted;
mod effect;
mod errors;
mod guest_path;
mod limits;
mod memory;
mod reported;
mod state;
mod stop;
mod stores;
mod table;
mod timeout;

pub use audit::{AuditEntry, AuditLog, Decision};
pub use call::Call;
pub use completion::{Completion, completion};
pub use context::{Progress, RunContext, RunInfo, RunParts, ServerLocks};
pub use counted::Counted;
pub use effect::{ApprovedPlan, Effect, Plan, PlanStep, PlannedEffect, Verdict};
pub use errors::{CapabilityError, denied, failed};
pub use guest_path::{GuestPath, GuestPathError, escape_name, guest_path, unescape_name};
pub use hostler_configuration::{Binding, Grant, Resource, Target};
pub use hostler_world as world;
pub use hostler_world::types::{Error, Mode};
pub use limits::{Limits, Usage};
pub use memory::MemoryLimit;
pub use reported::{Attachment, Finding, LogLine, Metric, Reported, Severity, Table as ReportTable};
pub use state::{Capability, RunState, Slot};
pub use stop::{Stop, StopReason};
pub use stores::{
    HistoryPoint, HistoryReader, HistoryRun, HistorySeries, LockError, Locks, ScheduledRun, StateStore, StoreError,
};
pub use table::Table;
pub use timeout::within;
