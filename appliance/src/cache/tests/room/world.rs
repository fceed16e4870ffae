//! A cache, what is held of it, and what is known of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tokio::task::JoinHandle;

use super::{
    checks::{Sight, accounted, numbered, partials_accounted},
    model::{Goal, Step},
    shelf::*,
    *,
};
use crate::{
    cache::eviction::Amount,
    clock::Timestamp,
    oci::{Image, Reference},
};

pub(super) const TAGS: u8 = 3;

/// Steps after which content may be gone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum May {
    LoseNothing,
    LoseWhatIsNotHeld,
    Lose(u8),
}

pub(super) struct World {
    bed: Bed,
    cache: Cache,
    clock: Clock,
    boot: u8,
    /// Folders of earlier lives, kept to the end.
    past: Vec<TempDir>,
    name: Repository,
    fills: BTreeMap<u8, Fill>,
    leases: Vec<(Digest, Lease)>,
    plan: Option<Collection>,
    condemned: Vec<Condemned>,
    /// Files that were condemned and that nobody removed.
    orphans: HashSet<Digest>,
    /// When fills were given up, as far as no other life has begun since.
    left: HashMap<Digest, Timestamp>,
    pins: BTreeSet<u8>,
    used: HashMap<Digest, Timestamp>,
    /// Also what a crash may have forgotten, or not.
    ever_used: HashMap<Digest, Timestamp>,
    /// What the plan had to leave alone when it was made, and what was asked for since.
    held: HashSet<Digest>,
    perhaps_young: HashSet<Digest>,
    /// Somebody retired an image since it was planned: what the plan left to that one is loose until the next plan.
    retired_since: bool,
    touched: HashSet<Digest>,
    /// A compaction of the index whose copy has not begun to be written.
    compacting: Option<(Held, JoinHandle<Result<Compacted, CacheError>>)>,
}

impl World {
    pub(super) async fn new() -> Self {
        let folder = quick_folder();
        let (bed, clock) = (Bed::at(folder.path()), clock());
        bed.faulty.boot_as(1);
        let cache = Cache::open(bed.options(), clock.clone()).await.expect("opened");
        Self {
            bed,
            cache,
            clock,
            boot: 1,
            past: vec![folder],
            name: repository("a"),
            fills: BTreeMap::new(),
            leases: Vec::new(),
            plan: None,
            condemned: Vec::new(),
            orphans: HashSet::new(),
            left: HashMap::new(),
            pins: BTreeSet::new(),
            used: HashMap::new(),
            ever_used: HashMap::new(),
            held: HashSet::new(),
            perhaps_young: HashSet::new(),
            retired_since: false,
            touched: HashSet::new(),
            compacting: None,
        }
    }

    /// Takes a step and looks at what it did.
    pub(super) async fn take(&mut self, step: Step) {
        let before = self.sight();
        // Nobody waits for some changes: all are made before the next look.
        let may = self.carry_out(step, &before).await;
        self.settle().await;
        let after = self.sight();
        let text = format!("{step:?}");
        let lost = before.lost(&after);
        before.stayed_whole(&after, &text);
        match may {
            May::LoseNothing => assert!(lost.is_empty(), "{text}: {lost:?}"),
            May::LoseWhatIsNotHeld => {
                let kept = self.kept(&before);
                let wrong: Vec<_> = lost.intersection(&kept).collect();
                assert!(wrong.is_empty(), "{text}: {wrong:?} had to stay");
                for (tag, stood_for) in &before.tags {
                    assert!(
                        after.tags.contains_key(tag) || !kept.contains(stood_for),
                        "{text}: tag {tag} had to stay"
                    );
                }
                if !self.retired_since {
                    let held = kept.union(&self.perhaps_young).copied().collect();
                    before.went_whole(&after, &held, &text);
                }
            }
            May::Lose(number) => {
                let mut closure = before.closure(&shelved(number).digest);
                // What is about something goes with it, and what is about that.
                for _ in 0..MANIFESTS {
                    let about = before
                        .manifests()
                        .filter(|one| before.is_about_any(one, &closure));
                    let about: Vec<Digest> = about.map(|one| one.digest).collect();
                    closure.extend(about.iter().flat_map(|digest| before.closure(digest)));
                }
                assert!(lost.is_subset(&closure), "{text}: {lost:?}");
                let left = after.manifests().find(|one| {
                    before.is_about_any(one, &lost) && !after.is_tagged(one) && !after.is_named(one)
                });
                assert!(left.is_none(), "{text}: {left:?} is about what has gone");
                before.went_whole(&after, &HashSet::new(), &text);
            }
        }
        let blobs = self.condemned.iter().filter(|one| one.remains == Remains::Blob);
        let condemned = blobs.map(|one| *one.digest());
        let unlisted: HashSet<Digest> = self.orphans.iter().copied().chain(condemned).collect();
        accounted(&self.cache, &self.bed.dir, &unlisted, &text);
        let running: Vec<u8> = self.fills.keys().copied().collect();
        partials_accounted(&self.cache, &self.bed.dir, &running, &text);
    }

