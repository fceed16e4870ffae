//! skopeo: `copy` into an OCI layout, which checks every digest on the way.

use std::{path::PathBuf, time::Instant};

use super::{HOST, PULL_LIMIT, Pulled, Route, registries_conf};
use crate::process::Program;

/// skopeo with a folder for what it copies.
pub struct Skopeo {
    folder: tempfile::TempDir,
    registries_conf: PathBuf,
    copies: u32,
}

impl Skopeo {
    pub fn new(route: Route) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let registries_conf = registries_conf(folder.path(), route);
        Self {
            folder,
            registries_conf,
            copies: 0,
        }
    }

    /// Copies an image, all its platforms, into an empty layout.
    pub async fn pull(&mut self, repository: &str, reference: &str) -> Pulled {
        self.copies += 1;
        let layout = self.folder.path().join(format!("copy-{}", self.copies));
        let separator = if reference.contains(':') { '@' } else { ':' };
        let started = Instant::now();
        let finished = Program::new("skopeo", "skopeo")
            .args(["--insecure-policy", "--registries-conf"])
            .arg(&self.registries_conf)
            .args(["copy", "--all", "--preserve-digests"])
            .arg(format!("docker://{HOST}/{repository}{separator}{reference}"))
            // `dir:` keeps every manifest as it came, Docker's included.
            .arg(format!("dir:{}", layout.display()))
            .run(self.folder.path(), PULL_LIMIT)
            .await;
        let manifest = std::fs::read(layout.join("manifest.json"));
        let digest = manifest
            .ok()
            .filter(|_| finished.ok())
            .map(|bytes| crate::digest::sha256(&bytes));
        // 256 MiB a piece would fill a small machine's disk.
        let _ = std::fs::remove_dir_all(&layout);
        Pulled {
            digest,
            output: finished.output,
            took: started.elapsed(),
        }
    }
}
