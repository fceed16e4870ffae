//! When the index is compacted: in the maintenance window, while nobody writes to it.
//!
//! Or at once, when a collection could not make enough room: what it took out of the index is free only within the
//! index until that is compacted.
//!
//! Promises: one at a time; one that did not come to its end is tried again less and less often. Must not know: what
//! is worth it, and how it is done (that is [`crate::cache`]).

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    backoff::Backoff,
    cache::{Cache, CompactWhen, Kind},
    source::chain,
};

/// How often it is looked whether it is time. Nothing was written between two looks: the index is idle.
const LOOK: Duration = Duration::from_secs(30);
/// Waits after one that did not come to its end: the first and the longest.
const RESTS: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(24 * 3600));

/// What it works by.
pub struct CompactorSettings {
    /// Whether it is the time for what can wait.
    pub window: Arc<dyn Fn() -> bool + Send + Sync>,
    pub rng: fastrand::Rng,
}

/// Compacts the index when it is time. Clones are the same; it ends when its task is aborted.
#[derive(Clone)]
pub struct Compactor {
    wanted: Arc<Notify>,
}

impl Compactor {
    /// Starts it.
    pub fn start(cache: Cache, settings: CompactorSettings) -> (Self, JoinHandle<()>) {
        let compactor = Self {
            wanted: Arc::default(),
        };
        let keeper = Keeper {
            cache,
            settings,
            commits: None,
            rest: None,
            backoff: Backoff::new(RESTS.0, RESTS.1),
        };
        let task = tokio::spawn(keeper.run(compactor.wanted.clone()));
        (compactor, task)
    }

    /// A collection could not make enough room.
    pub fn want(&self) {
        self.wanted.notify_one();
    }
}

/// The task's state.
struct Keeper {
    cache: Cache,
    settings: CompactorSettings,
    /// The index's commits when it was looked last.
    commits: Option<u64>,
    rest: Option<Instant>,
    backoff: Backoff,
}

