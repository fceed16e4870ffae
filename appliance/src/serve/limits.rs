//! What the process may have of the system.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets the process open as many files as its owner allows: each client and each blob is one, and the
/// usual soft limit of 1024 is for programs that still use `select`.
pub(super) fn raise_open_files() {
    let now = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, limit = ?now.current, "the limit on open files stays as it is");
    }
}
