//! System calls that fail while room is made: each once, and from each on.

use std::collections::HashSet;

use super::{
    checks::{Sight, accounted},
    shelf::*,
    *,
};
use crate::{
    cache::eviction::Amount,
    clock::Timestamp,
    oci::{Image, Reference},
};

const ERRNOS: [Errno; 3] = [Errno::IO, Errno::NOSPC, Errno::ROFS];

/// How long the fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasts {
    Once,
    ForGood,
}

struct Site {
    bed: Bed,
    cache: Cache,
    clock: Clock,
    name: Repository,
    condemned: Vec<Condemned>,
}

impl Site {
    async fn new() -> Self {
        let (bed, clock) = (Bed::new(), clock());
        let cache = Cache::open(bed.options(), clock.clone()).await.expect("opened");
        let mut site = Self {
            bed,
            cache,
            clock,
            name: repository("a"),
            condemned: Vec::new(),
        };
        site.stock().await;
        site.cache.save_uses().await;
        pass(&site.clock, 2 * GRACE.as_secs());
        site
    }

    /// Four images and an index.
    async fn stock(&mut self) {
        for number in 0..LAYERS {
            fill(&self.cache, &self.name, &layer(number))
                .await
                .expect("stored");
        }
        for number in 0..SMALLS {
            let put = self.cache.put_small(&self.name, small(&configuration(number)));
            put.await.expect("stored");
        }
        for number in 0..5 {
            let manifest = shelved(number);
            let put = self.cache.put_manifest(&self.name, &manifest).await;
            put.expect("stored");
            let tag = tag(&format!("t{number}"));
            let put = self
                .cache
                .put_tag(&self.name, &tag, manifest.digest, Timestamp(1));
            put.await.expect("stored");
        }
    }

    /// Everything that a collection and a person do; what fails is the next one's to do again.
    async fn work(&mut self) -> Vec<CacheError> {
        let mut errors = Vec::new();
        let image = |number: u8| Image {
            repository: self.name.clone(),
            reference: Reference::Tag(tag(&format!("t{number}"))),
        };
        let (pinned, unpinned) = (image(3), image(2));
        for pin in [&pinned, &unpinned] {
            errors.extend(self.cache.pin(pin).await.err());
        }
        errors.extend(self.cache.unpin(&unpinned).await.err());
        self.look("pins");
        match self.cache.retire(&shelved(2).digest).await {
            Ok(taken) => self.condemned.extend(taken.files),
            Err(error) => errors.push(error),
        }
        self.look("retire");
        let everything = Amount::new(1 << 40, 1 << 20);
        let kept = vec![shelved(3).digest];
        match self.cache.plan(terms(kept), everything).await {
            Ok(mut plan) => {
                plan.in_pieces_of(2);
                loop {
                    match plan.advance().await {
                        Ok(Some(taken)) => self.condemned.extend(taken.files),
                        Ok(None) => break,
                        Err(error) => {
                            errors.push(error);
                            break;
                        }
                    }
                    self.look("advance");
                }
            }
            Err(error) => errors.push(error),
        }
        self.cache.used(&layer_digest(0));
        self.cache.save_uses().await;
        self.look("save");
        errors
    }

    /// What is listed is whole, whatever failed.
    fn look(&self, step: &str) {
        // Without its file the index knows nothing for a while, and says so.
        if !matches!(self.cache.state(), State::Healthy) {
            return;
        }
        let rule = self.bed.faulty.rule.lock().take();
        self.look_closely(step);
        *self.bed.faulty.rule.lock() = rule;
    }

    fn look_closely(&self, step: &str) {
        let sight = Sight::of(&self.cache, &self.name, 5);
        for manifest in sight.manifests() {
            for link in named_by(&manifest) {
                assert!(
                    sight.here.contains(&link),
                    "{step}: {} without {link}",
                    manifest.digest
                );
            }
        }
        for digest in sight.tags.values() {
            assert!(sight.here.contains(digest), "{step}: a tag without its manifest");
        }
        assert!(sight.here.contains(&shelved(3).digest), "{step}: it is pinned");
    }

    async fn healthy(&self) {
        until("it stores again", || matches!(self.cache.state(), State::Healthy)).await;
    }

