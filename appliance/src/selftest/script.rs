//! What an upstream does when it is asked for a blob, in the order of the requests.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::oci::Digest;

/// What happens to one answer. Places are bytes of the whole blob.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// All of it, as it should be.
    Whole,
    /// It ends there.
    CutAt(u64),
    /// Nothing more comes, and the connection stays.
    SilentAt(u64),
    /// The byte there is another one.
    WrongAt(u64),
    /// It goes on when it is let.
    HeldAt(u64, Gate),
    /// It is not here.
    Missing,
}

/// Something that answers wait for.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(super) fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(super) fn open(&self) {
        self.0.close();
    }

    pub(super) async fn passed(&self) {
        // It is never given a permit: it ends when it is closed.
        let _ = self.0.acquire().await;
    }
}

/// What is to happen. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Script(Arc<Mutex<HashMap<Digest, Acts>>>);

#[derive(Debug)]
struct Acts {
    next: VecDeque<Act>,
    then: Act,
}

impl Script {
    /// These in turn, and then the last again and again.
    pub(super) fn play(&self, digest: Digest, acts: impl IntoIterator<Item = Act>, then: Act) {
        let acts = Acts {
            next: acts.into_iter().collect(),
            then,
        };
        self.0.lock().insert(digest, acts);
    }

    pub(super) fn next(&self, digest: &Digest) -> Act {
        let mut script = self.0.lock();
        script.get_mut(digest).map_or(Act::Whole, |acts| {
            acts.next.pop_front().unwrap_or_else(|| acts.then.clone())
        })
    }
}