    fn sight(&self) -> Sight {
        Sight::of(&self.cache, &self.name, TAGS)
    }

    async fn settle(&self) {
        let nobody = self.image(TAGS);
        self.cache.unpin(&nobody).await.expect("asked");
    }

    fn image(&self, tag: u8) -> Image {
        Image {
            repository: self.name.clone(),
            reference: Reference::Tag(numbered(tag)),
        }
    }

    fn pinned(&self, sight: &Sight) -> Vec<Digest> {
        let tags = self.pins.iter();
        tags.filter_map(|tag| sight.tags.get(tag).copied()).collect()
    }

    /// What no collection may take now.
    fn kept(&self, sight: &Sight) -> HashSet<Digest> {
        let mut kept = self.held.clone();
        kept.extend(&self.touched);
        kept.extend(self.leases.iter().map(|(digest, _)| *digest));
        kept.extend(self.fills.keys().map(|number| layer_digest(*number)));
        for root in self.pinned(sight) {
            kept.extend(sight.closure(&root));
        }
        kept
    }

    fn asked_for(&mut self, digest: Digest) {
        self.used.insert(digest, self.clock.now());
        self.ever_used.insert(digest, self.clock.now());
        self.touched.insert(digest);
    }

    async fn carry_out(&mut self, step: Step, sight: &Sight) -> May {
        let cache = self.cache.clone();
        match step {
            Step::Arrive(number) => self.arrive(number).await,
            Step::Fill(number) => {
                if !self.fills.contains_key(&number) {
                    self.arrive(number).await;
                }
                if self.fills.contains_key(&number) {
                    self.arrive(number).await;
                }
            }
            Step::Abandon(number) => {
                if !self.fills.contains_key(&number) {
                    self.arrive(number).await;
                }
                if self.fills.remove(&number).is_some() {
                    self.left.insert(layer_digest(number), self.clock.now());
                }
            }
            Step::Small(number) => self.put_small(number).await,
            Step::Manifest(number) => self.put_manifest(number).await,
            Step::Pull(number) => self.pull(number).await,
            Step::Tag(tag, number) => {
                let digest = shelved(number).digest;
                if sight.here.contains(&digest) {
                    let now = self.clock.now();
                    let put = cache.put_tag(&self.name, &numbered(tag), digest, now).await;
                    put.expect("stored");
                    self.touched.insert(digest);
                }
            }
            Step::ForgetTag(tag) => {
                let forgotten = cache.forget_tag(&self.name, &numbered(tag)).await;
                forgotten.expect("forgotten");
            }
            Step::Read(number) => {
                let digest = layer_digest(number);
                if sight.here.contains(&digest) {
                    self.leases.push((digest, cache.lease(&digest)));
                    self.asked_for(digest);
                }
            }
            Step::LetGo => {
                if let Some((digest, lease)) = self.leases.pop() {
                    drop(lease);
                    self.touched.insert(digest);
                }
            }
            Step::Use(number) => self.use_it(&shelved(number).digest, sight),
            Step::UseLayer(number) => self.use_it(&layer_digest(number), sight),
            Step::Pin(tag) => {
                cache.pin(&self.image(tag)).await.expect("pinned");
                self.pins.insert(tag);
            }
            Step::Unpin(tag) => {
                let was = cache.unpin(&self.image(tag)).await.expect("unpinned");
                assert_eq!(was, self.pins.remove(&tag));
            }
            Step::Plan(goal) => self.make_plan(goal, sight).await,
            Step::Advance => {
                if let Some(plan) = &mut self.plan
                    && let Some(taken) = plan.advance().await.expect("carried out")
                {
                    let young = self.young(&self.left);
                    let partials = taken.files.iter().filter(|one| one.remains == Remains::Partial);
                    for one in partials {
                        assert!(!young.contains(one.digest()), "a partial went that was young");
                    }
                    self.condemned.extend(taken.files);
                }
                return May::LoseWhatIsNotHeld;
            }
            Step::EndPlan => self.plan = None,
            Step::Retire(number) => {
                let taken = cache.retire(&shelved(number).digest).await.expect("retired");
                self.retired_since |= taken.units > 0;
                self.condemned.extend(taken.files);
                return May::Lose(number);
            }
            Step::Remove => {
                remove(&self.bed.dir, &self.condemned);
                self.condemned.clear();
            }
            Step::Forget => self.forget(),
            Step::Save => cache.save_uses().await,
            Step::Compact => match self.compacting.take() {
                Some((held, compacting)) => {
                    drop(held);
                    compacting.await.expect("no panic").expect("compacted");
                }
                None => {
                    let held = self.bed.faulty.hold(Call::Create, "index.redb.new");
                    let compacting = async move { cache.compact_index(CompactWhen::RoomIsShort).await };
                    self.compacting = Some((held, tokio::spawn(compacting)));
                }
            },
            Step::Pass => pass(&self.clock, 2 * GRACE.as_secs()),
            Step::Close => {
                self.let_all_go();
                cache.close().await;
                self.reopen().await;
            }
            Step::Crash => self.crash().await,
            Step::PowerCut => {
                self.boot += 1;
                self.crash().await;
            }
            Step::Recover => {
                let recovery = cache.recover().await;
                let wrong = (recovery.damaged, recovery.errors, recovery.lost);
                assert_eq!(wrong, (0, 0, 0), "{recovery:?}");
                assert_eq!(recovery.unknown, [""; 0]);
                self.orphans.clear();
            }
        }
        May::LoseNothing
    }

