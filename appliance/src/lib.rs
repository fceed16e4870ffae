//! Larder: an OCI registry mirror for a LAN.
//!
//! The rooms, from the outside in; each knows only those below it. See ARCHITECTURE.md.
//!
//! - [`delivery`]: how bytes leave the box
//! - [`upstream`]: talking to registries over the WAN
//! - [`command`]: what people type
//! - [`config`]: what a person may set, as values that cannot be wrong
//! - [`telemetry`], [`metrics`]: what the box says and counts
//! - [`tls`], [`lan`]: the certificate that clients see; this box as its neighbours see it
//! - [`cache`]: what the site has, on its disk, whatever the disk does
//! - [`source`]: the contract between the mirror and whoever supplies content
//! - [`memory`]: the one budget for bytes in flight
//! - [`clock`], [`oci`]: time and names, known to all

pub mod cache;
pub mod clock;
pub mod delivery;
pub mod command;
pub mod config;
pub mod lan;
pub mod memory;
pub mod metrics;
pub mod oci;
pub mod source;
pub mod upstream;
pub mod telemetry;
pub mod tls;
