//! Counting what is here, for a plan of what goes.
//!
//! Reads the index in pieces, so that no snapshot lives long, and makes of it a catalog: every piece of content
//! with what is remembered of it, and every image with what it needs. A piece of content is known by its
//! number in the order of the index; of its digest only eight bytes are kept, because there can be a million.
//!
//! | file | what |
//! |---|---|
//! | [`names`] | the digests of what is here |
//! | [`documents`] | manifests, and what they need |
//! | [`alone`] | what one image has and no other |
//!
//! Promises: about sixty bytes of memory per piece of content; what came or went while it was counted is left
//! to the [`Guard`](super::index::Guard) at the execution. Must not know: what is to be freed, and why.

mod alone;
mod documents;
mod names;

use std::{collections::HashMap, sync::Arc};

use super::{
    cache::Inner,
    error::CacheError,
    eviction::{Amount, Builder, Catalog, Cost, Hold, Member, MemberId, Record},
    index::{Place, Unit},
    uses::fingerprint,
};
use crate::{
    clock::Timestamp,
    oci::{Digest, UpstreamName},
};

pub(super) use alone::exclusive;
use documents::{Document, closure, documents};
use names::Names;

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

/// A member by its place in the order of the index, which is its number in the catalog.
type Number = u32;

/// An image of which a part passed through for lack of room cannot be pulled offline: it goes before others.
const INCOMPLETE: f64 = 0.125;

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
