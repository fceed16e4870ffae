//! What happens between a plan and its execution, one case at a time.

use super::{checks::Sight, shelf::*, *};
use crate::{cache::eviction::Amount, clock::Timestamp, oci::Image};

const EVERYTHING: Amount = Amount::new(1 << 40, 1 << 20);

pub(super) struct Site {
    pub(super) bed: Bed,
    pub(super) cache: Cache,
    pub(super) clock: Clock,
    pub(super) name: Repository,
}

impl Site {
    pub(super) async fn new() -> Self {
        let (bed, clock) = (Bed::new(), clock());
        let cache = Cache::open(bed.options(), clock.clone()).await.expect("opened");
        Self {
            bed,
            cache,
            clock,
            name: repository("a"),
        }
    }

    pub(super) async fn put(&self, manifest: &Manifest) {
        let put = self.cache.put_manifest(&self.name, manifest).await;
        put.expect("stored");
    }

    pub(super) async fn tag(&self, text: &str, manifest: &Manifest) {
        let put = self
            .cache
            .put_tag(&self.name, &tag(text), manifest.digest, Timestamp(1))
            .await;
        put.expect("stored");
    }

    /// Images of these layers, each with a tag, and long unused.
    pub(super) async fn images<const N: usize>(&self, layers: [&[u8]; N]) -> [Manifest; N] {
        for number in layers.iter().copied().flatten() {
            if seen(&self.cache, &self.name, &layer_digest(*number)).is_none() {
                fill(&self.cache, &self.name, &layer(*number))
                    .await
                    .expect("stored");
            }
        }
        let images = layers.map(|numbers| {
            let digests: Vec<Digest> = numbers.iter().map(|number| layer_digest(*number)).collect();
            naming(&digests, &[], None)
        });
        for (number, image) in images.iter().enumerate() {
            self.put(image).await;
            self.tag(&format!("t{number}"), image).await;
        }
        pass(&self.clock, 2 * GRACE.as_secs());
        images
    }

    pub(super) async fn plan(&self) -> Collection {
        self.cache
            .plan(terms(Vec::new()), EVERYTHING)
            .await
            .expect("planned")
    }

    pub(super) fn has(&self, digest: &Digest) -> bool {
        seen(&self.cache, &self.name, digest).is_some()
    }

    fn lists(&self, text: &str) -> bool {
        self.cache.tag(&self.name, &tag(text)).expect("read").is_some()
    }

    /// Holds the index's writer at its next sync, until what is returned is dropped.
    fn hold_writer(&self) -> Held {
        self.bed.faulty.hold(Call::Sync, "index.redb")
    }
}

async fn advance(plan: &mut Collection) -> Taken {
    plan.advance()
        .await
        .expect("carried out")
        .expect("there is something")
}

#[tokio::test]
async fn what_a_spared_image_shares_is_not_taken_with_the_others() {
    // All in one transaction, or each in its own.
    for batch in [1000, 1] {
        for asked_for in 0..3 {
            let site = Site::new().await;
            let images = site.images([&[0, 1], &[0, 2], &[0, 3]]).await;
            let mut plan = site.plan().await;
            plan.in_pieces_of(batch);
            site.cache.used(&images[asked_for].digest);
            let mut files = Vec::new();
            while let Some(taken) = plan.advance().await.expect("carried out") {
                files.extend(taken.files);
            }
            for (number, image) in images.iter().enumerate() {
                let listed = site.lists(&format!("t{number}"));
                assert!(listed || number != asked_for, "it was asked for");
                for link in named_by(image) {
                    let whole = site.has(&link);
                    assert!(
                        whole || !listed,
                        "{batch}: image {number} is listed without {link}"
                    );
                }
            }
            let gone = files.iter().all(|one| *one.digest() != layer_digest(0));
            assert!(gone, "the shared layer is condemned");
        }
    }
}

