//! Many clients of one blob that nobody has yet.

use std::path::Path;

use bytes::Bytes;
use futures_util::future::join_all;
use http::Method;
use tokio::sync::Barrier;

use super::super::{
    client,
    content::{Noise, Stock},
    report::Unplayable,
    script::{Act, Gate},
    stage::{Setting, Stage},
    upstream::Upstream,
};
use crate::{
    cache::Disk,
    oci::{Algorithm, Digest},
};

pub(super) const CLIENTS: usize = 32;
const SIZE: u64 = 2 << 20;

/// What they had, and what it cost.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) right: u64,
    pub(super) fetches: u64,
    pub(super) sent: u64,
    pub(super) size: u64,
}

pub(super) async fn play(folder: &Path) -> Result<Shared, Unplayable> {
    let blob = Noise {
        seed: 950,
        size: SIZE,
    }
    .blob();
    let mut stock = Stock::default();
    stock.add_blob(&blob);
    let upstream = Upstream::start(stock).await?;
    // It is held in the middle until all clients have the head of their answers.
    let gate = Gate::shut();
    let held = Act::HeldAt(SIZE / 2, gate.clone());
    upstream.script().play(blob.digest, [held], Act::Whole);
    let setting = Setting {
        endpoints: vec![upstream.url()],
        more: &[],
        disk: Disk::real(),
    };
    let stage = Stage::start(folder, setting).await?;
    let all = Barrier::new(CLIENTS);
    let clients = (0..CLIENTS).map(|_| async {
        let begun = client::ask(stage.address, Method::GET, &blob.path(), Bytes::new()).await;
        // Also one who was refused comes as far as this.
        let leads = all.wait().await.is_leader();
        if leads {
            gate.open();
        }
        let whole = begun.ok()?.whole().await.ok()?;
        (Digest::of(Algorithm::Sha256, &whole.bytes) == blob.digest).then_some(())
    });
    let right = join_all(clients).await.into_iter().flatten().count() as u64;
    stage.settled().await;
    stage.stop().await;
    let gets = upstream.gets(&blob.digest);
    Ok(Shared {
        right,
        fetches: gets.len() as u64,
        sent: gets.iter().map(|get| get.sent()).sum(),
        size: SIZE,
    })
}
