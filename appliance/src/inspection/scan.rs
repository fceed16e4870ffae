//! What follows from names and lengths.
//!
//! Must not know: how the walk goes on.

use std::time::Duration;

use super::{halted::Halted, pass::Pass, run::Run};
use crate::{
    cache::Seen,
    clock::Timestamp,
    janitor::{Cursor, Finding, Folder, Name},
    oci::Digest,
};

/// What a step has seen.
#[derive(Debug, Default)]
pub(super) struct Sight {
    pub(super) blobs: Vec<Seen>,
    partials: Vec<Seen>,
}

impl Sight {
    pub(super) fn files(&self) -> u64 {
        (self.blobs.len() + self.partials.len()) as u64
    }
}

impl Run<'_> {
    /// Tells apart what was found; what is not ours, or cannot be looked at, is told.
    pub(super) fn look<'f>(&self, pass: &mut Pass, findings: impl IntoIterator<Item = &'f Finding>) -> Sight {
        let mut sight = Sight::default();
        for finding in findings {
            let (folder, name, size, age) = match finding {
                Finding::File {
                    folder,
                    name,
                    size,
                    modified,
                } => (*folder, name, Some(*size), self.age(*modified)),
                Finding::Unreadable { folder, name, why } => {
                    pass.record.sums.unreadable += 1;
                    tracing::warn!(%folder, file = %name, %why, "a file cannot be looked at");
                    (*folder, name, None, None)
                }
                Finding::Foreign { folder, name, .. } => {
                    pass.record.foreign(place(*folder, name));
                    continue;
                }
                Finding::Verified { .. }
                | Finding::Mismatch { .. }
                | Finding::Whole { .. }
                | Finding::Wrong { .. }
                | Finding::Kept { .. } => continue,
            };
            if let Some(digest) = name.digest() {
                let seen = Seen { digest, size, age };
                match folder {
                    Folder::Blobs => sight.blobs.push(seen),
                    Folder::Fills => sight.partials.push(seen),
                    Folder::Top => {}
                }
            }
        }
        sight
    }

    /// Does what is to be done with what was seen up to a place, and says how far the list is compared with it.
    pub(super) async fn scanned(
        &mut self,
        pass: &mut Pass,
        sight: Sight,
        reached: &Cursor,
    ) -> Result<Option<Digest>, Halted> {
        let purpose = pass.purpose(self.settings.ages);
        let mut compared = None;
        if let Some((stretch, seen)) = pass.stretch(reached, sight.blobs) {
            compared = stretch.until;
            let differences = self.cache.compare(stretch, seen, purpose).await?;
            pass.record.sums.lost += differences.lost.len() as u64;
            pass.record.sums.left += differences.left;
            if !differences.lost.is_empty() {
                (self.settings.gone)();
            }
            pass.search.found(differences.unlisted);
            self.condemned.extend(differences.orphans);
            self.remove_condemned(pass).await?;
        }
        if !sight.partials.is_empty() {
            let partials = self.cache.compare_partials(sight.partials, purpose).await?;
            self.condemned.extend(partials);
            self.remove_condemned(pass).await?;
        }
        Ok(compared)
    }

    /// Fills whose partials have gone.
    pub(super) async fn forget_lost_fills(&self, pass: &mut Pass) -> Result<(), Halted> {
        let purpose = pass.purpose(self.settings.ages);
        pass.record.sums.fills += self.cache.forget_lost_fills(purpose).await?;
        Ok(())
    }

    fn age(&self, modified: i64) -> Option<Duration> {
        let modified = Timestamp(u64::try_from(modified).ok()?);
        modified.age(self.settings.clock.now())
    }
}

fn place(folder: Folder, name: &Name) -> String {
    match folder {
        Folder::Blobs | Folder::Fills => format!("{folder}/{name}"),
        Folder::Top => name.to_string(),
    }
}
