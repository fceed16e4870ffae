//! What one image has and no other, for a person who wants it gone.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use super::{
    Names, Number, Terms,
    documents::{Document, closure, documents},
};
use crate::{
    cache::{cache::Inner, error::CacheError, eviction::Cost, index::Unit},
    oci::Digest,
};

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
pub(in crate::cache) fn exclusive(inner: &Inner, root: &Digest) -> Result<Option<Unit>, CacheError> {
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
        grace: Duration::ZERO,
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
