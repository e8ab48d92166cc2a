//! What a plugin says of itself: its name, its settings, and its requests, each with a reason.
//!
//! The manifest is TOML in the custom section `hostler:manifest` of the component, so that a plugin is one file and
//! can be read without being run. Nothing here does input or output, and nothing here grants: a manifest only
//! proposes.

mod component;
mod errors;
mod plugin;
mod request;
mod setting;
mod suggest;

pub use component::{CONTRACT, SECTION, contract, embed, extract, imports, validate};
pub use errors::ManifestError;
pub use plugin::{FindingKind, Manifest, Mode, Plugin};
pub use request::{
    Access, DirectoryRequest, Effect, EndpointRequest, HistoryRequest, MachineRequest, PostgresRequest, ProgramRequest,
    RedisRequest, Request,
};
pub use setting::{Setting, SettingError, SettingKind, bytes, seconds};
pub use suggest::did_you_mean;
