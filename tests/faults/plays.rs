//! What every play of a fault has to show, whatever the fault.

use std::time::{Duration, Instant};

use tests::{
    client::{Complete, Request},
    digest,
    images::Image,
    stage::{Stage, TAG, blob_path, manifest},
    upstream::{At, Auth, Fault, Kind, Settings},
};

/// An answer, or the reset that stands for one, has to be there by then: clients hang on silence.
const FIRST_BYTE: Duration = Duration::from_secs(15);
/// A body has to end by then, one way or another.
const WHOLE: Duration = Duration::from_secs(40);
/// More requests than this for one thing would be a storm.
const STORM: usize = 12;

/// The faults of CLIENTS.md, each with the name it is reported by.
pub(crate) fn all() -> Vec<Fault> {
    // Years ahead: what a registry says whose clock, or ours, is wrong. It may not hang anyone.
    let date = "Wed, 21 Oct 2037 07:28:00 GMT".to_owned();
    vec![
        Fault::Challenge,
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::Status(408),
        Fault::Status(416),
        Fault::RetryAfter(429, "30".to_owned()),
        Fault::RetryAfter(429, date),
        Fault::Status(500),
        Fault::Status(501),
        Fault::Status(502),
        Fault::RetryAfter(503, "1".to_owned()),
        Fault::Status(504),
        Fault::Refused,
        Fault::ResetBeforeHeaders,
        Fault::ResetAfterHeaders,
        Fault::Silence,
        Fault::StallAt(At::Half),
        Fault::CutAt(At::Half),
        Fault::ResetAt(At::Half),
        Fault::Chunked,
        Fault::WrongDigest,
        Fault::NoDigest,
        Fault::FlipByte(At::Byte(0)),
        Fault::FlipByte(At::Last),
        Fault::Html,
        Fault::ExpiredRedirect,
        Fault::RedirectLoop,
        Fault::IgnoreRange,
        Fault::WrongContentRange,
        Fault::ContentEncoding,
        Fault::StaleToken,
        Fault::Trickle(1),
    ]
}

/// An upstream that wants tokens, with an image whose layer is neither inline nor large.
pub(crate) async fn stage() -> (Stage, Image) {
    let settings = Settings::default().auth(Auth::anonymous());
    let stage = Stage::with(settings, |c| c.upstream_key("tag_ttl", "\"0s\"")).await;
    let image = stage.image(1, 200_000);
    (stage, image)
}

/// The same, with the product's own patience: time enough to try again.
pub(crate) async fn patient_stage() -> (Stage, Image) {
    let settings = Settings::default().auth(Auth::anonymous());
    let stage = Stage::with(settings, |c| {
        c.upstream_key("tag_ttl", "\"0s\"")
            .set("fetch.first_byte_timeout", "\"8s\"")
    });
    let stage = stage.await;
    let image = stage.image(1, 200_000);
    (stage, image)
}

/// Asks for everything a client would, under the fault, and checks each answer by itself.
///
/// Gives true when all of it could be had.
pub(crate) async fn ask_for_all(stage: &Stage, image: &Image, what: &str) -> bool {
    let mut whole = true;
    for (method, reference) in [("HEAD", TAG), ("GET", TAG), ("GET", image.digest())] {
        let answer = ask(stage, manifest(method, reference), what).await;
        whole &= answer.is_some_and(|a| check_manifest(&a, image, method, what));
    }
    for blob in image.all_blobs() {
        let answer = ask(stage, Request::get(blob_path(&blob.digest)), what).await;
        whole &= answer.is_some_and(|a| check_blob(&a, &blob.digest, what));
    }
    whole
}

/// Nothing of a fill that failed is to be seen, and the upstream was not stormed.
pub(crate) fn check_upstream(stage: &Stage, image: &Image, what: &str) {
    let log = stage.upstream.log();
    for kind in [Kind::HeadManifest, Kind::GetManifest, Kind::Token, Kind::GetBlob] {
        // Two manifests by three requests, three blobs by one.
        assert!(
            log.count(kind) <= 3 * STORM,
            "{what}: {kind:?} {} times:\n{}",
            log.count(kind),
            log.story()
        );
    }
    for blob in image.all_blobs() {
        let asked = log.gets_of(&blob.digest).len();
        assert!(
            asked <= STORM,
            "{what}: {} was asked for {asked} times:\n{}",
            blob.digest,
            log.story()
        );
        for file in stage.larder.files_of(&blob.digest) {
            let published = !file.path.components().any(|c| c.as_os_str() == "fill");
            assert!(
                !published || file.size == blob.len(),
                "{what}: a partial blob is published: {file:?}"
            );
        }
    }
}

async fn ask(stage: &Stage, request: Request, what: &str) -> Option<Complete> {
    let started = Instant::now();
    let shown = format!("{what}: {request:?}");
    let head = tokio::time::timeout(FIRST_BYTE, request.send(stage.larder.address())).await;
    let Ok(head) = head else {
        panic!(
            "{shown}: no answer in {FIRST_BYTE:?}:\n{}",
            stage.upstream.log().story()
        );
    };
    // A reset is an answer that clients understand.
    let answer = head.ok()?;
    let Ok(body) = tokio::time::timeout(WHOLE, answer.complete()).await else {
        panic!(
            "{shown}: no end in {:?}:\n{}",
            started.elapsed(),
            stage.upstream.log().story()
        );
    };
    body.ok()
}

fn check_manifest(answer: &Complete, image: &Image, method: &str, what: &str) -> bool {
    check_status(answer, what);
    if answer.status != 200 {
        return false;
    }
    assert_eq!(
        answer.headers.text("docker-content-digest"),
        image.digest(),
        "{what}: {method}"
    );
    assert_eq!(
        answer.headers.length(),
        Some(image.manifest.len()),
        "{what}: {method}"
    );
    if method == "GET" {
        assert_eq!(answer.bytes, image.manifest.bytes, "{what}: {method}");
    }
    true
}

fn check_blob(answer: &Complete, wanted: &str, what: &str) -> bool {
    check_status(answer, what);
    if answer.status != 200 {
        return false;
    }
    assert_eq!(
        digest::sha256(&answer.bytes),
        wanted,
        "{what}: a whole 200 with wrong bytes"
    );
    assert_eq!(answer.headers.get("content-encoding"), None, "{what}");
    true
}

/// The only statuses a client may see: it goes on after a 404, and a 503 is for this box's own troubles.
fn check_status(answer: &Complete, what: &str) {
    assert!(
        matches!(answer.status, 200 | 404),
        "{what}: {} {}",
        answer.status,
        answer.text()
    );
    if answer.status == 404 {
        let reason = answer.headers.text("x-larder-reason");
        assert!(
            !reason.is_empty(),
            "{what}: a 404 without its reason: {}",
            answer.text()
        );
    }
}