    fn use_it(&mut self, digest: &Digest, sight: &Sight) {
        if sight.here.contains(digest) {
            self.cache.used(digest);
            self.asked_for(*digest);
        }
    }

    async fn make_plan(&mut self, goal: Goal, sight: &Sight) {
        // There is one at a time.
        self.plan = None;
        self.touched.clear();
        self.retired_since = false;
        self.held = self.kept_without_plan(sight);
        let goal = match goal {
            Goal::Bytes => Amount::new(6000, 0),
            Goal::Files => Amount::new(0, 2),
            Goal::Everything => Amount::new(1 << 40, 1 << 20),
        };
        let planned = self.cache.plan(terms(self.pinned(sight)), goal).await;
        let mut plan = planned.expect("planned");
        plan.in_pieces_of(3);
        self.plan = Some(plan);
    }

    /// What is in use, pinned or young.
    fn kept_without_plan(&mut self, sight: &Sight) -> HashSet<Digest> {
        self.held.clear();
        let mut kept = self.kept(sight);
        kept.extend(self.young(&self.used));
        self.perhaps_young = self.young(&self.ever_used);
        kept
    }

    fn young(&self, used: &HashMap<Digest, Timestamp>) -> HashSet<Digest> {
        let now = self.clock.now();
        let young = |at: &Timestamp| at.age(now).is_some_and(|age| age < GRACE);
        let all = used.iter().filter(|(_, at)| young(at));
        all.map(|(digest, _)| *digest).collect()
    }

    /// Condemned files are not removed, and nothing keeps anybody from them any more.
    fn forget(&mut self) {
        let blobs = self.condemned.iter().filter(|one| one.remains == Remains::Blob);
        self.orphans.extend(blobs.map(|one| *one.digest()));
        self.condemned.clear();
    }

    fn let_all_go(&mut self) {
        self.plan = None;
        self.held.clear();
        self.touched.clear();
        self.leases.clear();
        self.fills.clear();
        self.left.clear();
        // It goes on by itself, or is given up.
        self.compacting = None;
        self.forget();
    }

    async fn reopen(&mut self) {
        self.bed.faulty.boot_as(self.boot);
        let opened = Cache::open(self.bed.options(), self.clock.clone()).await;
        self.cache = opened.expect("opened");
    }

