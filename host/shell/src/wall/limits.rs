//! Resource limits: generous for maintenance, small beside a machine.

use rustix::process::Resource;

/// The limits of a program that is held.
pub(super) fn all() -> Vec<(Resource, u64)> {
    vec![
        // A core file would hold what the program was handed.
        (Resource::Core, 0),
        // Counted over all processes of the host's user, so that a fork bomb ends and a busy user is not in the way.
        (Resource::Nproc, 8192),
        (Resource::Nofile, 8192),
        // Address space, not memory in use: garbage-collected languages reserve far more than they touch.
        (Resource::As, 64 << 30),
        (Resource::Fsize, 4 << 40),
    ]
}