#[tokio::test]
async fn a_manifest_whose_put_is_under_way_while_it_is_counted_keeps_what_it_needs() {
    let site = Site::new().await;
    site.images([&[0, 1]]).await;
    let newer = naming(&[layer_digest(0)], &[], None);
    let held = site.hold_writer();
    let (cache, name, put) = (site.cache.clone(), site.name.clone(), newer.clone());
    let put = tokio::spawn(async move { cache.put_manifest(&name, &put).await });
    let held = held.reached().await;
    let mut plan = site.plan().await;
    let found = site.cache.manifest(&site.name, &newer.digest).expect("read");
    assert!(found.is_none(), "the plan does not know of it");
    drop(held);
    put.await.expect("no panic").expect("stored");
    // What it needs was in use when it was counted: the older image goes without it.
    let taken = advance(&mut plan).await;
    assert_eq!((taken.units, taken.pieces), (1, 2));
    assert!(site.has(&layer_digest(0)) && !site.has(&layer_digest(1)));
    let found = site.cache.manifest(&site.name, &newer.digest).expect("read");
    assert!(found.is_some());
}

#[tokio::test]
async fn a_manifest_that_comes_in_the_middle_of_the_counting_keeps_what_it_needs() {
    let site = Site::new().await;
    site.images([&[0, 1]]).await;
    let newer = naming(&[layer_digest(0)], &[], None);
    let (cache, name, put) = (site.cache.clone(), site.name.clone(), newer.clone());
    let runtime = tokio::runtime::Handle::current();
    // Asked for between the names and the manifests.
    let meanwhile = Terms {
        pinned: Arc::new(move || {
            runtime.block_on(cache.put_manifest(&name, &put)).expect("stored");
            Vec::new()
        }),
        ..terms(Vec::new())
    };
    let mut plan = site.cache.plan(meanwhile, EVERYTHING).await.expect("planned");
    let taken = advance(&mut plan).await;
    assert_eq!((taken.units, taken.spared), (0, 1));
    assert!(site.has(&layer_digest(0)));
    assert!(
        site.cache
            .manifest(&site.name, &newer.digest)
            .expect("read")
            .is_some()
    );
}

#[tokio::test]
async fn a_guard_outlives_the_plan_that_its_execution_was_asked_by() {
    let site = Site::new().await;
    let [image] = site.images([&[0]]).await;
    let mut plan = site.plan().await;
    site.cache.used(&image.digest);
    let held = site.hold_writer();
    let (cache, busy) = (site.cache.clone(), site.name.clone());
    let busy = tokio::spawn(async move { cache.forget_tag(&busy, &tag("none")).await });
    let held = held.reached().await;
    // Its command waits, and then nobody waits for it.
    let given_up = tokio::time::timeout(Duration::from_millis(50), plan.advance()).await;
    assert!(given_up.is_err(), "the writer is held");
    drop(plan);
    drop(held);
    busy.await.expect("no panic").expect("done");
    site.cache
        .forget_tag(&site.name, &tag("none"))
        .await
        .expect("done");
    assert!(site.lists("t0") && site.has(&layer_digest(0)));
}

#[tokio::test]
async fn a_tag_or_a_pin_that_came_since_the_plan_is_of_something() {
    let site = Site::new().await;
    let [one, other] = site.images([&[0], &[1]]).await;
    let mut plan = site.plan().await;
    site.tag("new", &one).await;
    let image = Image::parse("docker.io/a:t1", &site.name.upstream, |_| true).expect("a name");
    let image = Image {
        repository: site.name.clone(),
        ..image
    };
    site.cache.pin(&image).await.expect("pinned");
    let taken = advance(&mut plan).await;
    assert_eq!((taken.units, taken.spared), (0, 2));
    let sight = Sight::of(&site.cache, &site.name, 2);
    assert_eq!(sight.tags.len(), 2);
    for (text, image) in [("t0", &one), ("new", &one), ("t1", &other)] {
        assert!(site.lists(text));
        let found = site.cache.manifest(&site.name, &image.digest).expect("read");
        assert!(found.is_some(), "{text}");
    }
}

#[tokio::test]
async fn the_tag_of_a_platform_that_was_asked_for_stays() {
    let site = Site::new().await;
    let [platform] = site.images([&[0]]).await;
    let index = naming(&[], &[platform.digest], None);
    site.put(&index).await;
    pass(&site.clock, 2 * GRACE.as_secs());
    let mut plan = site.plan().await;
    site.cache.used(&platform.digest);
    while plan.advance().await.expect("carried out").is_some() {}
    assert!(site.lists("t0") && site.has(&layer_digest(0)));
}

