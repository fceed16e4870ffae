//! When tags were last checked, where that is all that changed.
//!
//! A tag that still stands for the same digest is checked again every few minutes for as long as people pull
//! it. Writing each of these would wear the flash, and losing one costs a single request to the upstream: so
//! the latest times live here and are written together, rarely. Promises: bounded; never makes a tag stand
//! for another digest.

use std::collections::HashMap;

use parking_lot::RwLock;

use crate::{
    clock::Timestamp,
    oci::{Digest, Repository, Tag},
};

/// The most tags whose times are held. Beyond it, a refresh is written like any other change.
const MOST: usize = 4096;

/// A tag's digest when it was checked, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refresh {
    pub(crate) digest: Digest,
    pub(crate) checked: Timestamp,
}

/// The times that are not written yet.
#[derive(Default)]
pub(crate) struct FreshTags {
    tags: RwLock<HashMap<Repository, HashMap<Tag, Refresh>>>,
}

/// What became of a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Here,
    /// No room: write it.
    NoRoom,
}

impl FreshTags {
    pub(crate) fn keep(&self, repository: &Repository, tag: &Tag, refresh: Refresh) -> Kept {
        let mut tags = self.tags.write();
        if tags.values().map(HashMap::len).sum::<usize>() >= MOST {
            return Kept::NoRoom;
        }
        tags.entry(repository.clone())
            .or_default()
            .insert(tag.clone(), refresh);
        Kept::Here
    }

    /// When the tag was checked, if it then stood for `digest`.
    pub(crate) fn checked(&self, repository: &Repository, tag: &Tag, digest: &Digest) -> Option<Timestamp> {
        let tags = self.tags.read();
        let refresh = tags.get(repository)?.get(tag)?;
        (refresh.digest == *digest).then_some(refresh.checked)
    }

    pub(crate) fn forget(&self, repository: &Repository, tag: &Tag) {
        if let Some(tags) = self.tags.write().get_mut(repository) {
            tags.remove(tag);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tags.read().values().all(HashMap::is_empty)
    }

    /// Takes everything out, to be written.
    pub(crate) fn take(&self) -> Vec<(Repository, Tag, Refresh)> {
        std::mem::take(&mut *self.tags.write())
            .into_iter()
            .flat_map(|(repository, tags)| {
                tags.into_iter()
                    .map(move |(tag, refresh)| (repository.clone(), tag, refresh))
            })
            .collect()
    }
}
