//! Counting what is here, for a plan of what goes.
//!
//! Reads the index in pieces, so that no snapshot lives long, and makes of it a catalog: every piece of content
//! with what is remembered of it, and every image with what it needs. A piece of content is known by its
//! number in the order of the index; of its digest only eight bytes are kept, because there can be a million.
//!
//! Promises: about sixty bytes of memory per piece of content; what came or went while it was counted is left
//! to the [`Guard`](super::index::Guard) at the execution. Must not know: what is to be freed, and why.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    cache::Inner,
    error::CacheError,
    eviction::{Amount, Builder, Catalog, Cost, Fingerprint, Hold, Member, MemberId, Record},
    index::{Place, Unit},
    uses::{KeyPrefix, fingerprint},
};
use crate::{
    clock::Timestamp,
    oci::{Algorithm, Digest, Link, Links, UpstreamName},
};

/// What decides over what may go, besides the content itself.
#[derive(Clone)]
pub struct Terms {
    /// Digests that people want kept: of manifests, with all that they need. Asked for while it is counted: what
    /// is pinned later is in demand.
    pub pinned: Arc<dyn Fn() -> Vec<Digest> + Send + Sync>,
    /// What was used or stored in the last so many seconds stays.
    pub grace: std::time::Duration,
    /// How dear it is to fetch from an upstream again.
    pub cost: Costs,
}

/// How dear it is to fetch from each upstream again.
pub type Costs = Arc<dyn Fn(&UpstreamName) -> Cost + Send + Sync>;

/// The names of what is here.
pub(super) struct Census {
    pub(super) names: Names,
    /// Tags by what they stand for.
    tags: HashMap<Number, Vec<Vec<u8>>>,
}

/// The digests of all members, as far as they are kept: in the order of the index.
#[derive(Debug, Default)]
pub(super) struct Names {
    all: Vec<Fingerprint>,
    /// Where those of the second algorithm begin.
    sha512: usize,
}

impl Names {
    fn with_capacity(count: usize) -> Self {
        Self {
            all: Vec::with_capacity(count),
            sha512: 0,
        }
    }

    fn push(&mut self, digest: &Digest) {
        if digest.algorithm() == Algorithm::Sha256 {
            self.sha512 += 1;
        }
        self.all.push(fingerprint(digest));
    }

    pub(super) fn get(&self, member: MemberId) -> Fingerprint {
        self.all[member.index()]
    }

    fn find(&self, digest: &Digest) -> Option<Number> {
        let (from, part) = match digest.algorithm() {
            Algorithm::Sha256 => (0, &self.all[..self.sha512]),
            Algorithm::Sha512 => (self.sha512, &self.all[self.sha512..]),
        };
        let name = fingerprint(digest);
        let at = part.binary_search_by_key(&name.0, |name| name.0).ok()?;
        Number::try_from(from + at).ok()
    }

    pub(super) fn prefix(&self, member: MemberId) -> KeyPrefix {
        self.prefix_of(member.index() as Number)
    }

