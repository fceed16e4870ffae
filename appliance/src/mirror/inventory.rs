//! What the box keeps, image by image. For people: it reads the whole list.

use std::collections::HashSet;

use super::{Mirror, gate::DEPTH, platform};
use crate::{
    cache::{CacheError, Presence},
    oci::{Digest, Links, Manifest, Platform, Repository, Tag},
};

/// An image that is here, at least in part.
#[derive(Clone, Debug)]
pub struct Kept {
    pub repository: Repository,
    pub tag: Tag,
    pub digest: Digest,
    /// Of all its content that is here.
    pub bytes: u64,
    /// Those of which everything is here.
    pub platforms: Vec<Platform>,
    pub completeness: Completeness,
}

/// Whether an image can be pulled with the WAN unplugged, for at least one platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    Whole,
    Partial,
}

impl Mirror {
    /// All images with a tag, sorted. Looks at every file of theirs: not for a thread that serves.
    pub fn inventory(&self) -> Result<Vec<Kept>, CacheError> {
        let rows = self.cache().images()?;
        let mut kept: Vec<_> = rows
            .into_iter()
            .map(|row| self.kept(row.repository, row.tag, row.digest))
            .collect();
        kept.sort_by_cached_key(|image| (image.repository.to_string(), image.tag.to_string()));
        Ok(kept)
    }

    fn kept(&self, repository: Repository, tag: Tag, digest: Digest) -> Kept {
        let mut sum = Sum {
            mirror: self,
            repository: &repository,
            seen: HashSet::new(),
            bytes: 0,
            platforms: Vec::new(),
        };
        let manifest = self.cached_manifest(&repository, &digest);
        let whole = manifest.is_some_and(|manifest| {
            sum.add(&manifest, DEPTH);
            self.is_whole(&repository, &manifest)
        });
        let Sum { bytes, platforms, .. } = sum;
        Kept {
            repository,
            tag,
            digest,
            bytes,
            platforms,
            completeness: if whole {
                Completeness::Whole
            } else {
                Completeness::Partial
            },
        }
    }
}

/// One image, added up.
struct Sum<'a> {
    mirror: &'a Mirror,
    repository: &'a Repository,
    seen: HashSet<Digest>,
    bytes: u64,
    platforms: Vec<Platform>,
}

impl Sum<'_> {
    fn add(&mut self, manifest: &Manifest, depth: u32) {
        if !self.seen.insert(manifest.digest) {
            return;
        }
        self.bytes += manifest.bytes.len() as u64;
        let Ok(links) = Links::of(&manifest.bytes) else {
            return;
        };
        for link in &links.blobs {
            if self.seen.insert(link.digest)
                && let Presence::Here(content) = self.mirror.presence(self.repository, &link.digest)
            {
                self.bytes += content.size();
            }
        }
        if links.manifests.is_empty() {
            self.platforms.extend(self.own_platform(manifest, &links));
            return;
        }
        for link in links.manifests.iter().filter(|_| depth > 0) {
            if let Some(member) = self.mirror.cached_manifest(self.repository, &link.digest) {
                self.add(&member, depth - 1);
            }
        }
    }

    /// What an image's own configuration says, if the image is whole.
    fn own_platform(&self, manifest: &Manifest, links: &Links) -> Option<Platform> {
        if !self.mirror.is_whole(self.repository, manifest) {
            return None;
        }
        // The configuration comes first.
        let configuration = links.blobs.first()?;
        match self.mirror.presence(self.repository, &configuration.digest) {
            Presence::Here(content) => platform::of_configuration(&content)
                .filter(|found| platform::is_known(found) && !self.platforms.contains(found)),
            Presence::Hidden | Presence::Absent => None,
        }
    }
}
