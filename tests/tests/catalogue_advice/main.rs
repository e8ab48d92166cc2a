//! The catalogue's plugins that advise, and the one that rehearses: on real servers and real exporters.

mod dashboards;
mod failover;
mod metrics;
mod tuning;
mod window;