impl Keeper {
    async fn run(mut self, wanted: Arc<Notify>) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let when = tokio::select! {
                () = wanted.notified() => Some(CompactWhen::RoomIsShort),
                _ = look.tick() => self.is_idle().then_some(CompactWhen::Idle),
            };
            if let Some(when) = when {
                self.consider(when).await;
            }
        }
    }

    /// Whether it is the time for it, and nobody has written since the last look.
    fn is_idle(&mut self) -> bool {
        let commits = self.cache.stats().counters.commits;
        let before = self.commits.replace(commits);
        (self.settings.window)() && before == Some(commits)
    }

    async fn consider(&mut self, when: CompactWhen) {
        let rests = self.rest.is_some_and(|rest| Instant::now() < rest);
        let is_worth_it = || self.cache.index_occupancy().is_ok_and(|index| index.is_worth_it);
        if rests || !is_worth_it() {
            return;
        }
        match self.cache.compact_index(when).await {
            Ok(_) => {
                self.rest = None;
                self.backoff.reset();
            }
            Err(error) => {
                // That there is no room, or that it is in use, is as it should be.
                if !matches!(error.kind(), Kind::Full(_) | Kind::Busy) {
                    tracing::warn!(cause = %chain(&error), "the index could not be compacted");
                }
                self.rest = Some(Instant::now() + self.backoff.next(&mut self.settings.rng));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parking_lot::Mutex;
    use tempfile::TempDir;

    use super::*;
    use crate::{
        cache::{Call, Disk, Faults, Options, Space, VerifiedBytes},
        clock::Clock,
        oci::{Algorithm, Digest, Repository},
    };

    /// A small filesystem with room, on which a copy of the index can be refused.
    #[derive(Default)]
    struct Small {
        refuses: Mutex<bool>,
    }

    impl Faults for Small {
        fn before(&self, call: Call, path: &std::path::Path) -> std::io::Result<()> {
            let is_copy = path.ends_with("index.redb.new") && call == Call::Create;
            if is_copy && *self.refuses.lock() {
                return Err(rustix::io::Errno::IO.into());
            }
            Ok(())
        }

        fn space(&self, _real: Space) -> Space {
            Space {
                bytes: 200 << 20,
                free_bytes: 150 << 20,
                ..Space::default()
            }
        }
    }

    struct Bed {
        keeper: Keeper,
        disk: Arc<Small>,
        _folder: TempDir,
    }

    fn blob(seed: u64, length: usize) -> VerifiedBytes {
        let mut bytes = vec![0; length];
        fastrand::Rng::with_seed(seed).fill(&mut bytes);
        let bytes = Bytes::from(bytes);
        VerifiedBytes::check(Digest::of(Algorithm::Sha256, &bytes), bytes).expect("its digest")
    }

    impl Bed {
        async fn new(window: bool) -> Self {
            let folder = tempfile::tempdir().expect("folder");
            let disk = Arc::new(Small::default());
            let options = Options {
                disk: Disk::with_faults(disk.clone()),
                ..Options::new(folder.path())
            };
            let clock = Clock::starting_at(Duration::from_secs(1_800_000_000));
            let cache = Cache::open(options, clock).await.expect("opened");
            let keeper = Keeper {
                cache,
                settings: CompactorSettings {
                    window: Arc::new(move || window),
                    rng: fastrand::Rng::with_seed(1),
                },
                commits: None,
                rest: None,
                backoff: Backoff::new(RESTS.0, RESTS.1),
            };
            Self {
                keeper,
                disk,
                _folder: folder,
            }
        }

        async fn store(&self, seed: u64, length: usize) -> Digest {
            let name = Repository {
                upstream: "docker.io".parse().expect("valid"),
                path: "a".parse().expect("valid"),
            };
            let blob = blob(seed, length);
            let digest = *blob.digest();
            self.keeper.cache.put_small(&name, blob).await.expect("stored");
            digest
        }

        /// Makes an index of which most is free.
        async fn thin(&self) {
            let mut gone = Vec::new();
            for seed in 0..100 {
                gone.push(self.store(seed, 100_000).await);
            }
            self.store(1000, 100_000).await;
            for digest in gone {
                self.keeper.cache.evict(&digest).await.expect("gone");
            }
        }

        /// As at a tick.
        async fn look(&mut self) {
            if self.keeper.is_idle() {
                self.keeper.consider(CompactWhen::Idle).await;
            }
        }

        fn count(&self) -> u64 {
            self.keeper.cache.stats().counters.compactions
        }
    }

    #[tokio::test]
    async fn it_is_done_when_nobody_has_written_since_the_last_look() {
        let mut bed = Bed::new(true).await;
        bed.thin().await;
        let before = bed.keeper.cache.stats().index_bytes;
        bed.look().await;
        assert_eq!(bed.count(), 0, "who knows whether it is idle");
        bed.store(2000, 100).await;
        bed.look().await;
        assert_eq!(bed.count(), 0, "it is not");
        bed.look().await;
        assert_eq!(bed.count(), 1);
        assert!(bed.keeper.cache.stats().index_bytes < before / 3);
        bed.look().await;
        bed.look().await;
        assert_eq!(bed.count(), 1, "it is not worth it any more");
    }

    #[tokio::test]
    async fn outside_of_the_window_it_is_done_only_for_want_of_room() {
        let mut bed = Bed::new(false).await;
        bed.thin().await;
        for _ in 0..3 {
            bed.look().await;
        }
        assert_eq!(bed.count(), 0);
        bed.keeper.consider(CompactWhen::RoomIsShort).await;
        assert_eq!(bed.count(), 1);
    }

    #[tokio::test]
    async fn one_that_failed_is_tried_again_later() {
        let mut bed = Bed::new(true).await;
        bed.thin().await;
        *bed.disk.refuses.lock() = true;
        bed.look().await;
        bed.look().await;
        *bed.disk.refuses.lock() = false;
        bed.look().await;
        assert_eq!(bed.count(), 0, "it rests");
        let rest = bed.keeper.rest.expect("it rests").duration_since(Instant::now());
        assert!(rest > RESTS.0 / 2, "{rest:?}");
        bed.keeper.rest = Some(Instant::now());
        bed.look().await;
        assert_eq!(bed.count(), 1);
    }
}
