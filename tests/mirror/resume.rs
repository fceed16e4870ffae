//! An upstream that is cut is continued, not begun anew: at the same place, or at another endpoint.

use tests::{
    larder::Larder,
    stage::{Stage, quick},
    upstream::{At, Fault, Gate, Kind, Mode, Rule, Settings, Times, Upstream},
};

const SIZE: usize = 10 << 20;

/// So many places in the blob, in order, the same ones in every run.
fn places(count: usize) -> Vec<u64> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut places: Vec<u64> = (0..count).map(|_| random.u64(1..SIZE as u64)).collect();
    places.sort_unstable();
    places
}

#[tokio::test]
async fn cut_at_ten_places_and_no_byte_asked_twice() {
    let stage = Stage::start().await;
    let blob = stage.blob(1, SIZE);
    for (n, place) in places(10).into_iter().enumerate() {
        let rule = Rule::on(Kind::GetBlob, Fault::CutAt(At::Byte(place))).times(Times::Nth(n as u64 + 1));
        stage.upstream.script().add(rule);
    }
    stage.expect_blob(&blob).await;
    let log = stage.upstream.log();
    assert!(
        log.bytes_of(&blob.digest) * 100 <= blob.len() * 102,
        "{}",
        log.story()
    );
    assert!(log.gets_of(&blob.digest).len() >= 2, "{}", log.story());
    stage.upstream.log().clear();
    stage.expect_blob(&blob).await;
    assert_eq!(log.bytes_of(&blob.digest), 0, "what was resumed is cached");
}

#[tokio::test]
async fn a_reset_in_the_middle_is_resumed() {
    let stage = Stage::start().await;
    let blob = stage.blob(1, SIZE);
    stage
        .upstream
        .script()
        .once(Kind::GetBlob, Fault::ResetAt(At::Half));
    stage.expect_blob(&blob).await;
    let gets = stage.upstream.log().gets_of(&blob.digest);
    assert!(
        gets.iter().skip(1).all(|r| r.range_start() > 0),
        "{}",
        stage.upstream.log().story()
    );
}

#[tokio::test]
async fn a_stall_ends_by_the_progress_deadline_and_is_resumed() {
    let stage = Stage::start().await;
    let blob = stage.blob(1, SIZE);
    stage
        .upstream
        .script()
        .once(Kind::GetBlob, Fault::StallAt(At::Half));
    stage.expect_blob(&blob).await;
    let gets = stage.upstream.log().gets_of(&blob.digest);
    assert_eq!(gets.len(), 2, "{}", stage.upstream.log().story());
    assert!(gets[1].range_start() > 0);
}

#[tokio::test]
async fn a_trickle_that_moves_is_not_cut() {
    let stage = Stage::with(Settings::default(), |c| c.set("fetch.progress_timeout", "\"1s\"")).await;
    let blob = stage.blob(1, 100_000);
    // 2.5 s in all: far beyond the deadline, but never a second without a byte.
    stage
        .upstream
        .script()
        .once(Kind::GetBlob, Fault::Trickle(40_000));
    stage.expect_blob(&blob).await;
    assert_eq!(
        stage.upstream.log().gets_of(&blob.digest).len(),
        1,
        "{}",
        stage.upstream.log().story()
    );
}

#[tokio::test]
async fn the_next_endpoint_goes_on_where_the_first_one_stopped() {
    let first = Upstream::start().await;
    let second = Settings::default().content(first.content()).start().await;
    let larder = Larder::start(quick(&[first.url(), second.url()])).await;
    let stage = Stage {
        upstream: first,
        larder,
    };
    let blob = stage.blob(1, SIZE);
    let gate = Gate::default();
    stage
        .upstream
        .script()
        .once(Kind::GetBlob, Fault::Hold(At::Half, gate.clone()));
    let (start, mut body) = stage.begin(&blob, 1000).await;
    gate.reached().await;
    stage.upstream.set_mode(Mode::Refusing).await;
    let rest = body.read_all().await.expect("the same answer goes on");
    assert!([start, rest].concat() == blob.bytes);
    let gets = second.log().gets_of(&blob.digest);
    assert_eq!(gets.len(), 1, "{}", second.log().story());
    // 128 KiB may be on their way when the first endpoint dies.
    assert!(
        gets[0].range_start() > SIZE as u64 / 2 - (1 << 20),
        "{}",
        second.log().story()
    );
}

#[tokio::test]
async fn an_upstream_without_ranges_is_survived() {
    for fault in [Fault::IgnoreRange, Fault::WrongContentRange, Fault::Status(416)] {
        let stage = Stage::start().await;
        let blob = stage.blob(1, 2 << 20);
        let script = stage.upstream.script();
        script.add(Rule::on(Kind::GetBlob, Fault::CutAt(At::Half)).times(Times::Nth(1)));
        script.add(Rule::on(Kind::GetBlob, fault.clone()).times(Times::Nth(2)));
        let answer = stage.larder.get(&tests::stage::blob_path(&blob.digest)).await;
        if let Ok(answer) = answer {
            assert!(
                answer.status != 200 || answer.bytes == blob.bytes,
                "{fault:?}: wrong bytes"
            );
        }
        stage.expect_blob(&blob).await;
        let bytes = stage.upstream.log().bytes_of(&blob.digest);
        assert!(
            bytes <= blob.len() * 3,
            "{fault:?}: {}",
            stage.upstream.log().story()
        );
    }
}

#[tokio::test]
async fn a_cdn_whose_address_expires_is_asked_for_anew() {
    let stage = Stage::with(Settings::default().redirects(), |c| c).await;
    let blob = stage.blob(1, SIZE);
    stage
        .upstream
        .script()
        .once(Kind::GetBlob, Fault::ExpiredRedirect);
    stage.upstream.script().once(Kind::Cdn, Fault::Status(403));
    stage
        .upstream
        .script()
        .add(Rule::on(Kind::Cdn, Fault::CutAt(At::Half)).times(Times::Nth(2)));
    stage.expect_blob(&blob).await;
    assert!(stage.upstream.log().bytes_of(&blob.digest) * 100 <= blob.len() * 102);
}
