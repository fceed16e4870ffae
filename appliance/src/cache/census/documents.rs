//! Manifests, and what each of them needs of what is here.

use std::collections::HashMap;

use super::{Names, Number, Terms};
use crate::{
    cache::{cache::Inner, error::CacheError, eviction::Cost},
    oci::{Link, Links},
};

/// A manifest that is here.
pub(super) struct Document {
    pub(super) member: Number,
    /// The manifests and blobs that it names and that are here.
    pub(super) children: Vec<Number>,
    pub(super) blobs: Vec<Number>,
    pub(super) subject: Option<Number>,
    /// Blobs that it names and that are not here.
    pub(super) missing: usize,
    /// One of them is on its way.
    pub(super) arrives: bool,
    pub(super) cost: Cost,
}

impl Document {
    /// Whether it can be pulled with what is here, as one platform of an index or by itself.
    pub(super) fn is_of_use(&self) -> bool {
        self.missing == 0 && (self.children.is_empty() || !self.blobs.is_empty())
    }
}

/// Reads all manifests. An image of which a part is on its way is in use.
pub(super) fn documents(inner: &Inner, names: &Names, terms: &Terms) -> Result<Vec<Document>, CacheError> {
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

/// A root and all manifests below it.
pub(super) fn closure(root: usize, documents: &[Document], by_member: &HashMap<Number, usize>) -> Vec<usize> {
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
