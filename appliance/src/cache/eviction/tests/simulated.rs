//! The benchmark's own code, on its own small trace.

#[path = "../../../../benches/eviction/replay.rs"]
mod replay;
#[path = "../../../../benches/eviction/trace.rs"]
mod trace;

use std::sync::LazyLock;

use super::*;
use replay::{Algorithm, Grouping, Score, Setup};
use trace::Trace;

static TRACE: LazyLock<Trace> = LazyLock::new(|| Trace::zipf(1, 3000));

fn score(algorithm: Algorithm, percent: u64, files: u64) -> Score {
    let all: u64 = TRACE.sizes.iter().sum();
    let capacity = Amount::new(all / 100 * percent, files);
    let setup = Setup {
        algorithm,
        capacity,
        inline_below: 0,
        seconds_per_line: 6.0,
    };
    let score = replay::replay(&TRACE, setup);
    assert!(score.peak.bytes < capacity.bytes + (1 << 30), "{score:?}");
    assert!(files == 0 || score.peak.inodes <= files, "{score:?}");
    score
}

#[test]
fn a_trace_is_read_as_it_is_written() {
    let folder = tempfile::tempdir().expect("folder");
    let text = "v2\nv2/u/r/manifests/t\nv2/u/r/blobs/a\nv2/u/other/blobs/b\nv2/u/r/blobs/a\n";
    let packed = zstd::encode_all(text.as_bytes(), 1).expect("packed");
    for (name, bytes) in [("plain", text.as_bytes()), ("packed", &packed)] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        let trace = Trace::read(&path).expect("read");
        assert_eq!((trace.lines, trace.requests.len(), trace.pulls), (5, 4, 1));
        assert_eq!(trace.images, [[0]]);
        assert_eq!(trace.sizes.len(), 2);
        assert_eq!(trace.name, name);
    }
}

#[test]
fn the_default_policy_beats_plain_lru() {
    let plain = score(Algorithm::Brim, 10, 0);
    let ours = Algorithm::Production(Kind::Gdsf, Grouping::Images);
    let score = score(ours, 10, 0);
    assert_eq!(plain.requests, score.requests);
    assert!(score.hits > plain.hits, "{score:?} {plain:?}");
    assert!(score.whole_pulls > plain.whole_pulls, "{score:?} {plain:?}");
}

#[test]
fn all_policies_keep_within_both_limits() {
    for kind in KINDS {
        for grouping in [Grouping::Blobs, Grouping::Images] {
            let score = score(Algorithm::Production(kind, grouping), 20, 300);
            assert!(score.evicted > 1000 && score.hits > 1000, "{kind:?} {score:?}");
        }
    }
}
