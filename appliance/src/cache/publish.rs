//! From a verified partial to a listed blob.
//!
//! In this order, each step durable before the next: the file's bytes; its name under `blobs/` and its
//! absence under `fill/`; its row, its visibility and the end of its fill in one transaction. A crash between
//! the second and the third leaves a file that the recovery finds with its fill's row. Promises: goes on to
//! its end when the future is dropped; on a failure nothing unlisted stays; readers of the open file never
//! notice. Must not know: how the bytes were verified.

use std::{io, sync::Arc};

use super::{
    content::BlobFile,
    error::{CacheError, Kind},
    fill::{Body, Fate},
    index::{Command, Done},
};

const OPERATION: &str = "publish the blob";

/// A partial that matches its digest.
#[derive(Debug)]
pub struct VerifiedFill {
    body: Arc<Body>,
}

impl VerifiedFill {
    pub(super) fn new(body: Arc<Body>) -> Self {
        Self { body }
    }

    /// Makes it a blob, durably, and shows it to the repository it was filled for.
    pub async fn publish(self) -> Result<BlobFile, CacheError> {
        let digest = self.body.digest;
        match tokio::spawn(publish(self.body)).await {
            Ok(result) => result,
            Err(error) => Err(CacheError::new(OPERATION, &digest, Kind::Io, error)),
        }
    }
}

async fn publish(body: Arc<Body>) -> Result<BlobFile, CacheError> {
    let digest = body.digest;
    let work = body.clone();
    let moved = tokio::task::spawn_blocking(move || place(&work)).await;
    moved.map_err(|error| CacheError::new(OPERATION, &digest, Kind::Io, error))??;
    let listed = body
        .inner
        .index
        .ask(Command::Publish {
            digest,
            size: body.length(),
            shown_to: Some(body.repository.clone()),
        })
        .await;
    match listed {
        Ok(Done::Redundant(_)) => unlist(&body),
        Ok(_) => body.inner.uses.used(&digest, body.inner.clock.now()),
        Err(error) => {
            unlist(&body);
            let index = &body.inner.index;
            // The transaction can have reached the disk all the same: then its row is without a file.
            index.tell(Command::Lost { digest, found: None });
            index.tell(Command::FillEnded { digest });
            return Err(error.during(OPERATION, &digest));
        }
    }
    Ok(BlobFile {
        file: body.file.clone(),
        size: body.length(),
    })
}

/// Bytes, then names. On a failure the file goes.
fn place(body: &Body) -> Result<(), CacheError> {
    let (disk, layout) = (&body.inner.disk, &body.inner.layout);
    let blob = layout.blob(&body.digest);
    let failed = |error: io::Error| {
        let kind = body.inner.lacking(&error, 0);
        CacheError::io(OPERATION, &body.digest, error).of_kind(kind)
    };
    // From here to the rename, whatever fails discards the partial.
    body.meet(Fate::Discard);
    body.syncing.check(&body.digest)?;
    disk.sync(&body.file, body.path()).map_err(failed)?;
    // A sync beside this one can have been told of the loss.
    body.syncing.check(&body.digest)?;
    disk.rename(body.path(), &blob).map_err(failed)?;
    body.meet(Fate::Moved);
    // Whatever lay there before has lost its name.
    body.inner.distrusted.remove(&body.digest);
    disk.sync_folder(&layout.blobs)
        .and_then(|()| disk.sync_folder(&layout.fills))
        .map_err(|error| {
            unlist(body);
            body.inner.index.tell(Command::FillEnded { digest: body.digest });
            failed(error)
        })
}

/// Removes the file under `blobs/`; it is open, so that readers go on.
fn unlist(body: &Body) {
    let blob = body.inner.layout.blob(&body.digest);
    if let Err(error) = body.inner.disk.unlink(&blob) {
        tracing::warn!(file = %blob.display(), cause = %error, "an unlisted blob could not be removed");
    }
}
