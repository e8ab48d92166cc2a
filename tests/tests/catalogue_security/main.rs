//! The catalogue's plugins of the area security, on real servers, programs, files and network namespaces.

mod firewall;
mod permissions;
mod renew_certificates;
mod vulnerabilities;
