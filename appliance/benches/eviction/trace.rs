//! Who asked for what, in order.

use std::{collections::HashMap, fs, io, path::Path};

/// One GET, by numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Manifest {
        image: u32,
        pull: u32,
    },
    /// A blob, as part of the pull whose manifest was asked for last in its repository, if any was.
    Blob {
        blob: u32,
        pull: Option<u32>,
    },
}

/// A trace. An image is a repository with a reference; its members are the blobs that were ever asked for in
/// that repository between a request for that reference and the next request for any: the traces have no
/// manifests' contents.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) name: String,
    pub(crate) requests: Vec<Request>,
    /// The blobs' sizes in bytes.
    pub(crate) sizes: Vec<u64>,
    /// The images' members.
    pub(crate) images: Vec<Vec<u32>>,
    pub(crate) pulls: u32,
    /// All lines, those that ask for nothing included: they make time pass.
    pub(crate) lines: u64,
}

impl Trace {
    /// Reads a trace of request paths, one a line, as text or compressed with zstd.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        let zstd = bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
        let text = if zstd {
            zstd::decode_all(&bytes[..])?
        } else {
            bytes
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self::parse(&name, &String::from_utf8_lossy(&text)))
    }

    /// A small one that is made: images by Zipf's law, on base layers by Zipf's law, at clients that have some
    /// of the layers already.
    pub(crate) fn zipf(seed: u64, pulls: u32) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut zipf = |count: u32, spread: f64| {
            // The inverse of a power law's distribution: rank 1 is the most frequent.
            let rank = f64::from(count).powf(random.f64().powf(spread));
            (rank as u32 - 1).min(count - 1)
        };
        let mut text = String::new();
        for pull in 0..pulls {
            // One in three images is new and never asked for again.
            let image = if zipf(3, 1.0) == 0 {
                10_000 + pull
            } else {
                zipf(400, 1.2)
            };
            let repository = format!("v2/u/r{}", image % 97);
            text += &format!("v2\n{repository}/manifests/t{image}\n");
            let base = zipf(40, 1.5);
            let bases = [image % 7, image % 40].map(|base| format!("base{base}"));
            let own = (0..3).map(|layer| format!("own{image}-{layer}"));
            for blob in bases.into_iter().chain(own) {
                if base % 3 != 0 || blob.starts_with("own") {
                    text += &format!("{repository}/blobs/{blob}\n");
                }
            }
        }
        Self::parse("made by Zipf's law", &text)
    }

    fn parse(name: &str, text: &str) -> Self {
        let mut trace = Self {
            name: name.to_owned(),
            ..Self::default()
        };
        let mut blobs = HashMap::new();
        let mut images = HashMap::new();
        let mut latest = HashMap::new();
        for line in text.lines() {
            trace.lines += 1;
            let parts: Vec<_> = line.split('/').collect();
            let [_, user, repository, kind, what] = parts[..] else {
                continue;
            };
            match kind {
                "manifests" => {
                    let image = *images.entry((user, repository, what)).or_insert_with(|| {
                        trace.images.push(Vec::new());
                        trace.images.len() as u32 - 1
                    });
                    let pull = trace.pulls;
                    trace.pulls += 1;
                    latest.insert((user, repository), (image, pull));
                    trace.requests.push(Request::Manifest { image, pull });
                }
                "blobs" => {
                    let blob = *blobs.entry(what).or_insert_with(|| {
                        trace.sizes.push(size(what));
                        trace.sizes.len() as u32 - 1
                    });
                    let pulled = latest.get(&(user, repository)).copied();
                    if let Some((image, _)) = pulled {
                        trace.images[image as usize].push(blob);
                    }
                    let pull = pulled.map(|(_, pull)| pull);
                    trace.requests.push(Request::Blob { blob, pull });
                }
                _ => {}
            }
        }
        for members in &mut trace.images {
            members.sort_unstable();
            members.dedup();
        }
        trace
    }
}

/// A number that depends on a name alone and is evenly spread.
fn hash(name: &str) -> u64 {
    let fnv = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    spread(fnv)
}

/// Mixes a number's bits.
pub(crate) fn spread(number: u64) -> u64 {
    let once = (number ^ number >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let twice = (once ^ once >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    twice ^ twice >> 33
}

/// 65 % of 100 B to 1 MB, 15 % to 10 MB, 15 % to 100 MB, 5 % to 1 GB, log-uniform inside a band.
fn size(name: &str) -> u64 {
    let hash = hash(name);
    let within = ((hash >> 20) % 1_000_003) as f64 / 1_000_003.0;
    let (from, factor): (f64, f64) = match hash % 100 {
        ..65 => (100.0, 1e4),
        65..80 => (1e6, 10.0),
        80..95 => (1e7, 10.0),
        _ => (1e8, 10.0),
    };
    (from * factor.powf(within)) as u64
}
