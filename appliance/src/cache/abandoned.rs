//! Partials that nobody fills, as files: counting them, and letting them go.
//!
//! They serve nobody, so that they are the first to go when there has to be room; those that are young, or are being
//! filled, stay. Promises: a partial's row is off the list before its file goes, and the file is the caller's to have
//! removed; until that is done nobody fills it; what is counted is what lies there, whoever removed the rest. Must
//! not know: why there has to be room, who removes files.

use std::{os::unix::fs::MetadataExt as _, sync::Arc, time::Duration};

use super::{
    admission::Doom,
    cache::{Cache, Inner},
    collection::Condemned,
    error::CacheError,
    eviction::Amount,
    index::Command,
    leftovers::Leftover,
};
use crate::{clock::Timestamp, oci::Digest};

const OPERATION: &str = "let go of the partial";

impl Inner {
    /// Counts what lies under `fill/` and is not being filled. Blocks.
    pub(super) fn count_leftovers(&self) {
        let folder = &self.layout.fills;
        let list = match self.disk.list(folder) {
            Ok(list) => list,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "partials that nobody fills are not counted for now");
                return;
            }
        };
        let names = list.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        for digest in names.filter_map(|name| Digest::from_file_name(&name)) {
            self.look_at_partial(&digest);
        }
    }

    /// Looks at those that may be gone. To be called before what they take matters.
    pub(super) fn settle_leftovers(&self) {
        for digest in self.admission.take_doubtful() {
            self.look_at_partial(&digest);
        }
    }

    /// One that is being filled, or is about to be removed, is told of by who does that.
    fn look_at_partial(&self, digest: &Digest) {
        let before = self.admission.leftover(digest);
        let Some(ticket) = self.admission.begin(digest) else {
            return;
        };
        let now = self.clock.now();
        match self.disk.stat(&self.layout.fill(digest)) {
            Ok(file) => ticket.leaves(Some(Leftover {
                bytes: file.len(),
                since: before.map_or_else(|| written(&file).min(now), |before| before.since),
            })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => ticket.leaves(None),
            // It stays as it was, and is looked at again.
            Err(error) => tracing::debug!(%digest, %error, "a partial cannot be looked at"),
        }
    }

    /// What nobody has filled for so long, the oldest first: as many as serve the goal.
    pub(super) fn leftovers_for(
        &self,
        goal: Amount,
        grace: Duration,
        now: Timestamp,
    ) -> Vec<(Digest, Leftover)> {
        self.settle_leftovers();
        let mut all = self.admission.leftovers();
        // A time that has not come yet is one of a clock that was wrong.
        all.retain(|(_, leftover)| leftover.since.age(now).is_none_or(|age| age >= grace));
        all.sort_unstable_by_key(|(digest, leftover)| (leftover.since, *digest));
        let mut short = goal;
        all.retain(|(_, leftover)| {
            let amount = leftover.amount();
            let serves = short.bytes > 0 && amount.bytes > 0 || short.inodes > 0;
            if serves {
                short = short.less(amount);
            }
            serves
        });
        all
    }

    /// Takes partials off the list. Those that somebody fills or removes, or has filled since, stay.
    pub(super) async fn condemn_leftovers(
        self: &Arc<Self>,
        partials: &[(Digest, Leftover)],
    ) -> Result<Vec<Condemned>, CacheError> {
        let mut going: Vec<Condemned> = Vec::new();
        for (digest, leftover) in partials {
            if let Some(doom) = self.admission.doom_alone(digest)
                && self.admission.leftover(digest) == Some(*leftover)
            {
                going.push(Condemned::partial(doom, leftover.bytes));
            }
        }
        self.off_the_list(going).await
    }

    /// Their rows go, durably, all in one transaction or a few.
    async fn off_the_list(&self, going: Vec<Condemned>) -> Result<Vec<Condemned>, CacheError> {
        let ended: Vec<_> = going
            .iter()
            .map(|partial| {
                let digest = *partial.digest();
                self.index.promise(Command::FillEnded { digest })
            })
            .collect();
        for (outcome, partial) in ended.into_iter().zip(&going) {
            let ended = outcome.await.unwrap_or_else(|_| Err(self.index.refusal()));
            ended.map_err(|error| error.during(OPERATION, partial.digest()))?;
        }
        Ok(going)
    }
}

impl Cache {
    /// Takes partials off the list that nobody fills; their files are to be removed. Those that are being filled, or
    /// that somebody else removes, are left alone.
    pub async fn condemn_partials(&self, digests: Vec<Digest>) -> Result<Vec<Condemned>, CacheError> {
        let inner = &self.inner;
        let dooms = digests
            .iter()
            .filter_map(|digest| inner.admission.doom_alone(digest));
        let condemned = |doom: Doom| {
            let size = inner
                .admission
                .leftover(doom.digest())
                .map_or(0, |left| left.bytes);
            Condemned::partial(doom, size)
        };
        let going = dooms.map(condemned).collect();
        inner.off_the_list(going).await
    }
}

/// When a file was last written, by the wall clock then.
fn written(file: &std::fs::Metadata) -> Timestamp {
    Timestamp(u64::try_from(file.mtime()).unwrap_or(0))
}
