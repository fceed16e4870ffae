//! Partials that nobody fills: what lies under `fill/` and takes room, for the cache's own limits.
//!
//! A fill ends, and its partial stays to be continued; a process ends, and all of its partials do. Their rows say
//! whose they are, their files how long they are: what is counted is the files. Promises: a partial is counted once,
//! either as what a running fill takes or here, whatever happens to it; whoever may have removed one and did not say
//! so leaves a doubt, which a look at the disk settles. Must not know: the disk, who fills.

use std::collections::{HashMap, HashSet};

use super::eviction::Amount;
use crate::{clock::Timestamp, oci::Digest};

/// A partial that nobody fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leftover {
    pub(super) bytes: u64,
    /// When it was left, or last written as far as that is known.
    pub(super) since: Timestamp,
}

impl Leftover {
    pub(super) fn amount(self) -> Amount {
        Amount::new(self.bytes, 1)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    all: HashMap<Digest, Leftover>,
    bytes: u64,
    /// Whose files may be gone.
    doubtful: HashSet<Digest>,
}

impl Leftovers {
    pub(super) fn put(&mut self, digest: Digest, leftover: Leftover) {
        self.take(&digest);
        self.bytes += leftover.bytes;
        self.all.insert(digest, leftover);
    }

    pub(super) fn take(&mut self, digest: &Digest) -> Option<Leftover> {
        let leftover = self.all.remove(digest)?;
        self.bytes -= leftover.bytes;
        self.doubtful.remove(digest);
        Some(leftover)
    }

    pub(super) fn get(&self, digest: &Digest) -> Option<Leftover> {
        self.all.get(digest).copied()
    }

    /// Somebody who held it has let go of it without a word.
    pub(super) fn doubt(&mut self, digest: &Digest) {
        if self.all.contains_key(digest) {
            self.doubtful.insert(*digest);
        }
    }

    /// Those to be looked at, once.
    pub(super) fn take_doubtful(&mut self) -> Vec<Digest> {
        self.doubtful.drain().collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Digest, &Leftover)> {
        self.all.iter()
    }

    pub(super) fn amount(&self) -> Amount {
        Amount::new(self.bytes, self.all.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Algorithm;

    #[test]
    fn what_is_counted_is_what_is_there() {
        let mut leftovers = Leftovers::default();
        let [one, other] = [1, 2].map(|name| Digest::of(Algorithm::Sha256, &[name]));
        let of = |bytes| Leftover {
            bytes,
            since: Timestamp(7),
        };
        leftovers.put(one, of(10));
        leftovers.put(other, of(0));
        assert_eq!(leftovers.amount(), Amount::new(10, 2));
        leftovers.put(one, of(4));
        assert_eq!(leftovers.amount(), Amount::new(4, 2));
        leftovers.doubt(&one);
        assert_eq!(leftovers.take_doubtful(), [one]);
        assert_eq!(leftovers.take_doubtful(), [], "once");
        assert_eq!(leftovers.take(&one), Some(of(4)));
        leftovers.doubt(&one);
        assert_eq!(leftovers.take_doubtful(), [], "it is not here");
        assert_eq!(leftovers.amount(), Amount::new(0, 1));
    }
}
