//! Any order of operations, crashes among them, against a model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, test_runner::Config};

use super::*;
use crate::clock::Timestamp;

const REPOSITORIES: u8 = 2;
const CONTENTS: u8 = 2;

#[derive(Clone, Debug)]
enum Step {
    Small(u8, u8),
    Fill(u8, u8),
    /// A part of a blob arrives, and then nobody goes on.
    Part(u8, u8),
    Show(u8, u8),
    Evict(u8),
    Tag(u8, u8),
    ForgetTag(u8),
    Close,
    /// A kill, or a power cut: another boot.
    Crash,
    PowerCut,
    Recover,
}

fn step() -> impl Strategy<Value = Step> {
    let (name, seed) = (0..REPOSITORIES, 0..CONTENTS);
    prop_oneof![
        3 => (name.clone(), seed.clone()).prop_map(|(name, seed)| Step::Small(name, seed)),
        4 => (name.clone(), seed.clone()).prop_map(|(name, seed)| Step::Fill(name, seed)),
        2 => (name.clone(), seed.clone()).prop_map(|(name, seed)| Step::Part(name, seed)),
        2 => (name.clone(), seed.clone()).prop_map(|(name, seed)| Step::Show(name, seed)),
        2 => seed.clone().prop_map(Step::Evict),
        2 => (name.clone(), seed).prop_map(|(name, seed)| Step::Tag(name, seed)),
        1 => name.prop_map(Step::ForgetTag),
        1 => Just(Step::Close),
        2 => Just(Step::Crash),
        1 => Just(Step::PowerCut),
        1 => Just(Step::Recover),
    ]
}

/// What should be there.
#[derive(Default)]
struct Model {
    /// Content to those who may see it.
    blobs: BTreeMap<u8, BTreeSet<u8>>,
    tags: BTreeMap<u8, u8>,
    /// The most that a partial can have.
    parts: BTreeMap<u8, u64>,
}

struct World {
    bed: Bed,
    cache: Cache,
    boot: u8,
    /// Folders of earlier lives, kept to the end.
    past: Vec<TempDir>,
    model: Model,
}

fn name(number: u8) -> Repository {
    repository(&format!("r{number}"))
}

fn bytes(seed: u8) -> Bytes {
    content(u64::from(seed), 5000 + 60_000 * usize::from(seed))
}

impl World {
    async fn take(&mut self, step: Step) {
        let cache = self.cache.clone();
        match step {
            Step::Small(who, what) => {
                cache
                    .put_small(&name(who), small(&bytes(what)))
                    .await
                    .expect("stored");
                self.model.blobs.entry(what).or_default().insert(who);
            }
            Step::Fill(who, what) => {
                let bytes = bytes(what);
                let begun = cache
                    .begin_fill(&name(who), &digest(&bytes), Some(bytes.len() as u64))
                    .await;
                let mut fill = begun.expect("begun");
                let have = fill.len();
                assert!(
                    have <= self.model.parts.get(&what).copied().unwrap_or(0),
                    "more than was written"
                );
                fill.append(batch(&bytes.slice(have as usize..)))
                    .await
                    .expect("written");
                fill.verify()
                    .expect("matches")
                    .publish()
                    .await
                    .expect("published");
                self.model.blobs.entry(what).or_default().insert(who);
                self.model.parts.remove(&what);
            }
            Step::Part(who, what) => {
                let bytes = bytes(what);
                let mut fill = cache
                    .begin_fill(&name(who), &digest(&bytes), None)
                    .await
                    .expect("begun");
                let have = fill.len();
                let upto = (have + 2000).min(bytes.len() as u64);
                let part = bytes.slice(have as usize..upto as usize);
                fill.append(batch(&part)).await.expect("written");
                self.model.parts.insert(what, upto);
            }
            Step::Show(who, what) => {
                cache
                    .show(&name(who), &digest(&bytes(what)))
                    .await
                    .expect("shown");
                if let Some(seen_by) = self.model.blobs.get_mut(&what) {
                    seen_by.insert(who);
                }
            }
            Step::Evict(what) => {
                cache.evict(&digest(&bytes(what))).await.expect("evicted");
                self.model.blobs.remove(&what);
            }
            Step::Tag(who, what) => {
                let digest = digest(&bytes(what));
                cache
                    .put_tag(&name(who), &tag("t"), digest, Timestamp(1))
                    .await
                    .expect("stored");
                self.model.tags.insert(who, what);
            }
            Step::ForgetTag(who) => {
                cache.forget_tag(&name(who), &tag("t")).await.expect("forgotten");
                self.model.tags.remove(&who);
            }
            Step::Recover => {
                let recovery = cache.recover().await;
                assert_eq!(
                    (recovery.damaged, recovery.errors, recovery.lost),
                    (0, 0, 0),
                    "{recovery:?}"
                );
            }
            Step::Close => {
                cache.close().await;
                self.cache = self.bed.open().await;
            }
            Step::Crash => self.crash().await,
            Step::PowerCut => {
                self.boot += 1;
                self.crash().await;
                // Nothing was synced: the parts are small.
                self.model.parts.clear();
            }
        }
    }

    async fn crash(&mut self) {
        let left = crashed(&self.bed.dir);
        self.bed = Bed::at(left.path());
        self.bed.faulty.boot_as(self.boot);
        self.cache = self.bed.open().await;
        self.past.push(left);
    }

    fn check(&self) {
        for what in 0..CONTENTS {
            let bytes = bytes(what);
            for who in 0..REPOSITORIES {
                let found = self.cache.blob(&name(who), &digest(&bytes)).expect("looked up");
                match (self.model.blobs.get(&what), found) {
                    (None, Presence::Absent) => {}
                    (Some(seen_by), Presence::Hidden) => assert!(!seen_by.contains(&who), "{what} {who}"),
                    (Some(seen_by), Presence::Here(_)) => {
                        assert!(seen_by.contains(&who), "{what} {who}");
                        assert_eq!(
                            seen(&self.cache, &name(who), &digest(&bytes)),
                            Some(bytes.to_vec())
                        );
                    }
                    (expected, found) => panic!("{what} for {who}: {expected:?} but {found:?}"),
                }
            }
        }
        for who in 0..REPOSITORIES {
            let found = self.cache.tag(&name(who), &tag("t")).expect("looked up");
            let expected = self.model.tags.get(&who).map(|what| digest(&bytes(*what)));
            assert_eq!(found.map(|record| record.digest), expected);
        }
        let stats = self.cache.stats();
        let sizes = self.model.blobs.keys().map(|what| bytes(*what).len() as u64);
        assert_eq!(
            (stats.blobs, stats.bytes),
            (self.model.blobs.len() as u64, sizes.sum())
        );
    }
}

proptest! {
    #![proptest_config(Config { cases: 32, max_shrink_iters: 200, failure_persistence: None, ..Config::default() })]

    #[test]
    fn whatever_happens_what_was_answered_is_there(steps in prop::collection::vec(step(), 1..32)) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let bed = Bed::new();
            bed.faulty.boot_as(1);
            let cache = bed.open().await;
            let mut world = World { bed, cache, boot: 1, past: Vec::new(), model: Model::default() };
            // The first folder goes with its bed unless it is kept.
            for step in steps {
                world.take(step).await;
                world.check();
            }
        });
    }
}
