//! Every fault is played as it is described.

use std::time::Duration;

use tests::{
    client::{BodyError, Complete, Request},
    images::{Blob, noise},
    upstream::{At, Fault, Gate, Kind, Outcome, Rule, Times, Upstream},
};

const SIZE: usize = 300_000;
const HALF: u64 = SIZE as u64 / 2;

struct Stage {
    upstream: Upstream,
    blob: Blob,
}

impl Stage {
    async fn with(fault: Fault) -> Self {
        let upstream = Upstream::start().await;
        let blob = Blob::new("application/octet-stream", noise(7, SIZE));
        upstream.content().push_blob("a", &blob);
        upstream.script().once(Kind::GetBlob, fault);
        Self { upstream, blob }
    }

    fn request(&self) -> Request {
        Request::get(format!("/v2/a/blobs/{}", self.blob.digest))
    }

    async fn get(&self) -> Result<Complete, BodyError> {
        self.request()
            .send(self.upstream.address())
            .await?
            .complete()
            .await
    }

    async fn get_range(&self, range: &str) -> Complete {
        let answer = self
            .request()
            .range(range)
            .send(self.upstream.address())
            .await
            .expect("an answer");
        answer.complete().await.expect("a whole answer")
    }

    /// The fault was played once: after it all is well.
    async fn expect_recovery(&self) {
        assert_eq!(
            self.get().await.expect("all is well again").bytes,
            self.blob.bytes
        );
        assert_eq!(self.upstream.log().count(Kind::GetBlob), 2);
    }
}

fn cut_after(result: Result<Complete, BodyError>) -> (u64, std::io::ErrorKind) {
    match result.expect_err("the body is cut") {
        BodyError::Cut { after, cause } => (after, cause.kind()),
        BodyError::NoAnswer(cause) => panic!("no answer: {cause}"),
    }
}

#[tokio::test]
async fn statuses_and_words() {
    let date = "Wed, 21 Oct 2026 07:28:00 GMT";
    for (fault, status, header, value) in [
        (Fault::Status(503), 503, "content-type", "application/json"),
        (Fault::RetryAfter(429, "7".to_owned()), 429, "retry-after", "7"),
        (Fault::RetryAfter(503, date.to_owned()), 503, "retry-after", date),
        (Fault::Html, 200, "content-type", "text/html; charset=utf-8"),
        (Fault::Header("X-More", "yes".to_owned()), 200, "x-more", "yes"),
        (Fault::ContentEncoding, 200, "content-encoding", "gzip"),
        (
            Fault::Late(Duration::from_millis(5)),
            200,
            "accept-ranges",
            "bytes",
        ),
        (
            Fault::RedirectTo("http://127.0.0.1:1/".to_owned()),
            307,
            "location",
            "http://127.0.0.1:1/",
        ),
    ] {
        let stage = Stage::with(fault.clone()).await;
        let answer = stage.get().await.expect("an answer");
        assert_eq!(
            (answer.status, answer.headers.text(header)),
            (status, value),
            "{fault:?}"
        );
        stage.expect_recovery().await;
    }
}

#[tokio::test]
async fn a_challenge_and_redirects_that_lead_nowhere() {
    let stage = Stage::with(Fault::Challenge).await;
    let answer = stage.get().await.expect("an answer");
    assert_eq!(answer.status, 401);
    assert!(
        answer
            .headers
            .text("www-authenticate")
            .starts_with("Bearer realm=\"http://127.0.0.1:")
    );

    let stage = Stage::with(Fault::RedirectLoop).await;
    let answer = stage.get().await.expect("an answer");
    assert_eq!(
        answer.headers.text("location"),
        format!("/v2/a/blobs/{}", stage.blob.digest)
    );

    let stage = Stage::with(Fault::ExpiredRedirect).await;
    let answer = stage.get().await.expect("an answer");
    assert!(answer.headers.text("location").ends_with("signature=expired"));
}

#[tokio::test]
async fn resets_and_refusal() {
    let stage = Stage::with(Fault::ResetBeforeHeaders).await;
    let error = stage
        .request()
        .send(stage.upstream.address())
        .await
        .expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    stage.expect_recovery().await;

    let stage = Stage::with(Fault::ResetAfterHeaders).await;
    assert!(stage.get().await.is_err(), "the head may come, the body does not");
    stage.expect_recovery().await;

    let stage = Stage::with(Fault::Refused).await;
    assert!(stage.get().await.is_err());
    let refused = tests::wait::until("the port to close", tests::wait::PATIENCE, async || {
        stage.request().send(stage.upstream.address()).await.err()
    });
    assert_eq!(refused.await.kind(), std::io::ErrorKind::ConnectionRefused);
    stage.upstream.recover().await;
    stage.expect_recovery().await;
}

