//! From a reference to all that has to be here: the manifests, fetched, and the blobs that they name.

use std::collections::HashSet;

use super::{Progress, Pull, PullError};
use crate::{
    mirror::{ManifestAnswer, Outcome, gate::DEPTH, platform},
    oci::{Digest, Link, Links, Manifest, Reference},
};

/// What an image is made of.
pub(super) struct Contents {
    /// Of the manifest that the reference stands for.
    pub(super) digest: Digest,
    /// Each once, configurations before their layers.
    pub(super) blobs: Vec<Link>,
    pub(super) shape: Shape,
    /// Of the manifests alone.
    pub(super) bytes: u64,
    /// Of them, fetched now.
    pub(super) fetched: u64,
}

/// Whether it names its platforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Index,
    /// One image, whose configuration says which platform it is for.
    Single,
}

impl Pull {
    pub(super) async fn contents(&self) -> Result<Contents, PullError> {
        let top = self.manifest(&self.image.reference).await?;
        let digest = top.manifest.digest;
        self.report(Progress::Resolved { digest }).await;
        let mut contents = Contents {
            digest,
            blobs: Vec::new(),
            shape: Shape::Single,
            bytes: 0,
            fetched: 0,
        };
        let mut seen = HashSet::from([digest]);
        let mut left = vec![(top, DEPTH)];
        while let Some((answer, depth)) = left.pop() {
            let ManifestAnswer {
                manifest, outcome, ..
            } = answer;
            contents.bytes += manifest.bytes.len() as u64;
            if outcome == Outcome::Miss {
                contents.fetched += manifest.bytes.len() as u64;
            }
            let links =
                Links::of(&manifest.bytes).map_err(|cause| PullError::unreadable(manifest.digest, &cause))?;
            for link in self.wanted(&manifest, &links)? {
                if manifest.digest == digest {
                    contents.shape = Shape::Index;
                }
                if depth > 0 && seen.insert(link.digest) {
                    left.push((self.manifest(&Reference::Digest(link.digest)).await?, depth - 1));
                }
            }
            contents
                .blobs
                .extend(links.blobs.into_iter().filter(|link| seen.insert(link.digest)));
        }
        Ok(contents)
    }

    async fn manifest(&self, reference: &Reference) -> Result<ManifestAnswer, PullError> {
        let deadline = self.mirror.patience();
        let answer = self
            .mirror
            .manifest(&self.image.repository, reference, deadline)
            .await;
        let answer = answer.map_err(|cause| PullError::Manifest {
            subject: match reference {
                Reference::Tag(_) => self.image.to_string(),
                Reference::Digest(digest) => format!("{}@{digest}", self.image.repository),
            },
            cause,
        })?;
        match answer.outcome {
            Outcome::Pass => Err(PullError::Unstored(answer.manifest.digest)),
            _ => Ok(answer),
        }
    }

    /// The members of an index to fetch: all, or those for the platform that is wanted.
    fn wanted<'a>(&self, manifest: &Manifest, links: &'a Links) -> Result<Vec<&'a Link>, PullError> {
        let members = &links.manifests;
        let offered: Vec<_> = members.iter().filter_map(|link| link.platform.as_ref()).collect();
        let Some(wanted) = self.platform.as_ref().filter(|_| !offered.is_empty()) else {
            return Ok(members.iter().collect());
        };
        let fitting: Vec<_> = members
            .iter()
            .filter(|link| {
                link.platform
                    .as_ref()
                    .is_some_and(|one| platform::fits(one, wanted))
            })
            .collect();
        if !fitting.is_empty() {
            return Ok(fitting);
        }
        let mut names: Vec<_> = offered
            .into_iter()
            .filter(|one| platform::is_known(one))
            .map(ToString::to_string)
            .collect();
        names.dedup();
        tracing::debug!(digest = %manifest.digest, %wanted, "not among the platforms of the index");
        Err(PullError::Platform {
            image: Box::new(self.image.clone()),
            wanted: wanted.clone(),
            offered: names.join(", "),
        })
    }
}
