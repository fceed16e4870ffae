//! The digests of what is here, eight bytes of each.

use super::Number;
use crate::{
    cache::{
        eviction::{Fingerprint, MemberId},
        uses::{KeyPrefix, fingerprint},
    },
    oci::{Algorithm, Digest},
};

/// The digests of all members, as far as they are kept: in the order of the index.
#[derive(Debug, Default)]
pub(in crate::cache) struct Names {
    all: Vec<Fingerprint>,
    /// Where those of the second algorithm begin.
    sha512: usize,
}

impl Names {
    pub(super) fn with_capacity(count: usize) -> Self {
        Self {
            all: Vec::with_capacity(count),
            sha512: 0,
        }
    }

    pub(super) fn push(&mut self, digest: &Digest) {
        if digest.algorithm() == Algorithm::Sha256 {
            self.sha512 += 1;
        }
        self.all.push(fingerprint(digest));
    }

    pub(in crate::cache) fn get(&self, member: MemberId) -> Fingerprint {
        self.all[member.index()]
    }

    pub(super) fn find(&self, digest: &Digest) -> Option<Number> {
        let (from, part) = match digest.algorithm() {
            Algorithm::Sha256 => (0, &self.all[..self.sha512]),
            Algorithm::Sha512 => (self.sha512, &self.all[self.sha512..]),
        };
        let name = fingerprint(digest);
        let at = part.binary_search_by_key(&name.0, |name| name.0).ok()?;
        Number::try_from(from + at).ok()
    }

    pub(in crate::cache) fn prefix(&self, member: MemberId) -> KeyPrefix {
        self.prefix_of(member.index() as Number)
    }

    pub(super) fn prefix_of(&self, number: Number) -> KeyPrefix {
        let algorithm = if (number as usize) < self.sha512 {
            Algorithm::Sha256
        } else {
            Algorithm::Sha512
        };
        let mut prefix = [algorithm.tag(); 9];
        prefix[1..].copy_from_slice(&self.all[number as usize].0.to_be_bytes());
        prefix
    }

    /// All of them, sorted.
    pub(in crate::cache) fn sorted(&self) -> Vec<Fingerprint> {
        let mut all = self.all.clone();
        all.sort_unstable_by_key(|name| name.0);
        all
    }
}