#[tokio::test]
async fn what_a_person_retires_is_kept_for_what_comes_meanwhile() {
    let site = Site::new().await;
    let [image] = site.images([&[0, 1]]).await;
    let newer = naming(&[layer_digest(0)], &[], None);
    // The put is written first, and is not to be seen yet when the image is looked at.
    let held = site.hold_writer();
    let (cache, name, put) = (site.cache.clone(), site.name.clone(), newer.clone());
    let put = tokio::spawn(async move { cache.put_manifest(&name, &put).await });
    let held = held.reached().await;
    let cache = site.cache.clone();
    let retiring = tokio::spawn(async move { cache.retire(&image.digest).await });
    // Either it has been looked at by now, or it will be: both must be right.
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(held);
    put.await.expect("no panic").expect("stored");
    let taken = retiring.await.expect("no panic").expect("retired");
    assert_eq!(
        (taken.units, taken.pieces),
        (1, 2),
        "the image, and what only it had"
    );
    assert!(!site.lists("t0") && !site.has(&layer_digest(1)));
    assert!(site.has(&layer_digest(0)), "the newer one needs it");
}

#[tokio::test]
async fn a_person_gets_rid_of_what_somebody_reads() {
    let site = Site::new().await;
    let [image] = site.images([&[0]]).await;
    let _lease = site.cache.lease(&layer_digest(0));
    let taken = site.cache.retire(&image.digest).await.expect("retired");
    assert_eq!((taken.units, taken.pieces), (1, 2));
}

#[tokio::test]
async fn a_digest_is_not_filled_while_anybody_is_to_remove_its_file() {
    let site = Site::new().await;
    let [image] = site.images([&[0]]).await;
    let mut plan = site.plan().await;
    // Both know of it; the plan is first.
    let held = site.hold_writer();
    let (cache, name) = (site.cache.clone(), site.name.clone());
    let busy = tokio::spawn(async move { cache.forget_tag(&name, &tag("none")).await });
    let held = held.reached().await;
    let (first, second) = tokio::join!(plan.advance(), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let retiring = site.cache.retire(&image.digest);
        tokio::pin!(retiring);
        let early = tokio::time::timeout(Duration::from_millis(20), &mut retiring).await;
        assert!(early.is_err(), "the writer is held");
        drop(held);
        retiring.await
    });
    busy.await.expect("no panic").expect("done");
    let (first, second) = (first.expect("done").expect("a piece"), second.expect("done"));
    assert_eq!(first.files.len() + second.files.len(), 1);
    let refused = site.cache.begin_fill(&site.name, &layer_digest(0), None).await;
    assert_eq!(refused.expect_err("condemned").kind(), Kind::Busy);
    remove(&site.bed.dir, &first.files);
    remove(&site.bed.dir, &second.files);
    drop((first, second));
    fill(&site.cache, &site.name, &layer(0)).await.expect("published");
    assert!(site.has(&layer_digest(0)));
}

#[tokio::test]
async fn nobody_watches_after_a_plan_that_failed() {
    let site = Site::new().await;
    site.images([&[0]]).await;
    let failed = Terms {
        pinned: Arc::new(|| panic!("on purpose")),
        ..terms(Vec::new())
    };
    let failed = site.cache.plan(failed, EVERYTHING).await;
    assert_eq!(failed.err().map(|error| error.kind()), Some(Kind::Io));
    assert_eq!(site.cache.inner.uses.watchers(), 0);
    let plan = site.plan().await;
    assert_eq!(site.cache.inner.uses.watchers(), 1);
    drop(plan);
    assert_eq!(site.cache.inner.uses.watchers(), 0);
}

#[tokio::test]
async fn what_comes_while_it_is_counted_is_remembered() {
    let site = Site::new().await;
    site.images([&[0]]).await;
    let (cache, name) = (site.cache.clone(), site.name.clone());
    let runtime = tokio::runtime::Handle::current();
    let meanwhile = Terms {
        pinned: Arc::new(move || {
            let stored = cache.put_small(&name, small(&configuration(0)));
            runtime.block_on(stored).expect("stored");
            Vec::new()
        }),
        ..terms(Vec::new())
    };
    let known = site.cache.inner.uses.len();
    let plan = site.cache.plan(meanwhile, EVERYTHING).await.expect("planned");
    assert_eq!(site.cache.inner.uses.len(), known + 1);
    drop(plan);
}
