//! The mirror on a real cache, with a source that does what a test says.

mod aborts;
mod beats;
mod disks;
mod policy;
mod pull;
mod small;
mod source;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt;
use tempfile::TempDir;

use super::{BlobAnswer, BlobContent, Mirror, Names, Rules, Settings, Upstream, Upstreams};
use crate::{
    cache::{Cache, Options},
    clock::Clock,
    delivery::{Body, BodyError, Delivery, FileBody, Span},
    memory::{Budget, Buffer},
    metrics::Metrics,
    oci::{Algorithm, Digest, Repository},
    source::Source,
};
use source::Scripted;

/// A mirror with a scripted source, on a folder of its own.
struct Bed {
    mirror: Mirror,
    source: Arc<Scripted>,
    clock: Clock,
    metrics: Arc<Metrics>,
    _dir: TempDir,
}

impl Bed {
    async fn new() -> Self {
        Self::with(vec![Scripted::new("one")], |_| {}).await
    }

    /// With a patience that a busy machine does not use up.
    async fn with(sources: Vec<Arc<Scripted>>, tune: impl FnOnce(&mut Options)) -> Self {
        Self::waiting(Duration::from_secs(5), sources, tune).await
    }

    /// With a patience for who is to wait in vain.
    async fn waiting(
        patience: Duration,
        sources: Vec<Arc<Scripted>>,
        tune: impl FnOnce(&mut Options),
    ) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let mut options = Options::new(dir.path());
        tune(&mut options);
        let clock = Clock::starting_at(Duration::from_secs(1_800_000_000));
        let cache = Cache::open(options, clock.clone()).await.expect("a cache");
        let budget = Budget::new(8 << 20);
        let name = repository("a").upstream;
        let upstream = Upstream {
            name: name.clone(),
            sources: sources
                .iter()
                .map(|source| source.clone() as Arc<dyn Source>)
                .collect(),
            tag_ttl: Duration::from_secs(60),
            access: Arc::new(|_| true),
        };
        let settings = Settings {
            first_byte: patience,
            revalidation: Duration::from_millis(100),
            ..Settings::default()
        };
        let upstreams = Upstreams::new([upstream], None);
        let metrics = Arc::<Metrics>::default();
        let rules = Rules {
            upstreams,
            names: Names::new([name.clone()], name),
            settings,
        };
        let mirror = Mirror::new(rules, cache, budget, clock.clone(), metrics.clone());
        Self {
            mirror,
            source: sources[0].clone(),
            clock,
            metrics,
            _dir: dir,
        }
    }

    /// Pulls a whole blob as a client would.
    async fn pull(&self, digest: &Digest) -> Result<Vec<u8>, String> {
        let answer = self
            .mirror
            .blob(&repository("a"), digest)
            .await
            .map_err(|e| e.to_string())?;
        let body = self.body(answer);
        body.collect()
            .await
            .map(|collected| collected.to_bytes().to_vec())
            .map_err(|e| e.to_string())
    }

    fn body(&self, answer: BlobAnswer) -> Body {
        let pool = self.mirror.budget().transfers();
        let span = Span {
            start: 0,
            end: answer.content.size(),
        };
        let file = |file, growth| FileBody::new(file, span, growth, &Delivery::Copy, pool).expect("a body");
        match answer.content {
            BlobContent::Inline(bytes) => Body::buffer(Buffer::borrowed(bytes)),
            BlobContent::File { file: blob, .. } => Body::file(file(blob, None)),
            BlobContent::Growing {
                file: blob, growth, ..
            } => Body::file(file(blob, Some(growth))),
            BlobContent::Passing { onward, .. } => Body::stream(onward.open(span), span.length(), None),
        }
    }

    /// Waits until no fill is in flight, and says what is in use of the budget then.
    async fn settled(&self) -> u64 {
        let settled = async {
            while self.metrics.totals().fills_in_flight > 0 || self.mirror.budget().usage().in_use > 0 {
                tokio::task::yield_now().await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(20), settled).await;
        self.mirror.budget().usage().in_use
    }
}

fn repository(path: &str) -> Repository {
    Repository {
        upstream: "up.test".parse().expect("valid"),
        path: path.parse().expect("valid"),
    }
}

/// Content that is not the same anywhere.
fn content(length: usize, seed: u64) -> Bytes {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; length];
    rng.fill(&mut bytes);
    bytes.into()
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

/// The next data of a body, or how it ended.
async fn next(body: &mut Body) -> Option<Result<Buffer, BodyError>> {
    body.frame()
        .await
        .map(|frame| frame.map(|frame| frame.into_data().expect("data")))
}