    async fn crash(&mut self) {
        self.settle().await;
        let left = quick_folder();
        copy_folder(&self.bed.dir, left.path());
        self.let_all_go();
        // Whatever of it was not written yet.
        self.used.clear();
        self.bed = Bed::at(left.path());
        self.past.push(left);
        self.reopen().await;
    }

    /// What is left in the end can go, and nothing of it stays on the disk.
    pub(super) async fn end(mut self) {
        for tag in std::mem::take(&mut self.pins) {
            self.cache.unpin(&self.image(tag)).await.expect("unpinned");
        }
        self.crash().await;
        self.carry_out(Step::Recover, &Sight::default()).await;
        pass(&self.clock, 2 * GRACE.as_secs());
        self.take(Step::Plan(Goal::Everything)).await;
        while !self.sight().here.is_empty() || !self.files().is_empty() {
            let before = self.files();
            let listed = self.cache.stats().blobs;
            self.take(Step::Advance).await;
            self.take(Step::Remove).await;
            let after = self.files();
            assert!(
                before != after || self.cache.stats().blobs < listed,
                "these stay for nobody: {after:?}"
            );
        }
        // The rest is hidden, or has no file.
        self.take(Step::Advance).await;
        let stats = self.cache.stats();
        assert_eq!((stats.blobs, stats.manifests, stats.bytes), (0, 0, 0));
        assert_eq!((stats.partials, stats.abandoned), (0, Amount::NOTHING));
    }

    fn files(&self) -> Vec<String> {
        let folders = ["blobs", "fill"].map(|folder| names(&self.bed.dir.join(folder)));
        folders.concat()
    }
}

/// What comes in.
impl World {
    async fn arrive(&mut self, number: u8) {
        let bytes = layer(number);
        let digest = layer_digest(number);
        if let Some(mut fill) = self.fills.remove(&number) {
            let rest = bytes.slice(fill.len() as usize..);
            fill.append(batch(&rest)).await.expect("written");
            let verified = fill.verify().expect("matches");
            verified.publish().await.expect("published");
            self.orphans.remove(&digest);
            self.asked_for(digest);
            return;
        }
        let size = Some(bytes.len() as u64);
        match self.cache.begin_fill(&self.name, &digest, size).await {
            Ok(mut fill) => {
                // It may have found an orphan, which is a partial again.
                let found = fill.len();
                assert!(found <= bytes.len() as u64);
                let upto = bytes.len().min(found as usize + 2000);
                let part = bytes.slice(found as usize..upto);
                fill.append(batch(&part)).await.expect("written");
                self.fills.insert(number, fill);
            }
            Err(error) => {
                assert_eq!(error.kind(), Kind::Busy, "{error}");
                let condemned = self.condemned.iter().any(|one| *one.digest() == digest);
                assert!(condemned, "nothing forbids to fill {digest}");
            }
        }
    }

    async fn put_small(&mut self, number: u8) {
        let bytes = configuration(number);
        let put = self.cache.put_small(&self.name, small(&bytes)).await;
        put.expect("stored");
        self.asked_for(configuration_digest(number));
    }

    async fn put_manifest(&mut self, number: u8) {
        let manifest = shelved(number);
        let put = self.cache.put_manifest(&self.name, &manifest).await;
        put.expect("stored");
        self.asked_for(manifest.digest);
        self.touched.extend(named_by(&manifest));
        self.touched.extend(links(&manifest).subject);
    }

    async fn pull(&mut self, number: u8) {
        let mut wanted = vec![number];
        while let Some(number) = wanted.pop() {
            self.put_manifest(number).await;
            let named = named_by(&shelved(number));
            wanted.extend((0..MANIFESTS).filter(|other| named.contains(&shelved(*other).digest)));
            for small in (0..SMALLS).filter(|other| named.contains(&configuration_digest(*other))) {
                self.put_small(small).await;
            }
            for number in (0..LAYERS).filter(|other| named.contains(&layer_digest(*other))) {
                let here = self.cache.blob(&self.name, &layer_digest(number));
                if matches!(here, Ok(Presence::Here(_))) || self.fills.contains_key(&number) {
                    continue;
                }
                self.arrive(number).await;
                if self.fills.contains_key(&number) {
                    self.arrive(number).await;
                }
            }
        }
    }
}
