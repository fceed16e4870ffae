//! An endpoint that dies in the middle of a blob: another goes on from the next byte, and the client notices nothing.

use std::{path::Path, time::Duration};

use tokio::time::Instant;

use super::super::{
    client,
    content::{Noise, Stock},
    report::Unplayable,
    script::Act,
    stage::{Setting, Stage},
    upstream::Upstream,
};
use crate::cache::Disk;

const SIZE: u64 = 4 << 20;
/// What the first has sent when it dies: in the middle of a chunk.
const PLACE: u64 = SIZE * 3 / 5 + 123;

/// How it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Cut,
    Silent,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct HandedOver {
    /// The client had all of it, in one response, and it was what its digest says.
    pub(super) right: bool,
    pub(super) size: u64,
    /// Bytes that each has sent.
    pub(super) first: u64,
    pub(super) second: u64,
    pub(super) took: Duration,
}

impl HandedOver {
    pub(super) const fn sent(&self) -> u64 {
        self.first + self.second
    }

    pub(super) fn parts(&self) -> u64 {
        [self.first, self.second]
            .into_iter()
            .filter(|sent| *sent > 0)
            .count() as u64
    }
}

pub(super) async fn play(folder: &Path, end: End) -> Result<HandedOver, Unplayable> {
    let blob = Noise {
        seed: 900,
        size: SIZE,
    }
    .blob();
    let mut stock = Stock::default();
    stock.add_blob(&blob);
    let (dying, sound) = (
        Upstream::start(stock.clone()).await?,
        Upstream::start(stock).await?,
    );
    let act = match end {
        End::Cut => Act::CutAt(PLACE),
        End::Silent => Act::SilentAt(PLACE),
    };
    // Whoever asks it again is not served.
    dying.script().play(blob.digest, [act], Act::Missing);
    let setting = Setting {
        endpoints: vec![dying.url(), sound.url()],
        more: &["fetch.progress_timeout = \"1s\""],
        disk: Disk::real(),
    };
    let stage = Stage::start(folder, setting).await?;
    let began = Instant::now();
    let right = client::blob(stage.address, &blob).await.is_ok();
    let took = began.elapsed();
    stage.settled().await;
    stage.stop().await;
    let sent = |upstream: &Upstream| upstream.gets(&blob.digest).iter().map(|get| get.sent()).sum();
    Ok(HandedOver {
        right,
        size: SIZE,
        first: sent(&dying),
        second: sent(&sound),
        took,
    })
}
