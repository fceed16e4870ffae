//! The upstream's side: threads of its own, so that it does not wait behind those who read.

use tests::{
    images::{Blob, noise},
    upstream::{Settings, Upstream},
};
use tokio::runtime::{Builder, Runtime};

use crate::REPOSITORY;

pub(crate) struct World(Runtime);

impl World {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self(runtime.expect("a runtime"))
    }

    pub(crate) async fn upstream(&self, settings: Settings) -> Upstream {
        self.0.spawn(settings.start()).await.expect("the upstream starts")
    }
}

/// Puts a blob of noise into the upstream.
pub(crate) fn put_blob(upstream: &Upstream, seed: u64, size: usize) -> Blob {
    let blob = Blob::new("application/octet-stream", noise(seed, size));
    upstream.content().push_blob(REPOSITORY, &blob);
    blob
}

pub(crate) fn path(blob: &Blob) -> String {
    format!("/v2/{REPOSITORY}/blobs/{}", blob.digest)
}

pub(crate) fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}
