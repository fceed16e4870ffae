//! A disk of which others have taken everything: what is here is served, what is new passes through, and there is still a
//! way to make room.

use super::{
    super::{
        client,
        content::Image,
        report::{Findings, Unplayable},
        small_disk::{Amount, SmallDisk},
        stage::Stage,
    },
    play::collect,
    site::{NEW, Site, told},
};

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Full {
    /// Pulls on a full disk, of what is here and of what is new.
    pub(super) pulls: u64,
    pub(super) failed: Vec<String>,
    /// Blobs that were sent without being stored.
    pub(super) passed: u64,
    /// Collections asked for on a full disk that came to their end.
    pub(super) collections: u64,
}

/// In bytes, and in inodes.
const WAYS: u64 = 2;

impl Full {
    pub(super) fn judge(&self, findings: &mut Findings) {
        findings.equal("pulls without a free byte or inode", WAYS * NEW * 2, self.pulls);
        findings.nothing_of("of them those that failed", &self.failed);
        findings.at_least("blobs that passed through unstored", WAYS * NEW, self.passed);
        findings.equal("collections on it that came to their end", WAYS, self.collections);
    }
}

pub(super) async fn play(stage: &Stage, disk: &SmallDisk, site: &Site) -> Result<Full, Unplayable> {
    let mut full = Full::default();
    let passed = async || {
        stage
            .metric_of("larder_cache_outcomes_total", "outcome=\"pass\"")
            .await
    };
    let before = passed().await?;
    let all = u64::MAX / 2;
    let none = Amount::default();
    let ways = [Amount { bytes: all, ..none }, Amount { inodes: all, ..none }];
    for (way, new) in ways.into_iter().zip(site.new.chunks(NEW as usize)) {
        disk.others(way);
        for image in new {
            full.pull(stage, &site.hot).await;
            full.pull(stage, image).await;
        }
        full.collections += u64::from(collect(stage).await?.is_some());
    }
    disk.others(none);
    full.passed = (passed().await? - before) as u64;
    Ok(full)
}

impl Full {
    #[cfg(test)]
    pub(super) fn good() -> Self {
        Self {
            pulls: WAYS * NEW * 2,
            failed: Vec::new(),
            passed: WAYS * NEW,
            collections: WAYS,
        }
    }

    async fn pull(&mut self, stage: &Stage, image: &Image) {
        self.pulls += 1;
        if let Err(broken) = client::pull(stage.address, image).await {
            self.failed.push(told(image, &broken));
        }
    }
}
