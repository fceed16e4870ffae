//! Larder: an OCI registry mirror for a LAN.
//!
//! The rooms, from the outside in; each knows only those below it. See ARCHITECTURE.md.
//!
//! - [`cache`]: what the site has, on its disk, whatever the disk does
//! - [`source`]: the contract between the mirror and whoever supplies content
//! - [`memory`]: the one budget for bytes in flight
//! - [`clock`], [`oci`]: time and names, known to all

pub mod cache;
pub mod clock;
pub mod memory;
pub mod oci;
pub mod source;
