//! What the black-box tests stand on: images built by hand, a real registry, a registry that lies on
//! command, real clients, a runner for the binary under test, and disks that are too small.
//!
//! Promises: nothing leaves this machine; nothing outlives the test process; what went wrong is printed.
//! Must not know: how Larder works inside. Only its command line, its HTTP face and its folder are used.

pub mod client;
pub mod clients;
pub mod digest;
pub mod disk;
pub mod dns;
pub mod hook;
pub mod images;
pub mod larder;
pub mod measure;
pub mod network;
pub mod process;
pub mod registry;
pub mod sequences;
pub mod stage;
pub mod upstream;
pub mod wait;

/// True when the long campaigns are asked for (`tests/run --full`).
pub fn full() -> bool {
    std::env::var_os("LARDER_FULL").is_some_and(|v| !v.is_empty() && v != "0")
}

/// Says something that the reader of a test's output must not miss, whatever the runner captures.
///
/// Written to the terminal's stderr directly, since test runners capture `eprintln!` of passing tests.
pub fn loudly(message: &str) {
    use std::io::Write;
    // A lost notice must not fail the test that wanted to give it.
    let _ = writeln!(std::io::stderr().lock(), "\n!!! {message}\n");
}
