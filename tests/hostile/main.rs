//! Plugins that want out. Each family tries what a stranger's plugin would try, by the real host on real servers, files
//! and programs; a refusal counts only where the honest neighbour of the same call is allowed. What is tried and what
//! stops it stands in README.md beside this file.

mod artifacts;
mod check_mode;
mod files;
mod limits;
mod linking;
mod network;
mod postgres;
mod programs;
mod puppet;
mod redis;
mod reports;
mod secrets;
mod server_loss;
