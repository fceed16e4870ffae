//! Who removes files.
//!
//! A trait, so that whoever has files removed can be tried with hands that are slow, or gone. In earnest they are the
//! janitor's worker.

use futures_util::{FutureExt as _, future::BoxFuture};

use crate::{
    cache::{Condemned, Remains},
    janitor::{Folder, Supervisor},
    oci::Digest,
    source::chain,
};

/// Removes files that are not listed any more.
pub trait Hands: Send + Sync + 'static {
    /// Removes what is left of them all. A file that is not there was removed already. Ends by itself.
    fn remove(&self, remains: Remains, files: Vec<Digest>) -> BoxFuture<'_, Result<Removed, Unable>>;
}

/// What became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    pub files: u64,
    /// In bytes.
    pub bytes: u64,
    /// Those that could not be removed, and why.
    pub kept: Vec<String>,
}

/// Nothing can be removed for now.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct Unable {
    pub why: String,
    /// When it is worth trying again, where that is known.
    pub retry_at: Option<tokio::time::Instant>,
}

impl Hands for Supervisor {
    fn remove(&self, remains: Remains, files: Vec<Digest>) -> BoxFuture<'_, Result<Removed, Unable>> {
        let folder = match remains {
            Remains::Blob => Folder::Blobs,
            Remains::Partial => Folder::Fills,
        };
        async move {
            let unlinked = self.unlink_in(folder, files).await.map_err(|error| Unable {
                why: chain(&error),
                retry_at: error.retry_at(),
            })?;
            let kept = unlinked.kept.iter();
            Ok(Removed {
                files: unlinked.files,
                bytes: unlinked.bytes,
                kept: kept.map(|(name, why)| format!("{name}: {why}")).collect(),
            })
        }
        .boxed()
    }
}

/// Has removed what is condemned, of one kind. What a failure leaves stays condemned for the next time; what cannot be
/// removed is told, and found again by a scan.
pub async fn remove_condemned(
    hands: &dyn Hands,
    condemned: &mut Vec<Condemned>,
    remains: Remains,
) -> Result<Removed, Unable> {
    let of_these = condemned.iter().filter(|one| one.remains == remains);
    let digests: Vec<Digest> = of_these.map(|one| *one.digest()).collect();
    if digests.is_empty() {
        return Ok(Removed::default());
    }
    let removed = hands.remove(remains, digests).await?;
    condemned.retain(|one| one.remains != remains);
    for kept in &removed.kept {
        tracing::warn!(why = %kept, "a file that is not listed cannot be removed");
    }
    Ok(removed)
}
