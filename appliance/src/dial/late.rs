//! Addresses that may still come.
//!
//! Promises: whoever looks on gets them, whether or not another one still does. Must not know: who tells them.

use std::net::SocketAddr;

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, ready},
};

use super::families::Family;

/// Addresses that may still come, for all who want to know.
pub(super) type Late = Shared<BoxFuture<'static, Vec<SocketAddr>>>;

/// None will come.
pub(super) fn none() -> Late {
    ready(Vec::new()).boxed().shared()
}

/// Those of a family: of the known ones, or else of those that come late.
pub(super) async fn of_family(known: Vec<SocketAddr>, late: Late, family: Family) -> Vec<SocketAddr> {
    let of_it = |all: Vec<SocketAddr>| -> Vec<SocketAddr> {
        let all = all.into_iter();
        all.filter(|address| Family::of(address) == family).collect()
    };
    match of_it(known) {
        none if none.is_empty() => of_it(late.await),
        some => some,
    }
}
