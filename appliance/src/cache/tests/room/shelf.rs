//! A few images that share layers, an index or two, and signatures.

use std::sync::LazyLock;

use super::*;
use crate::{cache::eviction::Cost, oci::Links};

pub(super) const LAYERS: u8 = 5;
pub(super) const SMALLS: u8 = 2;
pub(super) const MANIFESTS: u8 = 8;

/// Made once: they are looked at after every step.
static CONTENT: LazyLock<Vec<Bytes>> = LazyLock::new(|| {
    let layers = (0..LAYERS).map(|number| content(u64::from(number), 3000 + 1000 * usize::from(number)));
    let smalls = (0..SMALLS).map(|number| content(u64::from(number), 300 + 100 * usize::from(number)));
    layers.chain(smalls).collect()
});
static DIGESTS: LazyLock<Vec<Digest>> = LazyLock::new(|| CONTENT.iter().map(|bytes| digest(bytes)).collect());
static SHELF: LazyLock<Vec<Manifest>> = LazyLock::new(|| (0..MANIFESTS).map(made).collect());

pub(super) fn layer(number: u8) -> Bytes {
    CONTENT[usize::from(number)].clone()
}

pub(super) fn layer_digest(number: u8) -> Digest {
    DIGESTS[usize::from(number)]
}

pub(super) fn configuration(number: u8) -> Bytes {
    CONTENT[usize::from(LAYERS + number)].clone()
}

pub(super) fn configuration_digest(number: u8) -> Digest {
    DIGESTS[usize::from(LAYERS + number)]
}

pub(super) fn shelved(number: u8) -> Manifest {
    SHELF[usize::from(number)].clone()
}

/// A manifest of any kind, from what it names.
pub(super) fn naming(blobs: &[Digest], manifests: &[Digest], subject: Option<Digest>) -> Manifest {
    let list = |digests: &[Digest]| {
        let entries: Vec<String> = digests
            .iter()
            .map(|digest| format!(r#"{{"digest":"{digest}"}}"#))
            .collect();
        entries.join(",")
    };
    let subject = subject.map_or(String::new(), |digest| {
        format!(r#","subject":{{"digest":"{digest}"}}"#)
    });
    manifest(&format!(
        r#"{{"layers":[{}],"manifests":[{}]{subject}}}"#,
        list(blobs),
        list(manifests)
    ))
}

/// Four images, two indexes of them, and two signatures.
fn made(number: u8) -> Manifest {
    let image = |small: u8, layers: [u8; 2]| {
        let [one, other] = layers.map(layer_digest);
        naming(&[configuration_digest(small), one, other], &[], None)
    };
    let platforms = |one, other| naming(&[], &[made(one).digest, made(other).digest], None);
    let signature = |small: u8, of| naming(&[configuration_digest(small)], &[], Some(made(of).digest));
    match number {
        0 => image(0, [0, 1]),
        1 => image(0, [0, 2]),
        2 => image(1, [1, 3]),
        3 => image(1, [4, 0]),
        4 => platforms(0, 1),
        5 => platforms(1, 2),
        6 => signature(1, 0),
        _ => signature(0, 4),
    }
}

pub(super) fn links(manifest: &Manifest) -> Links {
    Links::of(&manifest.bytes).expect("a manifest")
}

/// All blobs and manifests that a manifest names.
pub(super) fn named_by(manifest: &Manifest) -> Vec<Digest> {
    let links = links(manifest);
    let all = links.blobs.iter().chain(&links.manifests);
    all.map(|link| link.digest).collect()
}

pub(super) const GRACE: Duration = Duration::from_secs(60);

/// Terms with these pins.
pub(super) fn terms(pinned: Vec<Digest>) -> Terms {
    Terms {
        pinned: Arc::new(move || pinned.clone()),
        grace: GRACE,
        cost: Arc::new(|_| Cost::ORDINARY),
    }
}

/// Time passes. For all threads, unlike the runtime's own clock.
pub(super) fn pass(clock: &Clock, seconds: u64) {
    clock.not_before(crate::clock::Timestamp(clock.now().0 + seconds));
}

/// Removes the files of what has gone, as the caller of a collection does.
pub(super) fn remove(dir: &Path, condemned: &[Condemned]) {
    for one in condemned {
        let folder = match one.remains {
            Remains::Blob => "blobs",
            Remains::Partial => "fill",
        };
        fs::remove_file(dir.join(folder).join(one.digest().file_name())).expect("removed");
    }
}
