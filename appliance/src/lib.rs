//! Larder: an OCI registry mirror for a LAN.
//!
//! The rooms, from the outside in; each knows only those below it. See ARCHITECTURE.md.
//!
//! - [`command`]: what people type
//! - [`console`], [`api`]: the box's own pages, and the JSON that they speak
//! - [`config`]: what a person may set, as values that cannot be wrong
//! - [`telemetry`], [`metrics`]: what the box says and counts
//! - [`tls`], [`lan`]: the certificate that clients see; this box as its neighbours see it
//! - [`source`]: the contract between the mirror and whoever supplies content
//! - [`memory`]: the one budget for bytes in flight
//! - [`clock`], [`oci`]: time and names, known to all

pub mod api;
pub mod clock;
pub mod command;
pub mod config;
pub mod console;
pub mod lan;
pub mod memory;
pub mod metrics;
pub mod oci;
pub mod source;
pub mod telemetry;
pub mod tls;