    fn prefix_of(&self, number: Number) -> KeyPrefix {
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
    pub(super) fn sorted(&self) -> Vec<Fingerprint> {
        let mut all = self.all.clone();
        all.sort_unstable_by_key(|name| name.0);
        all
    }
}

/// A member by its place in the order of the index, which is its number in the catalog.
type Number = u32;

/// A manifest that is here.
struct Document {
    member: Number,
    /// The manifests and blobs that it names and that are here.
    children: Vec<Number>,
    blobs: Vec<Number>,
    subject: Option<Number>,
    /// Blobs that it names and that are not here.
    missing: usize,
    /// One of them is on its way.
    arrives: bool,
    cost: Cost,
}

/// An image of which a part passed through for lack of room cannot be pulled offline: it goes before others.
const INCOMPLETE: f64 = 0.125;

impl Document {
    /// Whether it can be pulled with what is here, as one platform of an index or by itself.
    fn is_of_use(&self) -> bool {
        self.missing == 0 && (self.children.is_empty() || !self.blobs.is_empty())
    }
}

/// Counts. Blocks, for about a second per million pieces of content.
pub(super) fn count(inner: &Inner, terms: &Terms, now: Timestamp) -> Result<(Census, Catalog), CacheError> {
    let sums = inner.index.sums()?;
    let expected = usize::try_from(sums.blobs).unwrap_or(0);
    let images = usize::try_from(sums.manifests).unwrap_or(0);
    let mut names = Names::with_capacity(expected);
    let mut builder = Builder::with_capacity(expected, images, images * 8);
    let mut ids = Vec::with_capacity(expected);
    let mut after = None;
    loop {
        let piece = inner.index.blobs_after(after.as_ref())?;
        let Some((last, _)) = piece.last() else { break };
        after = Some(*last);
        for (digest, row) in &piece {
            names.push(digest);
            let record = inner.uses.record(fingerprint(digest), row.created);
            let id = builder.member(Member {
                amount: Amount::new(row.size, u64::from(row.place == Place::File)),
                record,
                hold: hold(inner, digest, &record, terms, now),
                cost: Cost::ORDINARY,
            });
            ids.push(id);
        }
    }
    let pinned = (terms.pinned)();
    let documents = documents(inner, &names, terms)?;
    let mut tags: HashMap<Number, Vec<Vec<u8>>> = HashMap::new();
    for (digest, key) in inner.index.tag_keys()? {
        if let Some(member) = names.find(&digest) {
            tags.entry(member).or_default().push(key);
        }
    }
    for digest in &pinned {
        if let Some(member) = names.find(digest) {
            builder.also_hold(ids[member as usize], Hold::PINNED);
        }
    }
    let catalog = catalog(builder, &ids, &documents, &tags);
    let census = Census { names, tags };
    Ok((census, catalog))
}

fn hold(inner: &Inner, digest: &Digest, record: &Record, terms: &Terms, now: Timestamp) -> Hold {
    let mut hold = Hold::FREE;
    if inner.uses.is_leased(fingerprint(digest), now) || inner.admission.is_running(digest) {
        hold = hold | Hold::IN_USE;
    }
    // A time that has not come yet is one of a clock that was wrong: it does not hold for ever.
    if record.last_use().age(now).is_some_and(|age| age < terms.grace) {
        hold = hold | Hold::YOUNG;
    }
    hold
}

/// Reads all manifests. An image of which a part is on its way is in use.
fn documents(inner: &Inner, names: &Names, terms: &Terms) -> Result<Vec<Document>, CacheError> {
    let mut documents = Vec::new();
    let mut after = None;
    loop {
        let (piece, last) = inner.index.links_after(after.as_deref())?;
        for linked in piece {
            // A row without its content is nobody's: it goes when it is met.
            let Some(member) = names.find(&linked.digest) else {
                continue;
            };
            let Links {
                manifests,
                blobs,
                subject,
            } = linked.links;
            let arriving = |link: &Link| inner.admission.is_running(&link.digest);
            let arrives = blobs.iter().any(arriving);
            let here: Vec<Number> = blobs.iter().filter_map(|link| names.find(&link.digest)).collect();
            documents.push(Document {
                missing: blobs.len() - here.len(),
                arrives,
                member,
                children: manifests
                    .iter()
                    .filter_map(|link| names.find(&link.digest))
                    .collect(),
                blobs: here,
                subject: subject.and_then(|digest| names.find(&digest)),
                cost: (terms.cost)(&linked.upstream),
            });
        }
        match last {
            Some(last) => after = Some(last),
            None => return Ok(documents),
        }
    }
}

fn catalog(
    mut builder: Builder,
    ids: &[MemberId],
    documents: &[Document],
    tags: &HashMap<Number, Vec<Vec<u8>>>,
) -> Catalog {
    let id = |number: Number| ids[number as usize];
    let by_member: HashMap<Number, usize> = documents
        .iter()
        .enumerate()
        .map(|(at, document)| (document.member, at))
        .collect();
    let mut is_child = vec![false; documents.len()];
    for child in documents.iter().flat_map(|document| &document.children) {
        if let Some(at) = by_member.get(child) {
            is_child[*at] = true;
        }
    }
    let is_root = |at: usize| {
        let member = documents[at].member;
        let pinned = builder.hold(id(member)).has(Hold::PINNED);
        !is_child[at] || pinned || tags.contains_key(&member)
    };
    let roots: Vec<usize> = (0..documents.len()).filter(|at| is_root(*at)).collect();
    let closures: Vec<Vec<usize>> = roots
        .iter()
        .map(|root| closure(*root, documents, &by_member))
        .collect();
    // What holds a manifest holds the image: a client that has the index asks for the platform's.
    for (root, manifests) in roots.iter().zip(&closures) {
        let root = &documents[*root];
        let hold = manifests.iter().fold(Hold::FREE, |hold, at| {
            let document = &documents[*at];
            let arriving = if document.arrives {
                Hold::IN_USE
            } else {
                Hold::FREE
            };
            hold | builder.hold(id(document.member)).without(Hold::PINNED) | arriving
        });
        builder.also_hold(id(root.member), hold);
        let of_use = manifests.iter().any(|at| documents[*at].is_of_use());
        let cost = if of_use {
            root.cost
        } else {
            Cost::times(INCOMPLETE)
        };
        builder.price(id(root.member), cost);
    }
    let mut image_of = HashMap::new();
    let images: Vec<_> = roots
        .iter()
        .zip(&closures)
        .map(|(root, manifests)| {
            let members = manifests.iter().flat_map(|at| {
                let document = &documents[*at];
                std::iter::once(document.member)
                    .chain(document.blobs.iter().copied())
                    .map(id)
            });
            let image = builder.image(id(documents[*root].member), members);
            for at in manifests {
                image_of.entry(documents[*at].member).or_insert(image);
            }
            image
        })
        .collect();
    for (root, image) in roots.iter().zip(images) {
        let subject = documents[*root].subject;
        if let Some(subject) = subject.and_then(|subject| image_of.get(&subject)) {
            builder.about(image, *subject);
        }
    }
    builder.build()
}

/// A root and all manifests below it.
fn closure(root: usize, documents: &[Document], by_member: &HashMap<Number, usize>) -> Vec<usize> {
    let mut all = vec![root];
    let mut next = 0;
    while let Some(at) = all.get(next) {
        next += 1;
        let children = documents[*at].children.iter();
        let new: Vec<usize> = children
            .filter_map(|child| by_member.get(child).copied())
            .filter(|child| !all.contains(child))
            .collect();
        all.extend(new);
    }
    all
}

/// What a root has, and nobody else: also what is only about that, such as its signatures. What manifests outside of it
/// need stays, and so does a part of it that has a tag of its own.
fn had_alone(
    wanted: Number,
    documents: &[Document],
    by_member: &HashMap<Number, usize>,
    tagged: &HashSet<Number>,
) -> HashSet<Number> {
    let members = |root: Number| -> Vec<Number> {
        let Some(at) = by_member.get(&root) else {
            return vec![root];
        };
        closure(*at, documents, by_member)
            .into_iter()
            .flat_map(|at| std::iter::once(documents[at].member).chain(documents[at].blobs.iter().copied()))
            .collect()
    };
    let mut inside: HashSet<Number> = members(wanted).into_iter().collect();
    loop {
        let mut freed = inside.clone();
        for document in documents {
            let member = document.member;
            if !inside.contains(&member) || member != wanted && tagged.contains(&member) {
                for needed in members(member) {
                    freed.remove(&needed);
                }
            }
        }
        // A signature goes with what it is about, and so does what is about the signature.
        let about: Vec<Number> = documents
            .iter()
            .filter(|document| document.subject.is_some_and(|subject| freed.contains(&subject)))
            .map(|document| document.member)
            .filter(|member| !inside.contains(member) && !tagged.contains(member))
            .collect();
        if about.is_empty() {
            return freed;
        }
        inside.extend(about.into_iter().flat_map(members));
    }
}

/// What only one image has: the unit that goes when a person wants it gone. `None` when it is not here.
pub(super) fn exclusive(inner: &Inner, root: &Digest) -> Result<Option<Unit>, CacheError> {
    let mut names = Names::default();
    let mut after = None;
    loop {
        let piece = inner.index.blobs_after(after.as_ref())?;
        let Some((last, _)) = piece.last() else { break };
        after = Some(*last);
        piece.iter().for_each(|(digest, _)| names.push(digest));
    }
    let Some(wanted) = names.find(root) else {
        return Ok(None);
    };
    let terms = Terms {
        pinned: Arc::new(Vec::new),
        grace: std::time::Duration::ZERO,
        cost: Arc::new(|_| Cost::ORDINARY),
    };
    let documents = documents(inner, &names, &terms)?;
    let by_member: HashMap<Number, usize> = documents
        .iter()
        .enumerate()
        .map(|(at, document)| (document.member, at))
        .collect();
    let tags = inner.index.tag_keys()?;
    let tagged: HashSet<Number> = tags.iter().filter_map(|(digest, _)| names.find(digest)).collect();
    let freed = had_alone(wanted, &documents, &by_member, &tagged);
    let prefixes: Vec<_> = freed.iter().map(|number| names.prefix_of(*number)).collect();
    Ok(Some(Unit {
        tags: tags
            .into_iter()
            .filter(|(digest, _)| digest == root)
            .map(|(digest, key)| (key, digest))
            .collect(),
        freed: inner.index.digests_of(&prefixes)?.into_iter().flatten().collect(),
        after: Vec::new(),
    }))
}

impl Census {
    /// What a step of a plan means in the index. `None` when nothing of it is here any more.
    pub(super) fn unit(
        &self,
        inner: &Inner,
        roots: &[MemberId],
        freed: &[MemberId],
    ) -> Result<Unit, CacheError> {
        let digests = |members: &[MemberId]| {
            let prefixes: Vec<_> = members.iter().map(|member| self.names.prefix(*member)).collect();
            inner.index.digests_of(&prefixes)
        };
        let mut tags = Vec::new();
        for (root, digest) in roots.iter().zip(digests(roots)?) {
            if let (Some(digest), Some(keys)) = (digest, self.tags.get(&(root.index() as Number))) {
                tags.extend(keys.iter().map(|key| (key.clone(), digest)));
            }
        }
        Ok(Unit {
            tags,
            freed: digests(freed)?.into_iter().flatten().collect(),
            after: Vec::new(),
        })
    }
}
