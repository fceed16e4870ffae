//! An endpoint that is dead from the beginning, with another behind it that has everything.

use std::{fmt, path::Path, time::Duration};

use tokio::time::Instant;

use super::{
    super::{
        client,
        content::{Image, Noise, Stock},
        report::Unplayable,
        stage::{Setting, Stage},
        upstream::{Door, Upstream},
    },
    PATIENCE,
};
use crate::cache::Disk;

/// Requests for cold blobs, of which the first few may still be needed to find out that an endpoint is dead: one refusal
/// may be a hiccup.
pub(super) const AFTER: usize = 24;
const LEARNING: usize = 2;
const SIZE: u64 = 64 << 10;

/// How it is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It takes connections and says nothing.
    Silent,
    /// It takes connections and resets them.
    Resetting,
    /// Nobody listens.
    Refusing,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Silent, Self::Resetting, Self::Refusing];

    pub(super) const fn first(self) -> &'static str {
        match self {
            Self::Silent => "first request to an endpoint that says nothing (patience 3 s)",
            Self::Resetting => "first request to an endpoint that resets",
            Self::Refusing => "first request to an endpoint that refuses",
        }
    }

    pub(super) const fn after(self) -> &'static str {
        match self {
            Self::Silent => "slowest request after it (says nothing)",
            Self::Resetting => "slowest request after it (resets)",
            Self::Refusing => "slowest request after it (refuses)",
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "the one that says nothing",
            Self::Resetting => "the one that resets",
            Self::Refusing => "the one that refuses",
        })
    }
}

/// What it cost.
#[derive(Clone, Debug)]
pub(super) struct Dead {
    pub(super) way: Way,
    pub(super) first: Duration,
    pub(super) slowest: Duration,
    /// Calls to it until that was found out, and with all that came after.
    pub(super) asked: u64,
    pub(super) asked_again: u64,
    pub(super) failed: Vec<String>,
}

pub(super) async fn play(folder: &Path) -> Result<Vec<Dead>, Unplayable> {
    let mut seen = Vec::new();
    for way in Way::ALL {
        seen.push(one(&folder.join(format!("dead-{way:?}")), way).await?);
    }
    Ok(seen)
}

async fn one(folder: &Path, way: Way) -> Result<Dead, Unplayable> {
    let blobs = (0..AFTER as u64).map(|seed| Noise { seed, size: SIZE }.blob());
    let image = Image::new("v1", blobs.collect());
    let mut stock = Stock::default();
    stock.add(&image);
    let (mut dead, sound) = (
        Upstream::start(Stock::default()).await?,
        Upstream::start(stock).await?,
    );
    match way {
        Way::Silent => dead.door(Door::Deaf),
        Way::Resetting => dead.door(Door::Slammed),
        Way::Refusing => dead.close().await,
    }
    let setting = Setting {
        endpoints: vec![dead.url(), sound.url()],
        more: &[PATIENCE],
        disk: Disk::real(),
    };
    let stage = Stage::start(folder, setting).await?;
    let calls = async || {
        stage
            .metric_of("larder_upstream_requests_total", &dead.url())
            .await
    };
    let mut failed = Vec::new();
    // The manifest first: whoever pulls begins with it.
    let began = Instant::now();
    match client::get(stage.address, &image.path()).await {
        Ok(whole) if whole.bytes == image.manifest => {}
        Ok(whole) => failed.push(format!("{way}: the manifest came as {}", whole.status)),
        Err(broken) => failed.push(format!("{way}: {}", client::told(&broken))),
    }
    let first = began.elapsed();
    let mut slowest = Duration::ZERO;
    let mut until = 0.0;
    for (number, blob) in image.blobs.iter().enumerate() {
        if number == LEARNING {
            until = calls().await?;
        }
        let began = Instant::now();
        if let Err(broken) = client::blob(stage.address, blob).await {
            failed.push(format!("{way}: {}", client::told(&broken)));
        }
        slowest = slowest.max(began.elapsed());
    }
    let all = calls().await?;
    stage.settled().await;
    stage.stop().await;
    Ok(Dead {
        way,
        first,
        slowest,
        asked: until as u64,
        asked_again: (all - until) as u64,
        failed,
    })
}
