//! Tasks and procedures: from a configuration and installed plugins to runs that are recorded.
//!
//! The host that an operator's command works with. It knows configuration, registry, record and runtime, and lets
//! none of them know another.

mod approval;
mod capabilities;
mod clock;
mod doctor;
mod errors;
mod host;
mod job;
mod order;
mod outcome;
mod procedure;
mod roles;
mod run;
mod unstarted;

pub use approval::{Approval, ApprovedTask, Basis, RequestBasis, VALID_FOR};
pub use doctor::Examined;
pub use errors::ServiceError;
pub use host::{Host, Named, open};
pub use job::Job;
pub use outcome::{Course, EffectCount, Outcome, TaskOutcome};
pub use run::{RunOptions, TellEnd, TellProgress};
pub use unstarted::Unstarted;