    /// Nothing is left but what is pinned, and what is counted is there.
    fn is_done(&mut self, what: &str) {
        let mut condemned = HashSet::new();
        for one in &self.condemned {
            assert!(condemned.insert(*one.digest()), "{what}: {} twice", one.digest());
            let path = self.bed.dir.join("blobs").join(one.digest().file_name());
            assert!(path.exists(), "{what}: {} is not there", one.digest());
        }
        remove(&self.bed.dir, &self.condemned);
        self.condemned.clear();
        self.look(what);
        let sight = Sight::of(&self.cache, &self.name, 5);
        let pinned = sight.closure(&shelved(3).digest);
        assert_eq!(sight.here, pinned, "{what}");
        assert_eq!(sight.tags.len(), 1, "{what}");
        accounted(&self.cache, &self.bed.dir, &HashSet::new(), what);
    }
}

/// Fails the calls from a number on.
fn failing(at: u64, lasts: Lasts, errno: Errno) -> impl FnMut(Call, &Path) -> Option<Errno> {
    let mut count = 0;
    move |_, _| {
        count += 1;
        let fails = match lasts {
            Lasts::Once => count == at + 1,
            Lasts::ForGood => count > at,
        };
        fails.then_some(errno)
    }
}

async fn case(at: u64, lasts: Lasts, errno: Errno) {
    let what = format!("{errno} at call {at}, {lasts:?}");
    let mut site = Site::new().await;
    site.bed.faulty.fail(failing(at, lasts, errno));
    let errors = site.work().await;
    if lasts == Lasts::Once {
        assert!(errors.len() <= 1, "{what}: {errors:?}");
    }
    for error in &errors {
        assert!(
            matches!(error.kind(), Kind::Io | Kind::Full(_) | Kind::Unwritable),
            "{what}: {error:?}"
        );
    }
    site.bed.faulty.heal();
    site.healthy().await;
    for one in &site.condemned {
        let row = site.cache.inner.index.blob_row(one.digest()).expect("read");
        assert!(row.is_none(), "{what}: {} is listed again", one.digest());
    }
    let errors = site.work().await;
    assert!(errors.is_empty(), "{what}: the next try: {errors:?}");
    // What was used in the meantime is on the disk.
    site.cache.save_uses().await;
    let left = names(&site.bed.dir);
    assert!(!left.contains(&"uses.new".to_owned()), "{what}: {left:?}");
    site.is_done(&what);
}

#[tokio::test]
async fn whatever_call_fails_while_room_is_made_nothing_is_half_done() {
    let mut site = Site::new().await;
    site.bed.faulty.calls.lock().clear();
    let errors = site.work().await;
    assert!(errors.is_empty(), "{errors:?}");
    let calls: u64 = site.bed.faulty.calls.lock().values().sum();
    println!("{calls} calls: {:?}", site.bed.faulty.calls.lock());
    site.is_done("nothing failed");
    // A fault for good is waited out: many at once, of which each waits most of the time.
    let all = std::env::var_os("PROPTEST_CASES").is_some();
    let mut cases = tokio::task::JoinSet::new();
    for at in 0..calls {
        for (number, errno) in ERRNOS.into_iter().enumerate() {
            cases.spawn(case(at, Lasts::Once, errno));
            if all || (at + number as u64).is_multiple_of(6) {
                cases.spawn(case(at, Lasts::ForGood, errno));
            }
            while cases.len() > 12 {
                cases.join_next().await.expect("one").expect("no panic");
            }
        }
    }
    while let Some(ended) = cases.join_next().await {
        ended.expect("no panic");
    }
}

#[tokio::test]
async fn a_transaction_that_failed_after_it_reached_the_disk_leaves_no_file_behind() {
    // Its first sync is of its pages, its second of what makes them count.
    for (syncs, lasts) in [(1, 1), (2, 1), (1, u64::MAX), (2, u64::MAX)] {
        let mut site = Site::new().await;
        let mut left = (syncs - 1, lasts);
        site.bed.faulty.fail(move |call, path| {
            if call != Call::Sync || !path.ends_with("index.redb") {
                return None;
            }
            match &mut left {
                (0, 0) => None,
                (0, fails) => {
                    *fails -= 1;
                    Some(Errno::IO)
                }
                (passes, _) => {
                    *passes -= 1;
                    None
                }
            }
        });
        let first = site.cache.retire(&shelved(2).digest).await;
        assert_eq!(first.is_err(), lasts == u64::MAX, "{first:?}");
        site.condemned
            .extend(first.into_iter().flat_map(|taken| taken.files));
        site.bed.faulty.heal();
        site.healthy().await;
        let errors = site.work().await;
        assert!(errors.is_empty(), "{errors:?}");
        site.is_done("after the failure");
    }
}
