//! Opening connections to hosts elsewhere: names, address families, proxies, TLS.
//!
//! - [`connect`]: one connection from its name to its TLS, over a proxy's `tunnel` where there is one
//! - [`resolve`]: names to addresses · [`eyeballs`]: the family that works (RFC 8305) · [`address`]: where it may go
//! - [`ways`]: what connecting has shown of names and families
//! - [`origin`]: who is at the other end · [`proxy`]: which way · [`tls`]: whom to trust · [`stream`]: what comes of it
//!
//! Promises: each step is bounded in time; an error says which step failed; making any of it opens no connection. Must
//! not know: what is spoken over a connection, registries, receivers.

mod address;
mod connect;
mod eyeballs;
mod origin;
mod proxy;
mod resolve;
mod stream;
pub mod tls;
mod tunnel;
mod ways;

pub use address::AddressPolicy;
pub use connect::{ConnectError, Connector, Wiring, is_ours};
pub use eyeballs::{Families, Family, FamilyHealth};
pub use origin::{Origin, Scheme, same_party};
pub use proxy::{InvalidProxy, Proxy, ProxySettings};
pub use resolve::{Resolve, ResolveError, SystemNames};
pub use stream::{Stream, Uses};
pub use tls::InvalidCa;
pub use ways::{Lately, Seen, Ways};
