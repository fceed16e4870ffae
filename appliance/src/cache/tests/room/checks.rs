//! What must hold, whatever was done.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{shelf::*, *};
use crate::cache::{eviction::Amount, index::Place};

/// What can be seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Sight {
    /// Manifests and blobs.
    pub(super) here: HashSet<Digest>,
    pub(super) tags: BTreeMap<u8, Digest>,
}

impl Sight {
    /// Looks; what is seen is what its digest says.
    pub(super) fn of(cache: &Cache, name: &Repository, tags: u8) -> Self {
        let mut sight = Self::default();
        let layers = (0..LAYERS).map(|number| (layer_digest(number), layer(number)));
        let smalls = (0..SMALLS).map(|number| (configuration_digest(number), configuration(number)));
        for (digest, bytes) in layers.chain(smalls) {
            if let Some(content) = seen(cache, name, &digest) {
                assert_eq!(content, bytes);
                sight.here.insert(digest);
            }
        }
        for expected in (0..MANIFESTS).map(shelved) {
            if let Some(found) = cache.manifest(name, &expected.digest).expect("read") {
                assert_eq!(found.bytes, expected.bytes);
                sight.here.insert(found.digest);
            }
        }
        for number in 0..tags {
            if let Some(record) = cache.tag(name, &numbered(number)).expect("read") {
                sight.tags.insert(number, record.digest);
            }
        }
        sight
    }

    pub(super) fn manifests(&self) -> impl Iterator<Item = Manifest> {
        let all = (0..MANIFESTS).map(shelved);
        all.filter(|manifest| self.here.contains(&manifest.digest))
    }

    /// A manifest with all that it needs and is here.
    pub(super) fn closure(&self, root: &Digest) -> HashSet<Digest> {
        let mut all: HashSet<Digest> = [*root].into();
        let mut next = vec![*root];
        while let Some(digest) = next.pop() {
            let known = self.manifests().find(|manifest| manifest.digest == digest);
            for link in known.iter().flat_map(named_by) {
                if self.here.contains(&link) && all.insert(link) {
                    next.push(link);
                }
            }
        }
        all
    }

    /// Whether it is about one of these, as a signature is.
    pub(super) fn is_about_any(&self, manifest: &Manifest, digests: &HashSet<Digest>) -> bool {
        let subject = links(manifest).subject;
        subject.is_some_and(|subject| digests.contains(&subject))
    }

    pub(super) fn is_tagged(&self, manifest: &Manifest) -> bool {
        self.tags.values().any(|digest| *digest == manifest.digest)
    }

    /// Whether another manifest names it.
    pub(super) fn is_named(&self, manifest: &Manifest) -> bool {
        self.manifests()
            .any(|one| named_by(&one).contains(&manifest.digest))
    }

    /// What is not here any more.
    pub(super) fn lost(&self, after: &Self) -> HashSet<Digest> {
        self.here.difference(&after.here).copied().collect()
    }

    /// Nothing that is listed lost a part.
    pub(super) fn stayed_whole(&self, after: &Self, step: &str) {
        for manifest in after.manifests().filter(|one| self.here.contains(&one.digest)) {
            for link in named_by(&manifest) {
                assert!(
                    !self.here.contains(&link) || after.here.contains(&link),
                    "{step}: {} stays without {link}",
                    manifest.digest
                );
            }
        }
        for (tag, stands_for) in &after.tags {
            assert!(
                after.here.contains(stands_for) || !self.here.contains(stands_for),
                "{step}: tag {tag} stands for {stands_for}, which is not here any more"
            );
        }
    }

    /// Of a manifest that went, nothing stays that nobody needs, but for what had to.
    pub(super) fn went_whole(&self, after: &Self, held: &HashSet<Digest>, step: &str) {
        let needed: HashSet<Digest> = after
            .manifests()
            .flat_map(|manifest| named_by(&manifest))
            .collect();
        for gone in self.manifests().filter(|one| !after.here.contains(&one.digest)) {
            for link in named_by(&gone) {
                let stays = after.here.contains(&link) && self.here.contains(&link);
                let tagged = after.tags.values().any(|digest| *digest == link);
                assert!(
                    !stays || tagged || needed.contains(&link) || held.contains(&link),
                    "{step}: {link} of {} stays for nobody",
                    gone.digest
                );
            }
        }
    }
}

pub(super) fn numbered(number: u8) -> Tag {
    tag(&format!("t{number}"))
}

/// All that is listed: where it is, and its bytes.
fn rows(cache: &Cache) -> Vec<(Digest, Place, u64)> {
    let mut rows = Vec::new();
    let mut after = None;
    loop {
        let piece = cache.inner.index.blobs_after(after.as_ref()).expect("read");
        let Some((last, _)) = piece.last() else {
            return rows;
        };
        after = Some(*last);
        rows.extend(piece.iter().map(|(digest, row)| (*digest, row.place, row.size)));
    }
}

/// What is counted of partials is what is there: of those that are `running` their whole lengths.
pub(super) fn partials_accounted(cache: &Cache, dir: &Path, running: &[u8], step: &str) {
    // What was just done is looked at when it matters.
    cache.pressure().expect("asked");
    let running: BTreeMap<String, u64> = running
        .iter()
        .map(|number| (layer_digest(*number).file_name(), layer(*number).len() as u64))
        .collect();
    let files = names(&dir.join("fill"));
    let left: Vec<&String> = files.iter().filter(|name| !running.contains_key(*name)).collect();
    let length = |name: &String| fs::metadata(dir.join("fill").join(name)).expect("there").len();
    let left = Amount::new(left.iter().map(|name| length(name)).sum(), left.len() as u64);
    assert_eq!(cache.stats().abandoned, left, "{step}: {files:?}");
    let whole = Amount::new(running.values().sum(), running.len() as u64);
    assert_eq!(cache.inner.admission.promised(), left + whole, "{step}");
}

/// What is counted is what is there. `unlisted` are the files that may be there besides.
pub(super) fn accounted(cache: &Cache, dir: &Path, unlisted: &HashSet<Digest>, step: &str) {
    let rows = rows(cache);
    let stats = cache.stats();
    let sum = |place| -> (u64, u64) {
        let of = rows.iter().filter(|(_, of, _)| *of == place);
        of.fold((0, 0), |(count, bytes), (_, _, size)| (count + 1, bytes + size))
    };
    assert_eq!(
        (stats.files, stats.bytes - stats.inline_bytes),
        sum(Place::File),
        "{step}"
    );
    assert_eq!((stats.inline, stats.inline_bytes), sum(Place::Inline), "{step}");
    assert_eq!(stats.blobs, rows.len() as u64, "{step}");
    let listed: BTreeMap<String, u64> = rows
        .iter()
        .filter(|(_, place, _)| *place == Place::File)
        .map(|(digest, _, size)| (digest.file_name(), *size))
        .collect();
    let files: BTreeSet<String> = names(&dir.join("blobs")).into_iter().collect();
    for (name, size) in &listed {
        let found = fs::metadata(dir.join("blobs").join(name)).map(|file| file.len());
        assert_eq!(found.ok(), Some(*size), "{step}: the listed file {name}");
    }
    let unlisted: BTreeSet<String> = unlisted.iter().map(Digest::file_name).collect();
    for name in files {
        assert!(
            listed.contains_key(&name) || unlisted.contains(&name),
            "{step}: nobody knows of the file {name}"
        );
    }
}
