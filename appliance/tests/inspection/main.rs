//! Inspections of a real cache by the real worker.

mod passes;
mod recovery;

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use larder::{
    cache::Cache,
    janitor::{Settings, Start, Starts, Supervisor},
    memory::Buffer,
    oci::{Algorithm, Digest, Repository},
};
use tokio::time::timeout;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of a blob, in bytes.
const BLOB: usize = 70_000;

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("in time")
}

fn name() -> Repository {
    Repository {
        upstream: "up.test".parse().expect("valid"),
        path: "a".parse().expect("valid"),
    }
}

fn noise(seed: u64) -> Bytes {
    let mut bytes = vec![0; BLOB];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes.into()
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

async fn store(cache: &Cache, bytes: &Bytes) {
    let size = Some(bytes.len() as u64);
    let fill = cache.begin_fill(&name(), &digest(bytes), size).await;
    let mut fill = fill.expect("begun");
    fill.append(vec![Buffer::borrowed(bytes.clone())])
        .await
        .expect("stored");
    let verified = fill.verify().expect("matches");
    verified.publish().await.expect("published");
}

/// The janitor of a folder, with little patience for a worker that does nothing.
fn janitor(folder: &Path, process: Arc<dyn Start>) -> Supervisor {
    let starts = Starts {
        process,
        thread: None,
    };
    let settings = Settings {
        folder: folder.to_owned(),
        memory: 64 << 20,
        step_deadline: Duration::from_secs(2),
        grace: Duration::from_millis(200),
        kill_grace: Duration::from_secs(10),
        start_deadline: Duration::from_secs(20),
        patience: PATIENCE,
        idle_after: PATIENCE,
        trip: 3,
        rests: (Duration::from_millis(500), Duration::from_secs(2)),
    };
    Supervisor::new(starts, settings, fastrand::Rng::with_seed(1))
}
