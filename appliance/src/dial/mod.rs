//! Opening connections to hosts elsewhere: names, address families, proxies, TLS.
//!
//! - [`connect`]: one connection from its name to its TLS, over a proxy's `tunnel` where there is one · `connect_error`
//! - [`resolve`]: names to addresses, of two families (`pair`), some of them `late` · [`address`]: where it may go
//! - [`race`]: the first address that answers (RFC 8305) · [`families`]: the family that works
//! - [`ways`]: what connecting has shown of names and families
//! - [`origin`]: who is at the other end · [`proxy`]: which way · [`tls`]: whom to trust · [`stream`]: what comes of it
//!
//! Promises: each step is bounded in time; an error says which step failed; making any of it opens no connection. Must
//! not know: what is spoken over a connection, registries, receivers.

mod address;
mod connect;
mod connect_error;
mod families;
mod late;
mod origin;
mod pair;
mod proxy;
mod race;
mod resolve;
mod stream;
pub mod tls;
mod tunnel;
mod ways;

pub use address::AddressPolicy;
pub use connect::{Connector, Wiring};
pub use connect_error::{ConnectError, is_ours};
pub use families::{Families, Family, FamilyHealth};
pub use origin::{Origin, Scheme, same_party};
pub use proxy::{InvalidProxy, Proxy, ProxySettings};
pub use resolve::{Found, Resolve, ResolveError, SystemNames};
pub use stream::{Stream, Uses};
pub use tls::InvalidCa;
pub use ways::{Lately, Seen, Ways};
