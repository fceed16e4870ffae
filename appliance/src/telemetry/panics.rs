//! Panics in the log, in its form, instead of as loose text between its lines.

use std::backtrace::Backtrace;

/// Logs each panic of this process as an error with its place.
pub(super) fn log() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let thread = std::thread::current();
        tracing::error!(
            target: "panic",
            place,
            thread = thread.name(),
            // Empty unless RUST_BACKTRACE is set: a box in the field pays nothing for it.
            backtrace = %Backtrace::capture(),
            "{}",
            panic.payload_as_str().unwrap_or("a panic without a message"),
        );
    }));
}
