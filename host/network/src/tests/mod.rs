//! Endpoints for real: servers on the loopback, with certificates made for each case.

mod connecting;
mod exchanges;
mod handshakes;
mod support;
