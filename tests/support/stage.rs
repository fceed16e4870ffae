//! The usual cast of a test: one scripted upstream called `registry.test`, one larder in front of it.
//!
//! Must not know: what the test is about.

use bytes::Bytes;

use crate::{
    client::{Complete, Request},
    images::{Blob, Compression, Image, ImageBuilder, Layer},
    larder::{Config, Larder},
    sequences::{self, ACCEPT},
    upstream::{Settings, Upstream},
    wait,
};

/// The repository in which a stage's content lies.
pub const REPOSITORY: &str = "team/app";
/// The name of its upstream.
pub const UPSTREAM: &str = "registry.test";
/// The tag of its image.
pub const TAG: &str = "v1";

pub struct Stage {
    pub upstream: Upstream,
    pub larder: Larder,
}

impl Stage {
    /// A healthy upstream and a larder with short deadlines.
    pub async fn start() -> Self {
        Self::with(Settings::default(), |config| config).await
    }

    pub async fn with(settings: Settings, configure: impl FnOnce(Config) -> Config) -> Self {
        let upstream = settings.start().await;
        let larder = Larder::start(configure(quick(&[upstream.url()]))).await;
        Self { upstream, larder }
    }

    /// Puts a blob into the repository.
    pub fn blob(&self, seed: u64, size: usize) -> Blob {
        let blob = Blob::new("application/octet-stream", crate::images::noise(seed, size));
        self.upstream.content().push_blob(REPOSITORY, &blob);
        blob
    }

    /// Puts an image of two layers, small and `size`, into the repository.
    pub fn image(&self, seed: u64, size: usize) -> Image {
        let image = image(seed, size);
        self.upstream.content().push(REPOSITORY, TAG, &image);
        image
    }

    /// GETs a blob to its end and wants it to be right.
    pub async fn expect_blob(&self, blob: &Blob) -> Complete {
        let answer = self.larder.get(&blob_path(&blob.digest)).await;
        let answer =
            answer.unwrap_or_else(|e| panic!("{}: {e}\n{}", blob.digest, self.upstream.log().story()));
        assert_eq!(
            answer.status,
            200,
            "{}\n{}",
            answer.text(),
            self.upstream.log().story()
        );
        assert!(
            answer.bytes == blob.bytes,
            "the bytes of {} are wrong",
            blob.digest
        );
        answer
    }

    /// GETs a manifest by tag or digest.
    pub async fn manifest(&self, reference: &str) -> Complete {
        let answer = manifest("GET", reference)
            .send(self.larder.address())
            .await
            .expect("larder answers");
        answer.complete().await.expect("a manifest's answer is whole")
    }

    /// HEADs a manifest by tag or digest.
    pub async fn manifest_head(&self, reference: &str) -> Complete {
        let answer = manifest("HEAD", reference)
            .send(self.larder.address())
            .await
            .expect("larder answers");
        answer.complete().await.expect("a HEAD has no body")
    }

    /// Pulls the stage's image as containerd does.
    pub async fn pull(&self) -> Result<String, sequences::Failure> {
        sequences::containerd(self.larder.address(), UPSTREAM, REPOSITORY, TAG).await
    }

    /// Waits until nothing is being filled any more: a blob is published shortly after its last byte was
    /// served.
    pub async fn settled(&self) {
        let settled = async || self.larder.fills().is_empty().then_some(());
        wait::until("fills to be finished", wait::PATIENCE, settled).await;
    }

    /// Pulls as [`Stage::pull`], which has to succeed, and waits until all of it is published.
    pub async fn cache(&self, image: &Image) {
        assert_eq!(
            self.pull().await.as_deref(),
            Ok(image.digest()),
            "{}",
            self.upstream.log().story()
        );
        for blob in image.for_architecture("amd64").all_blobs() {
            self.published(&blob.digest).await;
        }
    }

    /// Waits until a blob is served from the cache.
    pub async fn published(&self, digest: &str) {
        let published = async || {
            let answer = self.larder.get(&blob_path(digest)).await.ok()?;
            (answer.headers.text("x-larder-cache") == "hit").then_some(())
        };
        wait::until("a blob to be served from the cache", wait::PATIENCE, published).await;
        self.settled().await;
    }

    /// Pulls until it works: for after a fault, while the upstream may still be resting.
    pub async fn pull_at_last(&self, digest: &str) {
        let pulled = wait::until("a pull to succeed again", 3 * wait::PATIENCE, async || {
            self.pull().await.ok()
        });
        assert_eq!(pulled.await, digest);
    }

    /// The first `count` bytes of a blob and the answer's body with the rest.
    pub async fn begin(&self, blob: &Blob, count: u64) -> (Bytes, crate::client::Body) {
        let answer = Request::get(blob_path(&blob.digest))
            .send(self.larder.address())
            .await;
        let mut answer = answer.expect("larder answers");
        assert_eq!(answer.status, 200, "{}", self.upstream.log().story());
        let first = wait::within(
            "the first part of the blob",
            wait::PATIENCE,
            answer.body.take(count),
        )
        .await;
        (first.expect("the first part is whole"), answer.body)
    }
}

/// A larder that loses patience soon, so that tests of its patience are short.
pub fn quick(endpoints: &[String]) -> Config {
    Config::with_endpoints(endpoints)
        .set("fetch.connect_timeout", "\"2s\"")
        .set("fetch.first_byte_timeout", "\"4s\"")
        .set("fetch.progress_timeout", "\"2s\"")
}

/// An image of a small layer and one of `size`.
pub fn image(seed: u64, size: usize) -> Image {
    ImageBuilder::new("amd64")
        .layer(Layer::noise(seed, 2000, Compression::Gzip))
        .layer(Layer::noise(seed + 1, size, Compression::None))
        .build()
}

pub fn blob_path(digest: &str) -> String {
    format!("/v2/{REPOSITORY}/blobs/{digest}")
}

pub fn manifest_path(reference: &str) -> String {
    format!("/v2/{REPOSITORY}/manifests/{reference}")
}

/// A request for a manifest with the Accept lines of a client.
pub fn manifest(method: &str, reference: &str) -> Request {
    let request = Request::new(method, manifest_path(reference));
    ACCEPT
        .iter()
        .fold(request, |request, kind| request.header("Accept", *kind))
}
