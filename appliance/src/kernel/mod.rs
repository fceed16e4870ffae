//! Calls to the kernel that have no safe form.
//!
//! | file | what |
//! |---|---|
//! | [`mapping`] | a file's bytes as addresses, to be recognised and not to be read |
//! | [`clock`] | whether somebody sets the clock |
//! | [`watchdog`] | how long the machine's watchdog waits |
//!
//! All `unsafe` of Larder is in this room, and each block says why it is sound. Promises: what is public here is safe to
//! call with anything. Must not know: what any of it is for.
#![allow(unsafe_code)]

pub(crate) mod clock;
pub(crate) mod mapping;
pub(crate) mod watchdog;
