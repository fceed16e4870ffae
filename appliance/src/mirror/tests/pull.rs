//! Pulling whole images ahead of time.

use std::sync::atomic::Ordering::SeqCst;

use futures_util::StreamExt as _;

use super::{super::*, *};
use crate::{oci::Image, source::Fault};
use source::Trouble;

fn wanted(tag: &str) -> Image {
    Image {
        repository: repository("a"),
        reference: tag.parse().expect("a tag"),
    }
}

/// An image for one platform with one large layer; the digests of its configuration and its layer.
fn image(source: &Scripted, tag: &str, architecture: &str, seed: u64) -> (Digest, Digest) {
    let configuration = format!(r#"{{"os":"linux","architecture":"{architecture}"}}"#);
    let configuration = source.hold(configuration.into());
    let layer = source.hold(content(300_000, seed));
    let json = format!(
        r#"{{"config":{{"digest":"{configuration}"}},"layers":[{{"digest":"{layer}","size":300000}}]}}"#
    );
    source.tag(tag, &json);
    (configuration, layer)
}

/// An index over `amd` and `arm`, which are tagged as images of their own too.
fn index(source: &Scripted) {
    let entry = |tag: &str, architecture: &str| {
        let digest = source.tags.lock()[tag].digest;
        format!(r#"{{"digest":"{digest}","platform":{{"os":"linux","architecture":"{architecture}"}}}}"#)
    };
    let json = format!(
        r#"{{"manifests":[{},{}]}}"#,
        entry("amd", "amd64"),
        entry("arm", "arm64")
    );
    source.tag("both", &json);
}

async fn pull(bed: &Bed, tag: &str, platform: Option<&str>) -> (Vec<Progress>, Result<(u64, u64), String>) {
    let platform = platform.map(|text| text.parse().expect("a platform"));
    let mut reports: Vec<_> = bed.mirror.pull(wanted(tag), platform).collect().await;
    let end = match reports.pop() {
        Some(Progress::Done { bytes, fetched, .. }) => Ok((bytes, fetched)),
        Some(Progress::Failed(error)) => Err(error.to_string()),
        other => panic!("ended by {other:?}"),
    };
    (reports, end)
}

fn states(reports: &[Progress], wanted: Digest) -> Vec<BlobState> {
    let mut states: Vec<_> = reports
        .iter()
        .filter_map(|report| match report {
            Progress::Blob { digest, state, .. } if *digest == wanted => Some(*state),
            _ => None,
        })
        .collect();
    states.dedup();
    states
}

#[tokio::test]
async fn what_was_pulled_is_whole_and_is_not_fetched_again() {
    let bed = Bed::new().await;
    let (configuration, layer) = image(&bed.source, "amd", "amd64", 1);
    let (reports, end) = pull(&bed, "amd", None).await;
    let (bytes, fetched) = end.expect("pulled");
    assert!(bytes > 300_000 && fetched == bytes, "{bytes} {fetched}");
    assert!(matches!(reports[0], Progress::Resolved { .. }));
    for digest in [configuration, layer] {
        let states = states(&reports, digest);
        assert_eq!(states.first(), Some(&BlobState::Waiting), "{states:?}");
        assert_eq!(states.last(), Some(&BlobState::Fetched), "{states:?}");
    }
    let kept = bed.mirror.inventory().expect("a list");
    assert_eq!(
        (kept.len(), kept[0].completeness, kept[0].bytes),
        (1, Completeness::Whole, bytes)
    );
    assert_eq!(kept[0].platforms[0].to_string(), "linux/amd64");

    let gets = bed.source.blob_gets.load(SeqCst);
    let (reports, end) = pull(&bed, "amd", Some("linux/amd64")).await;
    assert_eq!(end, Ok((bytes, 0)));
    assert_eq!(states(&reports, layer), [BlobState::Waiting, BlobState::Cached]);
    assert_eq!(bed.source.blob_gets.load(SeqCst), gets);
}

#[tokio::test]
async fn of_an_index_what_is_wanted_is_fetched() {
    let bed = Bed::new().await;
    image(&bed.source, "amd", "amd64", 1);
    image(&bed.source, "arm", "arm64", 2);
    index(&bed.source);
    let (_, end) = pull(&bed, "both", Some("linux/riscv64")).await;
    let error = end.expect_err("not there");
    assert!(error.contains("linux/amd64, linux/arm64"), "{error}");
    assert_eq!(bed.source.blob_gets.load(SeqCst), 0);

    let (_, end) = pull(&bed, "both", Some("linux/arm64")).await;
    let (one, _) = end.expect("pulled");
    let kept = bed.mirror.inventory().expect("a list");
    assert_eq!(kept[0].completeness, Completeness::Whole);
    assert_eq!(kept[0].platforms, ["linux/arm64".parse().expect("a platform")]);

    let (_, end) = pull(&bed, "both", None).await;
    let (both, fetched) = end.expect("pulled");
    assert!(both > one + 300_000 && fetched < both, "{one} {both} {fetched}");
    assert_eq!(bed.mirror.inventory().expect("a list")[0].platforms.len(), 2);
}

#[tokio::test]
async fn a_single_image_of_another_platform_is_refused_before_its_layers() {
    let bed = Bed::new().await;
    image(&bed.source, "amd", "amd64", 1);
    let (_, end) = pull(&bed, "amd", Some("linux/arm64")).await;
    let error = end.expect_err("another platform");
    assert!(error.contains("it is for linux/amd64"), "{error}");
    assert_eq!(bed.source.blob_gets.load(SeqCst), 1, "the configuration only");
}

#[tokio::test]
async fn what_cannot_be_had_is_told() {
    let bed = Bed::new().await;
    let (_, layer) = image(&bed.source, "amd", "amd64", 1);
    bed.source.blobs.lock().remove(&layer);
    let (reports, end) = pull(&bed, "amd", None).await;
    let error = end.expect_err("a layer is missing");
    assert!(
        error.starts_with("1 of 2 blobs") && error.contains(&layer.to_string()),
        "{error}"
    );
    assert_eq!(states(&reports, layer).last(), Some(&BlobState::Failed));
    assert_eq!(
        bed.mirror.inventory().expect("a list")[0].completeness,
        Completeness::Partial
    );

    bed.source.make(Trouble::Refuse(Fault::NotFound));
    let (_, end) = pull(&bed, "nothing", None).await;
    let error = end.expect_err("no manifest");
    assert!(error.contains("up.test/a:nothing"), "{error}");
}

#[tokio::test]
async fn who_stops_listening_does_not_stop_the_fill() {
    let bed = Bed::new().await;
    let (_, layer) = image(&bed.source, "amd", "amd64", 1);
    bed.source.gate.forget_permits(usize::MAX);
    bed.source.gate.add_permits(2);
    let mut reports = bed.mirror.pull(wanted("amd"), None);
    while let Some(report) = reports.next().await {
        if matches!(report, Progress::Blob { digest, state: BlobState::Fetching, .. } if digest == layer) {
            break;
        }
    }
    drop(reports);
    bed.source.gate.add_permits(100);
    bed.settled().await;
    assert_eq!(bed.pull(&layer).await.map(|bytes| bytes.len()), Ok(300_000));
    assert_eq!(bed.source.blob_gets.load(SeqCst), 2, "each blob once");
}