#[tokio::test]
async fn cuts() {
    let stage = Stage::with(Fault::CutAt(At::Half)).await;
    assert_eq!(
        cut_after(stage.get().await),
        (HALF, std::io::ErrorKind::UnexpectedEof)
    );
    let first = &stage.upstream.log().gets_of(&stage.blob.digest)[0];
    assert_eq!((first.sent(), first.outcome()), (HALF, Outcome::Played));
    stage.expect_recovery().await;

    // A place is counted in the whole blob: a range that begins behind it is not touched.
    let stage = Stage::with(Fault::CutAt(At::Byte(1000))).await;
    assert_eq!(
        stage.get_range("bytes=2000-").await.bytes,
        stage.blob.bytes.slice(2000..)
    );

    let stage = Stage::with(Fault::CutAt(At::Byte(3000))).await;
    let answer = stage
        .request()
        .range("bytes=2000-")
        .send(stage.upstream.address())
        .await
        .expect("an answer");
    assert_eq!(cut_after(answer.complete().await).0, 1000);

    let stage = Stage::with(Fault::ResetAt(At::Half)).await;
    assert_eq!(
        cut_after(stage.get().await).1,
        std::io::ErrorKind::ConnectionReset
    );
    stage.expect_recovery().await;
}

#[tokio::test]
async fn silence_stalls_and_trickles() {
    let short = Duration::from_millis(300);
    let stage = Stage::with(Fault::Silence).await;
    assert!(
        tokio::time::timeout(short, stage.get()).await.is_err(),
        "silence has no answer"
    );
    let stage = Stage::with(Fault::StallAt(At::Half)).await;
    let mut answer = stage
        .request()
        .send(stage.upstream.address())
        .await
        .expect("an answer");
    assert_eq!(
        answer.body.take(HALF).await.expect("the first half"),
        stage.blob.bytes.slice(..SIZE / 2)
    );
    assert!(
        tokio::time::timeout(short, answer.body.next(1)).await.is_err(),
        "nothing more comes"
    );
    drop(answer);
    stage.expect_recovery().await;

    let stage = Stage::with(Fault::Trickle(20)).await;
    let mut answer = stage
        .request()
        .send(stage.upstream.address())
        .await
        .expect("an answer");
    answer.body.take(2).await.expect("a trickle");
    let sent = stage.upstream.log().bytes_of(&stage.blob.digest);
    assert!((2..100).contains(&sent), "{sent}");
}

#[tokio::test]
async fn lies_about_content() {
    let stage = Stage::with(Fault::FlipByte(At::Last)).await;
    let answer = stage.get().await.expect("an answer");
    assert_eq!(answer.bytes[..SIZE - 1], stage.blob.bytes[..SIZE - 1]);
    assert_eq!(answer.bytes[SIZE - 1], stage.blob.bytes[SIZE - 1] ^ 0xff);
    stage.expect_recovery().await;

    let stage = Stage::with(Fault::WrongDigest).await;
    let answer = stage.get().await.expect("an answer");
    assert_ne!(answer.headers.text("docker-content-digest"), stage.blob.digest);
    assert_eq!(answer.bytes, stage.blob.bytes);

    let stage = Stage::with(Fault::NoDigest).await;
    assert_eq!(
        stage
            .get()
            .await
            .expect("an answer")
            .headers
            .get("docker-content-digest"),
        None
    );

    let stage = Stage::with(Fault::Chunked).await;
    let answer = stage.get().await.expect("an answer");
    assert_eq!(
        (answer.headers.length(), answer.bytes),
        (None, stage.blob.bytes.clone())
    );
    stage.expect_recovery().await;
}

#[tokio::test]
async fn lies_about_ranges() {
    let stage = Stage::with(Fault::IgnoreRange).await;
    let answer = stage.get_range("bytes=10-").await;
    assert_eq!((answer.status, answer.bytes.len()), (200, SIZE));

    let stage = Stage::with(Fault::WrongContentRange).await;
    let answer = stage.get_range("bytes=10-19").await;
    assert_eq!(
        (answer.status, answer.headers.text("content-range")),
        (206, "bytes 0-9/10")
    );
    assert_eq!(answer.bytes, stage.blob.bytes.slice(10..20));
}

#[tokio::test]
async fn a_gate_holds_until_the_test_opens_it() {
    let gate = Gate::default();
    let stage = Stage::with(Fault::Hold(At::Half, gate.clone())).await;
    let mut answer = stage
        .request()
        .send(stage.upstream.address())
        .await
        .expect("an answer");
    answer.body.take(HALF).await.expect("the first half");
    gate.reached().await;
    assert_eq!(stage.upstream.log().bytes_of(&stage.blob.digest), HALF);
    gate.open();
    let rest = answer.body.read_all().await.expect("the second half");
    assert_eq!(rest, stage.blob.bytes.slice(SIZE / 2..));
}

#[tokio::test]
async fn rules_count_what_they_match() {
    let stage = Stage::with(Fault::Status(500)).await;
    stage.upstream.script().clear();
    let other = stage
        .upstream
        .script()
        .add(Rule::on(Kind::GetBlob, Fault::Status(501)).of("other"));
    let second = Rule::on(Kind::GetBlob, Fault::Status(502)).times(Times::Nth(2));
    let second = stage.upstream.script().add(second);
    let late = stage
        .upstream
        .script()
        .add(Rule::on_all(Fault::Status(504)).times(Times::After(2)));
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(stage.get().await.expect("an answer").status);
    }
    assert_eq!(seen, [200, 502, 504, 504, 504]);
    assert_eq!((other.played(), second.played(), late.played()), (0, 1, 3));
}
