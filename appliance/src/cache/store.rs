//! What comes into the index, and what goes from it.
//!
//! Promises: a change is durable when its future resolves, and is made even if that is dropped; bytes are checked
//! against their digest once more; what is being stored is needed until it is listed. Must not know: files.

use std::fmt;

use bytes::Bytes;

use super::{
    cache::{Cache, Inner},
    content::VerifiedBytes,
    error::{CacheError, Kind},
    index::{Command, Kept, Place, Refresh},
    uses::Lease,
};
use crate::{
    clock::Timestamp,
    oci::{Digest, Links, Manifest, Repository, Tag},
};

impl Inner {
    /// Whether content may go into the index. Refused above the stop mark, as a file would be.
    fn admit_inline(&self, digest: &Digest, size: u64) -> Result<(), CacheError> {
        let glance = self.glance();
        let admitted = self
            .admission
            .admit_inline(digest, size, &glance, &self.index.sums()?);
        self.look_at_marks(glance.space);
        admitted
    }

    /// The file of what was taken off the list is there if that seemed to fail: the next collection looks after it.
    fn leave_adrift(&self, digest: &Digest) {
        if self.layout.blob(digest).exists() {
            self.adrift.lock().insert(*digest);
        }
    }
}

impl Cache {
    /// Stores a manifest and shows it to the repository. Its bytes are checked against its digest once more:
    /// nothing wrong is ever stored.
    pub async fn put_manifest(&self, repository: &Repository, manifest: &Manifest) -> Result<(), CacheError> {
        const OPERATION: &str = "store the manifest";
        let digest = manifest.digest;
        VerifiedBytes::check(digest, manifest.bytes.clone())
            .map_err(|mismatch| CacheError::new(OPERATION, &digest, Kind::Corrupt, mismatch))?;
        self.inner.admit_inline(&digest, manifest.bytes.len() as u64)?;
        let now = self.inner.clock.now();
        // Until it is listed, so that no plan takes it or what it needs: afterwards every plan knows of it.
        let links = Links::of(&manifest.bytes).unwrap_or_default();
        let needed = links.blobs.iter().chain(&links.manifests);
        let _needed: Vec<Lease> = needed
            .map(|link| &link.digest)
            .chain(&links.subject)
            .chain([&digest])
            .map(|digest| self.inner.uses.need(digest, now))
            .collect();
        let command = Command::Manifest {
            repository: repository.clone(),
            manifest: manifest.clone(),
        };
        let known = self.inner.index.blob_row(&digest);
        let had_file = known.is_ok_and(|row| row.is_some_and(|row| row.place == Place::File));
        let stored = self.change(command, OPERATION, &digest).await;
        if had_file {
            self.inner.leave_adrift(&digest);
        }
        stored?;
        self.inner.uses.used(&digest, now);
        Ok(())
    }

    /// Remembers what a tag stands for. When only `checked` changes, it is readable at once and written
    /// within minutes; see [`super`].
    pub async fn put_tag(
        &self,
        repository: &Repository,
        tag: &Tag,
        digest: Digest,
        checked: Timestamp,
    ) -> Result<(), CacheError> {
        let index = &self.inner.index;
        // A plan that was made before does not know that it stands for this.
        let _needed = self.inner.uses.need(&digest, self.inner.clock.now());
        if index
            .tag(repository, tag)?
            .is_some_and(|known| known.digest == digest)
            && index.fresh().keep(repository, tag, Refresh { digest, checked }) == Kept::Here
        {
            return Ok(());
        }
        let command = Command::Tag {
            repository: repository.clone(),
            tag: tag.clone(),
            digest,
            checked,
        };
        self.change(command, "store the tag", tag).await?;
        index.fresh().forget(repository, tag);
        Ok(())
    }

    pub async fn forget_tag(&self, repository: &Repository, tag: &Tag) -> Result<(), CacheError> {
        self.inner.index.fresh().forget(repository, tag);
        let command = Command::ForgetTag {
            repository: repository.clone(),
            tag: tag.clone(),
        };
        self.change(command, "forget the tag", tag).await
    }

    /// Stores a blob inside the index and shows it to the repository.
    pub async fn put_small(&self, repository: &Repository, content: VerifiedBytes) -> Result<(), CacheError> {
        let digest = *content.digest();
        self.inner.admit_inline(&digest, content.bytes().len() as u64)?;
        // It may be listed already, and about to go.
        let _needed = self.inner.uses.need(&digest, self.inner.clock.now());
        let command = Command::Small {
            repository: repository.clone(),
            digest,
            bytes: content.bytes().clone(),
        };
        self.change(command, "store the blob", &digest).await?;
        self.inner.uses.used(&digest, self.inner.clock.now());
        Ok(())
    }

    pub async fn put_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        index: Bytes,
        checked: Timestamp,
    ) -> Result<(), CacheError> {
        let command = Command::Referrers {
            repository: repository.clone(),
            subject: *subject,
            index,
            checked,
        };
        self.change(command, "store the referrers of", subject).await
    }

    /// The repository's upstream has been shown to have a blob: from now on it may see it here. Nothing
    /// happens if the blob is not cached.
    pub async fn show(&self, repository: &Repository, digest: &Digest) -> Result<(), CacheError> {
        let command = Command::Show {
            repository: repository.clone(),
            digest: *digest,
        };
        self.change(command, "show the blob", digest).await
    }

    /// Takes a blob or manifest off the list, for every repository, and then removes its file. Works on a
    /// full disk. Tags that stand for it stay.
    pub async fn evict(&self, digest: &Digest) -> Result<(), CacheError> {
        let evicted = self
            .change(Command::Evict { digest: *digest }, "evict", digest)
            .await;
        self.inner.leave_adrift(digest);
        evicted
    }

    async fn change(
        &self,
        command: Command,
        operation: &'static str,
        subject: &(dyn fmt::Display + Sync),
    ) -> Result<(), CacheError> {
        let result = self.inner.index.ask(command).await;
        result
            .map(|_| ())
            .map_err(|error| error.during(operation, subject))
    }
}
