//! Larder: an OCI registry mirror for a LAN.
//!
//! The rooms, from the outside in; each knows only those below it. See ARCHITECTURE.md.
//!
//! - [`command`]: what people type · [`serve`]: builds the house and opens the door
//! - [`selftest`]: whether this box survives what has happened elsewhere
//! - [`listen`]: sockets and connections · [`registry`]: the OCI face over HTTP
//! - [`console`], [`api`]: the box's own pages, and the JSON that they speak
//! - [`mirror`]: what to do for a reference: hit, revalidate, fill, stale, pass
//! - [`cache`]: what the site has, on its disk · [`upstream`]: talking to registries over the WAN
//! - [`collector`], [`inspection`]: making room, and mending what has drifted apart
//! - [`janitor`]: the process that does for the cache what can hang or grow
//! - [`dial`]: opening connections to hosts elsewhere
//! - [`source`]: the contract between the mirror and whoever supplies content
//! - [`delivery`]: how bytes leave the box · [`memory`]: the one budget for bytes in flight
//! - [`monitor`]: what the box and the mirror measure of themselves, in the words of [`rule`]
//! - [`watchdog`]: whether all parts get on, and what is done when one hangs
//! - [`config`]: what a person may set · [`telemetry`], [`metrics`]: what the box says of itself
//! - [`tls`], [`lan`]: the box's own certificate and addresses
//! - `kernel`: calls that have no safe form, and all `unsafe`
//! - [`clock`], [`backoff`], [`heartbeat`], [`pause`], [`oci`]: time, growing waits, progress, what is to wait, and
//!   names, known to all

// The simulators beside the benchmarks are tested from within, too, and speak of the crate by its name.
#[cfg(test)]
extern crate self as larder;

pub mod alert;
pub mod api;
pub mod backoff;
pub mod cache;
pub mod clock;
pub mod collector;
pub mod command;
pub mod config;
pub mod console;
pub mod delivery;
pub mod dial;
pub mod heartbeat;
pub mod inspection;
pub mod janitor;
mod kernel;
pub mod lan;
pub mod listen;
pub mod memory;
pub mod metrics;
pub mod mirror;
pub mod monitor;
pub mod oci;
pub mod pause;
pub mod registry;
mod retry_after;
pub mod rule;
pub mod selftest;
pub mod serve;
pub mod source;
pub mod telemetry;
pub mod tls;
pub mod upstream;
pub mod watchdog;
