//! What can be asked of the writer.
//!
//! Promises: a command can be applied again after a failed transaction. Must not know: transactions, batches, what each
//! does to the tables (that is [`super::apply`]).

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    cache::{
        boot::BootId,
        uses::{Watch, fingerprint},
    },
    clock::Timestamp,
    oci::{Digest, Manifest, Repository, Tag},
};

use super::{fresh::Refresh, mend::Damage};

/// One change to the index.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Manifest {
        repository: Repository,
        manifest: Manifest,
    },
    Small {
        repository: Repository,
        digest: Digest,
        bytes: Bytes,
    },
    Tag {
        repository: Repository,
        tag: Tag,
        digest: Digest,
        checked: Timestamp,
    },
    /// Times that were kept back. A tag that stands for something else by now is left alone.
    Refreshes(Vec<(Repository, Tag, Refresh)>),
    ForgetTag {
        repository: Repository,
        tag: Tag,
    },
    Referrers {
        repository: Repository,
        subject: Digest,
        index: Bytes,
        checked: Timestamp,
    },
    /// The repository may see the blob, if it is there.
    Show {
        repository: Repository,
        digest: Digest,
    },
    FillStarted {
        repository: Repository,
        digest: Digest,
        size: Option<u64>,
        /// Bytes that are known to be on the disk.
        synced: u64,
        boot: BootId,
    },
    FillSynced {
        digest: Digest,
        synced: u64,
    },
    FillEnded {
        digest: Digest,
    },
    /// A whole file lies under its digest's name. Its fill row goes; whoever filled it may see it.
    Publish {
        digest: Digest,
        size: u64,
        shown_to: Option<Repository>,
    },
    /// The blob goes, with all that was shown of it; its file after the rows.
    Evict {
        digest: Digest,
    },
    /// A person wants an image kept: its whole name. It need not be here.
    Pin {
        image: String,
    },
    Unpin {
        image: String,
    },
    /// Units of content go, each whole or not at all. Their files are the caller's to remove, once this is
    /// durable.
    Retire {
        units: Vec<Unit>,
        guard: Guard,
    },
    /// How the index's length compares with what was estimated.
    Density {
        thousandths: u64,
    },
    /// Rows that cannot be read go.
    Mend(Vec<Damage>),
    /// The blob's file is not what its row says. The writer looks again before it applies this: by then
    /// another file can lie there.
    Lost {
        digest: Digest,
        /// The file's length in bytes, if there was one.
        found: Option<u64>,
    },
}

/// What goes together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unit {
    /// Tags that stand for it, each with the digest that it stood for: one that has moved since stays.
    pub(crate) tags: Vec<(Vec<u8>, Digest)>,
    /// What nobody else has.
    pub(crate) freed: Vec<Digest>,
    /// Earlier units of the same command that had something of what is freed: if one of them stays, so does this.
    pub(crate) after: Vec<usize>,
}

/// Looks at the last moment whether content is in demand. Between the plan and its execution a client may
/// have asked for it.
#[derive(Clone, Debug)]
pub(crate) enum Guard {
    /// What was asked for since stays.
    Demand(Arc<Watch>),
    /// A person wants it gone, whoever reads it; what was stored since and needs it must not break.
    Need(Arc<Watch>),
    /// It is wrong, so that nobody is to have it.
    Nothing,
}

impl Guard {
    pub(super) fn forbids(&self, unit: &Unit, now: Timestamp) -> bool {
        // A root that others have too is not freed: only its tags would go.
        let roots = unit.tags.iter().map(|(_, digest)| digest);
        let mut names = unit.freed.iter().chain(roots).map(fingerprint);
        match self {
            Self::Demand(watch) => names.any(|name| watch.is_in_demand(name, now)),
            Self::Need(watch) => names.any(|name| watch.is_needed(name)),
            Self::Nothing => false,
        }
    }
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Yes,
    /// There was nothing to be done.
    Nothing,
    /// It is in the index itself: a file of it is not needed.
    Redundant(Digest),
    /// Its file is to be unlinked once the transaction is durable.
    Unlisted(Digest),
    /// What has gone.
    Retired(Retired),
}

/// What was taken off the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retired {
    /// Of the units, by their numbers: those that were spared because somebody asked for them.
    pub(crate) spared: Vec<usize>,
    /// Blobs whose files are not listed any more, with their sizes in bytes.
    pub(crate) files: Vec<(Digest, u64)>,
    /// Blobs that were not listed. Their files can be there all the same: a transaction that failed can have
    /// reached the disk, and then this is its second try.
    pub(crate) absent: Vec<Digest>,
    /// Pieces of content, and their bytes.
    pub(crate) pieces: u64,
    pub(crate) bytes: u64,
}

impl Command {
    /// Whether it brings in content, which needs room. The others only take away or change a few bytes, and
    /// are tried on a full disk too.
    pub(crate) fn grows(&self) -> bool {
        matches!(
            self,
            Self::Manifest { .. } | Self::Small { .. } | Self::Referrers { .. } | Self::Tag { .. }
        )
    }

    /// About how many bytes it brings, to bound a batch.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Manifest { manifest, .. } => manifest.bytes.len(),
            Self::Small { bytes, .. } => bytes.len(),
            Self::Referrers { index, .. } => index.len(),
            _ => 0,
        }
    }
}
