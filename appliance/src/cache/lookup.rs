//! Looking things up: what is here, as one repository may see it.
//!
//! Promises: what is wrong is absent, and is taken off the list; nothing waits for the writer. Must not know: what
//! comes in.

use super::{
    cache::Cache,
    content::{Content, ImageRow, Presence, ReferrersRecord, TagRecord, Unfinished},
    error::CacheError,
    files,
    index::{Command, Found, Wrong},
};
use crate::oci::{Digest, Manifest, Repository, Tag};

impl Cache {
    pub fn blob(&self, repository: &Repository, digest: &Digest) -> Result<Presence, CacheError> {
        let content = match self.inner.index.blob(repository, digest)? {
            Found::Hidden => return Ok(Presence::Hidden),
            found => self.content(digest, found)?,
        };
        Ok(content.map_or(Presence::Absent, Presence::Here))
    }

    /// A blob for a repository whose upstream has *just now* been shown to have it, whether or not the index
    /// has written that down yet.
    pub fn proven(&self, digest: &Digest) -> Result<Option<Content>, CacheError> {
        let found = self.inner.index.blob_of_any(digest)?;
        self.content(digest, found)
    }

    fn content(&self, digest: &Digest, found: Found) -> Result<Option<Content>, CacheError> {
        let inner = &self.inner;
        let size = match found {
            Found::Absent | Found::Hidden => return Ok(None),
            Found::Inline(bytes) => return Ok(Some(Content::Inline(bytes))),
            Found::File { size } => size,
            Found::Damaged => {
                self.drop_damaged(digest);
                return Ok(None);
            }
        };
        match files::open(&inner.disk, &inner.layout, digest, size) {
            Ok(files::Opened::Blob(blob)) => Ok(Some(Content::File(blob))),
            Ok(files::Opened::Strange { found }) => {
                tracing::warn!(%digest, "what lies in a listed blob's place is no plain file: it is taken off the list");
                let found = Some(found);
                inner.index.suggest(Command::Lost {
                    digest: *digest,
                    found,
                });
                Ok(None)
            }
            Ok(files::Opened::Lost { found }) => {
                tracing::warn!(%digest, ?found, size, "a listed blob is not what it was: it is taken off the list");
                inner.index.suggest(Command::Lost {
                    digest: *digest,
                    found,
                });
                Ok(None)
            }
            Err(error) => Err(CacheError::io("open the blob", digest, error)),
        }
    }

    /// A manifest that this repository's upstream has been shown to have.
    pub fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<Manifest>, CacheError> {
        match self.inner.index.manifest(repository, digest)? {
            Some(Ok(manifest)) => Ok(Some(manifest)),
            Some(Err(Wrong)) => {
                self.drop_damaged(digest);
                Ok(None)
            }
            None => Ok(None),
        }
    }

    pub fn tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<TagRecord>, CacheError> {
        self.inner.index.tag(repository, tag)
    }

    /// The tags the cache knows of, sorted.
    pub fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, CacheError> {
        self.inner.index.tags(repository)
    }

    pub fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<ReferrersRecord>, CacheError> {
        self.inner.index.referrers(repository, subject)
    }

    /// Every tag of every repository. Reads the whole list: for people, not for requests.
    pub fn images(&self) -> Result<Vec<ImageRow>, CacheError> {
        self.inner.index.images()
    }

    /// What an earlier fill left of a blob that nobody fills now.
    pub fn partial(&self, digest: &Digest) -> Option<Unfinished> {
        let inner = &self.inner;
        let listed = inner.index.fill(digest).ok().flatten()?;
        let whole = || std::fs::metadata(inner.layout.blob(digest)).map(|file| file.len());
        let have = match std::fs::metadata(inner.layout.fill(digest)) {
            Ok(file) => listed.row.trusted(file.len(), inner.disk.boot()),
            // A crash between its renaming and its row: it is whole, and was synced.
            Err(_) => whole().ok()?,
        };
        Some(Unfinished {
            have,
            repository: listed.repository,
            digest: *digest,
            size: listed.row.size,
        })
    }

    /// Partials that nobody fills now, and what a fill would adopt of each.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, CacheError> {
        let inner = &self.inner;
        let boot = inner.disk.boot();
        let mut unfinished = Vec::new();
        for listed in inner.index.fills()? {
            let file = std::fs::metadata(inner.layout.fill(&listed.digest));
            if let Ok(metadata) = file
                && !inner.admission.is_running(&listed.digest)
            {
                unfinished.push(Unfinished {
                    have: listed.row.trusted(metadata.len(), boot),
                    repository: listed.repository,
                    digest: listed.digest,
                    size: listed.row.size,
                });
            }
        }
        Ok(unfinished)
    }

    /// What is damaged is absent, and is fetched again.
    fn drop_damaged(&self, digest: &Digest) {
        tracing::error!(%digest, "inline content is not what its digest says: it is dropped");
        self.inner.index.suggest(Command::Evict { digest: *digest });
    }
}
