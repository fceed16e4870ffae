//! A client that compares what it gets with what there is: as strict as hashing it, and cheaper.

use std::{net::SocketAddr, time::Instant};

use tests::{client::Request, images::Blob};

use crate::world::path;

/// When things came to a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) started: Instant,
    /// The body's first byte.
    pub(crate) first: Instant,
    pub(crate) half: Instant,
    pub(crate) end: Instant,
}

/// Pulls a whole blob, and insists that it is right.
pub(crate) async fn pull(server: SocketAddr, blob: Blob) -> Times {
    let started = Instant::now();
    let answer = Request::get(path(&blob)).send(server).await;
    let mut answer = answer.unwrap_or_else(|e| panic!("GET from {server}: {e}"));
    assert_eq!(answer.status, 200, "GET from {server}");
    let (mut first, mut half, mut at) = (None, None, 0);
    loop {
        let next = answer.body.next(256 << 10).await;
        let Some(bytes) = next.unwrap_or_else(|e| panic!("GET from {server}: {e}")) else {
            break;
        };
        first.get_or_insert_with(Instant::now);
        let there = blob.bytes.get(at..at + bytes.len());
        assert!(there == Some(&bytes[..]), "wrong bytes behind {at}");
        at += bytes.len();
        if at >= blob.bytes.len() / 2 {
            half.get_or_insert_with(Instant::now);
        }
    }
    assert_eq!(at, blob.bytes.len(), "the whole blob");
    Times {
        started,
        first: first.expect("the blob is not empty"),
        half: half.expect("the blob is not empty"),
        end: Instant::now(),
    }
}

/// So many at once.
pub(crate) async fn pull_together(server: SocketAddr, blob: &Blob, clients: usize) -> Vec<Times> {
    let pulls: Vec<_> = (0..clients)
        .map(|_| tokio::spawn(pull(server, blob.clone())))
        .collect();
    let mut all = Vec::new();
    for pull in pulls {
        all.push(pull.await.expect("every client gets the right blob"));
    }
    all
}
